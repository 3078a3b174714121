package report

import (
	"fmt"
	"strings"

	"weir/report/words"
	"weir/sim"
)

// whyShown bounds the runs whose misses are explained: a larger sweep is only a
// table.
const whyShown = 8

// why writes the causes of each run's misses.
func (s *Study) why(t *text) {
	if len(s.Runs) > whyShown {
		return
	}
	for _, c := range s.Runs {
		lines := whyLines(c.Result)
		if len(lines) == 0 {
			continue
		}
		t.linef("\n%s: %s", c.Label, missed(c.Result))
		for _, line := range lines {
			t.linef("  %s", line)
		}
	}
}

// missed describes the number of requests that missed the SLO.
func missed(r *sim.Result) string {
	var n uint64
	for _, m := range r.Misses {
		n += m.Count
	}
	all := r.Arrived - r.Batch.Arrived
	text := fmt.Sprintf("%d of %d requests missed the SLO (%.2f %%)", n, all, 100*(1-r.Attainment))
	if r.OutOfReach > 0 {
		text += fmt.Sprintf("; %s of all requests cannot meet it on such replicas at any count, and %.2f %% of the others met it",
			words.Percent(float64(r.OutOfReach)/float64(max(all, 1)), 2), 100*r.Reachable)
	}
	return text
}

// whyLines says for each cause how many requests it made miss and when, and how
// long deployments ran at their maximum.
func whyLines(r *sim.Result) []string {
	var lines []string
	for _, m := range r.Misses {
		lines = append(lines, fmt.Sprintf("%d %s%s", m.Count, causeWords(m), spanWords(m.Spans)))
	}
	if len(lines) == 0 {
		return nil
	}
	for _, d := range r.Deployments {
		if share := percentOf(d.AtMax, r.Length); share >= 1 {
			lines = append(lines, fmt.Sprintf("%s was at scaling.max for %.0f %% of the time; its GPUs were busy for %.0f %% of the time paid for",
				d.Name, share, percentOf(d.GPU.Busy, d.GPU.Allocated)))
		}
	}
	return lines
}

// causeWords words a cause as the end of "12 requests ...".
func causeWords(m sim.Miss) string {
	switch m.Cause {
	case sim.ColdStart:
		return "waited while replicas of " + m.Deployment + " started"
	case sim.AtMax:
		return "waited while all replicas of " + m.Deployment + " that scaling.max allows were running"
	case sim.NoRoom:
		return "waited because the place had no capacity for more replicas of " + m.Deployment + ": quota, or out of stock"
	case sim.TooFew:
		return "waited, and scaling wanted no more replicas of " + m.Deployment
	case sim.OutOfQuota:
		return "waited for quota of " + m.Deployment
	case sim.SlowPrefill:
		return "had a slow prefill: their replica of " + m.Deployment + " was busy with other prompts"
	case sim.SlowDecode:
		return "had slow tokens: their replica of " + m.Deployment + " had too many requests at once"
	case sim.SlowService:
		return "had a slow answer of " + m.Deployment
	case sim.Never:
		return "would miss at any number of replicas: too long even for an idle replica of " + m.Deployment
	case sim.Lost:
		return "lost their replica of " + m.Deployment
	}
	return string(m.Cause) + " at " + m.Deployment
}

// spanWords are the spans in which most of them arrived.
func spanWords(spans []sim.Span) string {
	var parts []string
	for _, s := range spans {
		parts = append(parts, words.Clock(s.From)+" to "+words.Clock(s.To))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
