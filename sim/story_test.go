package sim

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/dispatch"
	"weir/internal/story"
	"weir/scale"
	"weir/trace"
)

// Stories are readable runs: testdata/NAME.txt shows the events, minute by
// minute. Read the difference before an update.
func TestStories(t *testing.T) {
	for _, s := range []struct {
		name, about string
		config      func(t *testing.T) Config
	}{
		{"cold-start", "Recorded traffic meets one replica of the several it needs. Those asked for take half a minute to come.", coldStart},
		{"from-zero", "Nothing runs until somebody asks. The first callers wait out the cold start; two minutes after the last one nothing runs again.", fromZero},
		{"spill", "Provisioned throughput is full at the peak; what it has no room for spills to pay-as-you-go.", spill},
		{"node-loss", "Two replicas share a node, and nodes die. Streams are cut, what was not answered yet goes elsewhere.", nodeLoss},
		{"quota", "Five replicas are wanted and the quota is three, but for two minutes the place has none to give at all.", quota},
		{"slow-starts", "A third of the starts takes four times as long, a fifth fails.", slowStarts},
		{"throttled", "The service upstream answers 429 for two minutes at any load. Own replicas take over.", throttled},
	} {
		t.Run(s.name, func(t *testing.T) {
			r := run(t, s.config(t))
			story.Hold(t, filepath.Join("testdata", s.name+".txt"), s.about+"\n\n"+tell(r))
		})
	}
}

// byLoad wants a replica for every four requests present.
func byLoad(least, most int) scale.Decider {
	return func(s scale.State, o scale.Observation) (scale.Decision, scale.State) {
		d, s := fixed(min(max((o.InFlight+o.Waiting+3)/4, least), most))(s, o)
		if s.Now == 0 || d.Want >= d.Have {
			s.Now = o.Now // start of the time without too many
		}
		if d.Want < d.Have && o.Now.Sub(s.Now) < 2*time.Minute {
			d.Want = d.Have
		}
		return d, s
	}
}

func recorded(t *testing.T, length time.Duration) trace.Source {
	r, err := trace.AzureConversation()
	if err != nil {
		t.Fatal(err)
	}
	return trace.Cut(r, 0, length)
}

// elastic is own replicas by byLoad.
func elastic(initial, least, most int) Deployment {
	d := ownFleet(initial)
	d.MaxRequests = 8
	d.Own.Policy, d.Own.Decide = scale.Policy{Min: least, Max: most}, byLoad(least, most)
	return d
}

func coldStart(t *testing.T) Config { return config(recorded(t, 6*time.Minute), elastic(1, 1, 6)) }

func fromZero(*testing.T) Config {
	c := config(every(40, time.Second, 200, 20), elastic(0, 0, 4))
	c.Length = 6 * time.Minute
	return c
}

// peak is 2 requests a second, and 10 in minutes three and four.
func peak() trace.Source {
	var list trace.Slice
	for at := time.Duration(0); at < 6*time.Minute; {
		list = append(list, trace.Arrival{At: at, Prompt: 800, Output: 50})
		gap := 500 * time.Millisecond
		if at >= 2*time.Minute && at < 4*time.Minute {
			gap = 100 * time.Millisecond
		}
		at += gap
	}
	return &list
}

func spill(*testing.T) Config {
	p, g := provisioned(), payg()
	p.Remote.TokensPerMinute = 300_000
	g.Tier = 1
	return config(peak(), p, g)
}

func nodeLoss(t *testing.T) Config {
	d := elastic(4, 4, 4)
	d.Own.Fleet.PerNode = 2
	d.Own.Faults.NodeLoss = 90 * time.Second
	return config(recorded(t, 6*time.Minute), d)
}

func quota(t *testing.T) Config {
	d := elastic(1, 5, 5)
	d.Own.Fleet.Quota = 3
	d.Own.Faults.StockOut = []Window{{0, 2 * time.Minute}}
	c := config(recorded(t, 6*time.Minute), d)
	c.Queue = dispatch.Queue{MaxRequests: 30, MaxWait: 10 * time.Second}
	return c
}

func slowStarts(t *testing.T) Config {
	d := elastic(1, 1, 6)
	d.Own.Fleet.SlowStart, d.Own.Fleet.StartFailure = 0.33, 0.2
	return config(recorded(t, 6*time.Minute), d)
}

func throttled(*testing.T) Config {
	p := provisioned()
	p.Remote.TokensPerMinute = 0
	p.Remote.Throttled, p.Remote.Throttle = []Window{{2 * time.Minute, 4 * time.Minute}}, 1
	d := elastic(2, 2, 6)
	d.Tier = 1
	return config(peak(), p, d)
}

// tell prints a run as a page: minutes, decisions, result.
func tell(r *Result) string {
	var b strings.Builder
	b.WriteString("minute  arrived  waiting  in flight  want/starting/ready/draining  attained  ttft p50\n")
	for _, p := range r.Timeline {
		flying, fleet := 0, ""
		for _, l := range p.Deployments {
			flying += l.InFlight
			fleet += fmt.Sprintf("  %d/%d/%d/%d", l.Want, l.Starting, l.Ready, l.Draining)
		}
		fmt.Fprintf(&b, "%6.0f  %7d  %7d  %9d%s  %.0f %%  %v\n", p.At.Minutes(), p.Arrived, p.Waiting, flying, fleet, 100*p.Attainment, p.TTFT.P50.Round(time.Millisecond))
	}
	b.WriteString("\n")
	for _, c := range r.Decisions {
		fmt.Fprintf(&b, "%v %s %d -> %d %s\n", c.At, c.Deployment, c.Decision.Have, c.Decision.Want, c.Err)
	}
	fmt.Fprintf(&b, "\n%d arrived = %d completed + %d refused + %d failed + %d waiting\n", r.Arrived, r.Completed, r.Refused, r.Failed, r.Waiting)
	for _, why := range r.Refusals {
		fmt.Fprintf(&b, "refused: %d %s\n", why.Count, why.Reason)
	}
	fmt.Fprintf(&b, "failed: %d callers gone, %d streams cut, %d too long; %d nodes lost\n", r.Impatient, r.Cut, r.TooLong, r.NodesLost)
	fmt.Fprintf(&b, "attained %.1f %%, worst five minutes %.1f %%; %d changes, %d reversals; %v\n", 100*r.Attainment, 100*r.WorstWindow, r.Changes, r.Reversals, r.Cost)
	for _, d := range r.Deployments {
		fmt.Fprintf(&b, "%s: %d granted, %d completed, %d failed, %d throttled; %d asked for, %d died; %v of %v starting\n",
			d.Name, d.Granted, d.Completed, d.Failed, d.Throttled, d.Asked, d.FailedStarts, d.GPU.ColdStart.Round(time.Second), d.GPU.Allocated.Round(time.Second))
	}
	return b.String()
}
