package report

import (
	"fmt"
	"io"
	"strings"

	"weir/plan"
	"weir/report/words"
)

// Plan writes an answer for people.
func Plan(w io.Writer, a plan.Answer) error {
	var t planText
	t.demand(a.Demand)
	t.recommendation(a)
	t.simulated(a.Simulated)
	t.options(a)
	t.measures(a)
	t.provisioned(a)
	t.sensitivity(a)
	t.switches(a)
	t.services(a)
	t.figures(a)
	return t.to(w)
}

// planText is the text of an answer.
type planText struct{ text }

func (t *planText) demand(s plan.Summary) {
	t.title("Demand of a month")
	of := s.Model
	if s.OpenModel != "" {
		of = strings.TrimPrefix(of+" or "+s.OpenModel, " or ")
	}
	t.linef("  %s: %s requests, %s tokens in (%s of them cached), %s out", of, words.Short(s.Requests), words.Short(s.Input),
		words.Percent(ratio(s.Cached, s.Input), 4), words.Short(s.Output))
	t.linef("  busiest minute: %s requests, %s tokens; counted over %s", words.Short(s.PeakRPM), words.Short(s.PeakTPM), words.Count(s.Minutes, "minute"))
}

func (t *planText) recommendation(a plan.Answer) {
	t.title("Recommendation")
	for _, line := range a.Words {
		t.wrapped(line)
	}
	for _, l := range a.Advice.Lines {
		t.linef("    %12s  %s", words.Dollars(l.Amount), l.What)
	}
	if o := a.Advice.Option; o != nil {
		for _, b := range o.Binds {
			t.linef("  %s binds: %s", b.What, b.Why)
		}
		for _, n := range o.Notes {
			t.linef("  note: %s", n)
		}
	}
}

func (t *planText) simulated(s *plan.Simulated) {
	if s == nil {
		return
	}
	t.title("Simulated: " + s.Option)
	t.wrapped(fmt.Sprintf("%v of the busiest minute, %d requests to %s: %s within %v to the first token and %v a token (99 of 100 within %v and %v)",
		s.Played, s.Requests, words.Count(s.Replicas, "replica"), words.Percent(s.Attained, 4), s.SLO.TTFT, s.SLO.TPOT,
		s.TTFT, s.TPOT))
	for _, note := range s.About {
		t.wrapped(words.Sentence(note))
	}
}

// shown is the number of alternatives in the text; the JSON has all.
const shown = 12

// plain notes that a statement assumes no measures, if the answer has some.
func plain(a plan.Answer) string {
	if len(a.Measures) == 0 {
		return ""
	}
	return ", without the measures"
}

// measured notes that a statement assumes the measures that pay.
func measured(a plan.Answer) string {
	if len(a.Measures) == 0 {
		return ""
	}
	return ", with the measures that pay"
}

func (t *planText) options(a plan.Answer) {
	t.title("Alternatives, for the whole demand" + plain(a))
	rows := []string{"a month\tper 1M tokens\tper request\tused\t\t"}
	available := 0
	for _, o := range a.Options {
		if !o.Available() {
			continue
		}
		if available++; available <= shown {
			rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", words.Dollars(o.Month), words.Small(o.PerMillion), words.Small(o.PerRequest), used(o), o.Title(), bound(o)))
		}
	}
	t.table(rows...)
	if available > shown {
		t.linef("  and %d more expensive ones: see --json", available-shown)
	}
	t.refused(a.Options)
	var unpriced []string
	for _, o := range a.Options {
		if len(o.Missing) > 0 {
			unpriced = append(unpriced, o.Name)
		}
	}
	if len(unpriced) > 0 {
		t.linef("No known price (the missing figures are listed at the end)")
		t.wrapped(strings.Join(unpriced, "; "))
	}
}

// refused lists the unavailable options; sizes too small for the model share a
// line.
func (t *planText) refused(options []plan.Option) {
	var small, out []string
	for _, o := range options {
		switch {
		case len(o.Missing) > 0 || o.Refused == "":
		case len(o.Binds) > 0 && o.Binds[0].What == plan.BindsMemory:
			small = append(small, strings.TrimPrefix(o.SKU, "Standard_"))
		default:
			out = append(out, o.Name+": "+o.Refused)
		}
	}
	if len(small) > 0 {
		out = append(out, "GPU memory too small for the model: "+strings.Join(small, ", "))
	}
	if len(out) > 0 {
		t.linef("Not available, or not worth it")
	}
	for _, line := range out {
		t.wrapped(line)
	}
}

// ratio is a part of a whole; 0 if the whole is 0.
func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

// bound names in brackets the bounds of an alternative.
func bound(o plan.Option) string {
	var whats []string
	for _, b := range o.Binds {
		whats = append(whats, b.What)
	}
	if len(whats) == 0 {
		return ""
	}
	return "(" + strings.Join(whats, ", ") + ")"
}

func used(o plan.Option) string {
	if o.Utilisation == 0 {
		return "-"
	}
	return words.Percent(o.Utilisation, 4)
}

func (t *planText) measures(a plan.Answer) {
	if len(a.Measures) == 0 {
		return
	}
	t.title("Measures, each on its own")
	for _, m := range a.Measures {
		name := strings.ReplaceAll(m.Name, "_", " ")
		worth := "saves " + words.Dollars(m.Saves) + " a month"
		switch {
		case len(m.Missing) > 0:
			worth = "no price; unknown: " + strings.Join(m.Missing, "; ")
		case m.Saves < 0:
			worth = "costs " + words.Dollars(-m.Saves) + " a month more"
		}
		t.wrapped(fmt.Sprintf("%s for %s of requests: %s (%s)", name, words.Percent(m.Share, 4), worth, m.Why))
	}
}

func (t *planText) sensitivity(a plan.Answer) {
	if a.Advice.Lines == nil {
		return
	}
	t.title("If the demand changes" + measured(a))
	rows := []string{"a month\tper 1M tokens\t\t"}
	for _, c := range a.Cases {
		if !c.Known {
			rows = append(rows, "not known\t\t"+c.What+"\t")
			continue
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s", words.Dollars(c.Month), words.Small(c.Million), c.What, c.Best))
	}
	t.table(rows...)
}

func (t *planText) switches(a plan.Answer) {
	if len(a.Curve.Switches) == 0 {
		return
	}
	t.title("Cheapest as the demand grows" + plain(a))
	for _, s := range a.Curve.Switches {
		t.linef("  from %.3g times the demand (%s tokens a month): %s instead of %s", s.Times, words.Short(s.Tokens), s.To, s.From)
	}
}

func (t *planText) services(a plan.Answer) {
	t.title("When to use which service")
	var rows []string
	for _, s := range a.Services {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s", s.Use, s.Name, s.Why))
	}
	t.table(rows...)
}

func (t *planText) provisioned(a plan.Answer) {
	if len(a.Sizing) == 0 {
		return
	}
	t.title("Provisioned throughput")
	for _, s := range a.Sizing {
		t.linef("  %s: the busiest minute needs %.2f, so %d PTUs (sold from %d in steps of %d)", s.SKU, s.Exact, s.PTUs, s.Minimum, s.Increment)
	}
	for _, b := range a.BreakEven {
		verdict := fmt.Sprintf("cheaper than pay-as-you-go above %s utilisation", words.Percent(b.Utilisation, 4))
		if b.Utilisation > 1 {
			verdict = fmt.Sprintf("never cheaper: it would break even at %s utilisation", words.Percent(b.Utilisation, 4))
		}
		t.wrapped(fmt.Sprintf("%s by the %s: a PTU costs %s a month and, fully used, carries what costs %s as pay-as-you-go: %s",
			b.SKU, b.Term, words.Dollars(b.PTUMonth), words.Dollars(b.Worth), verdict))
	}
	if d := a.Today; d != nil {
		t.linef("  Today's %d PTUs would be %s utilised; %s of the load exceeds them, and they are full in %s of the minutes",
			d.PTUs, words.Percent(d.Utilisation, 4), words.Percent(d.Over, 4), words.Percent(d.Full, 4))
	}
}

func (t *planText) figures(a plan.Answer) {
	t.title("Figures used")
	var rows []string
	for _, f := range a.Figures {
		date := f.Date
		if date == "" {
			date = "date not known"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s, %s", f.Name, f.Value, f.Source, date))
	}
	t.table(rows...)
	for _, line := range a.Assumed {
		t.linef("  assumed: %s", line)
	}
	for _, line := range a.Stale {
		t.linef("  old: %s", line)
	}
	for _, name := range a.Missing {
		t.linef("  not known: %s", name)
	}
}
