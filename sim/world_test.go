package sim

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"weir"
	"weir/engine"
	"weir/fleet/mem"
	"weir/scale"
	"weir/trace"
)

// tick is an engine of 10 ms a step and 0.1 ms a prompt token.
type tick struct{}

func (tick) Step(b engine.Batch) engine.Cost {
	return engine.Cost{Fixed: 10e9 + engine.Picoseconds(b.Prefill)*1e8}
}

func smallEngine() engine.Spec {
	return engine.Spec{Speed: tick{}, MaxSeqs: 8, KVTokens: 16_000, Async: true}
}

// fixed wants n replicas, always.
func fixed(n int) scale.Decider {
	return func(s scale.State, o scale.Observation) (scale.Decision, scale.State) {
		have := 0
		for _, r := range o.Replicas {
			if r.State == weir.Ready || r.State == weir.Starting {
				have++
			}
		}
		return scale.Decision{Have: have, Wanted: n, Want: n}, s
	}
}

// ownFleet is a deployment of n replicas of the small engine.
func ownFleet(n int) Deployment {
	return Deployment{Name: "own", Own: &Own{
		Engine: smallEngine(), Initial: n, Price: 10 * weir.Dollar,
		Fleet:  mem.Deployment{ColdStart: 30 * time.Second},
		Policy: scale.Policy{Min: n, Max: max(n, 1)}, Decide: fixed(n),
	}}
}

// every yields n requests, one every gap.
func every(n int, gap time.Duration, prompt, output int) trace.Source {
	list := make(trace.Slice, n)
	for i := range list {
		list[i] = trace.Arrival{At: time.Duration(i) * gap, Prompt: prompt, Output: output}
	}
	return &list
}

// endless yields n requests without holding them.
type endless struct {
	left int
	at   time.Duration
	gap  time.Duration
}

func (e *endless) Next() (trace.Arrival, error) {
	if e.left == 0 {
		return trace.Arrival{}, io.EOF
	}
	e.left--
	e.at += e.gap
	return trace.Arrival{At: e.at, Prompt: 100, Output: 10}, nil
}

func config(src trace.Source, ds ...Deployment) Config {
	return Config{Source: src, Deployments: ds, SLO: SLO{TTFT: time.Second, TPOT: 50 * time.Millisecond}}
}

func run(t testing.TB, c Config) *Result {
	t.Helper()
	r, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARequestTakesWhatTheEngineSays(t *testing.T) {
	r := run(t, config(every(1, 0, 100, 5), ownFleet(1)))
	// Prefill 10 ms + 100 x 0.1 ms, then four steps of 10 ms.
	near(t, "TTFT", r.TTFT.P50, 20*time.Millisecond)
	near(t, "TPOT", r.TPOT.P50, 10*time.Millisecond)
	if r.Completed != 1 || r.Attainment != 1 || r.GoodTokens != 5 {
		t.Errorf("have %+v", r)
	}
}

// near allows the width of a histogram's bucket.
func near(t *testing.T, what string, have, want time.Duration) {
	t.Helper()
	if have < want-want/64 || have > want+want/64 {
		t.Errorf("%s: have %v, want %v", what, have, want)
	}
}

func TestCostIsCountedFromAskingToRelease(t *testing.T) {
	c := config(every(10, time.Second, 100, 5), ownFleet(2))
	c.Length = time.Hour
	r := run(t, c)
	if r.GPU.Allocated != 2*time.Hour || r.Cost != 20*weir.Dollar {
		t.Errorf("two replicas for an hour at $10: have %v for %v", r.GPU.Allocated, r.Cost)
	}
	if want := 10 * (20 + 4*10) * time.Millisecond; r.GPU.Busy != want {
		t.Errorf("busy for %v, want %v", r.GPU.Busy, want)
	}
	if r.GPU.Idle != r.GPU.Allocated-r.GPU.Busy || r.GPU.ColdStart != 0 {
		t.Errorf("idle %v, cold start %v", r.GPU.Idle, r.GPU.ColdStart)
	}
}

func TestFromZeroTheFirstRequestWaitsForTheColdStart(t *testing.T) {
	d := ownFleet(1)
	d.Own.Initial = 0
	r := run(t, config(every(1, 0, 100, 5), d))
	near(t, "TTFT", r.TTFT.P50, 30*time.Second+20*time.Millisecond)
	if r.Attainment != 0 || r.Completed != 1 {
		t.Errorf("attainment %v, %d completed", r.Attainment, r.Completed)
	}
	if r.GPU.ColdStart != 30*time.Second && r.Length >= 30*time.Second {
		t.Errorf("cold start of %v", r.GPU.ColdStart)
	}
}

func TestCallersGiveUp(t *testing.T) {
	d := ownFleet(1)
	d.Own.Initial = 0
	c := config(every(3, time.Second, 100, 5), d)
	c.Patience = 10 * time.Second
	r := run(t, c)
	if r.Impatient != 3 || r.Failed != 3 || r.Attainment != 0 {
		t.Errorf("want three callers gone: %+v", r)
	}
}

func TestALostReplicasUnseenRequestsGoElsewhere(t *testing.T) {
	d := ownFleet(2)
	d.Own.Faults.NodeLoss = 20 * time.Second
	d.Own.Fleet.ColdStart = time.Second
	r := run(t, config(every(6000, 50*time.Millisecond, 100, 10), d))
	if r.NodesLost == 0 || r.Cut == 0 {
		t.Fatalf("%d nodes lost, %d streams cut: the test sees nothing", r.NodesLost, r.Cut)
	}
	if r.Completed+r.Cut != r.Arrived {
		t.Errorf("%d arrived, %d completed, %d cut: requests without a token must not be lost (%v)", r.Arrived, r.Completed, r.Cut, r.Refusals)
	}
}

func TestDispatchThatLearnsLateTriesReplicasThatAreGone(t *testing.T) {
	d := ownFleet(2)
	d.Own.Faults.NodeLoss = 20 * time.Second
	d.Own.Fleet.ColdStart = time.Second
	c := config(every(6000, 50*time.Millisecond, 100, 5), d)
	c.StatusLag = time.Second
	r := run(t, c)
	if late, at := r.Deployments[0].Failed, run(t, config(every(6000, 50*time.Millisecond, 100, 5), d)).Deployments[0].Failed; late <= at {
		t.Errorf("%d attempts failed with a lag, %d without", late, at)
	}
	if r.Completed+r.Failed+r.Refused != r.Arrived {
		t.Errorf("%+v", r)
	}
}

func TestWhatFitsNoReplicaFails(t *testing.T) {
	r := run(t, config(every(2, time.Second, 20_000, 5), ownFleet(1)))
	if r.TooLong != 2 || r.Failed != 2 {
		t.Errorf("want both too long: %+v", r)
	}
}

func TestStartsThatFailAreMadeGood(t *testing.T) {
	d := ownFleet(3)
	d.Own.Initial = 1
	d.Own.Fleet.StartFailure = 0.5
	r := run(t, config(every(600, time.Second, 100, 5), d))
	if o := r.Deployments[0]; o.FailedStarts == 0 || r.Timeline[len(r.Timeline)-1].Deployments[0].Ready != 3 {
		t.Errorf("%d failed starts, at the end %+v", o.FailedStarts, r.Timeline[len(r.Timeline)-1])
	}
}

func TestAStockOutGivesNoReplica(t *testing.T) {
	d := ownFleet(3)
	d.Own.Initial = 1
	d.Own.Faults.StockOut = []Window{{0, 5 * time.Minute}}
	r := run(t, config(every(600, time.Second, 100, 5), d))
	f := func(minute, ready int) {
		t.Helper()
		if have := r.Timeline[minute-1].Deployments[0].Ready; have != ready {
			t.Errorf("minute %d: %d ready, want %d", minute, have, ready)
		}
	}
	f(4, 1)
	f(7, 3)
}

func TestControlSeesWhatWasScraped(t *testing.T) {
	var ages []time.Duration
	d := ownFleet(1)
	d.Own.Decide = func(s scale.State, o scale.Observation) (scale.Decision, scale.State) {
		ages = append(ages, o.SignalAge)
		return fixed(1)(s, o)
	}
	c := config(every(60, time.Second, 100, 5), d)
	c.Scrape, c.Tick, c.Phase = 15*time.Second, 10*time.Second, time.Second
	run(t, c)
	want := []time.Duration{1 * time.Second, 11 * time.Second, 6 * time.Second, 1 * time.Second}
	for i, w := range want {
		if ages[i] != w {
			t.Errorf("step %d sees figures %v old, want %v", i, ages[i], w)
		}
	}
}

func TestUtilisationIsOfTheTimeSinceItWasAsked(t *testing.T) {
	var seen []float64
	d := ownFleet(1)
	d.Own.Decide = func(s scale.State, o scale.Observation) (scale.Decision, scale.State) {
		seen = append(seen, o.GPUUtilisation)
		return fixed(1)(s, o)
	}
	// 60 ms of work every 100 ms.
	c := config(every(600, 100*time.Millisecond, 100, 5), d)
	c.Tick = 10 * time.Second
	run(t, c)
	for _, u := range seen[1:5] {
		if u < 0.59 || u > 0.61 {
			t.Errorf("utilisation %v, want 0.6", u)
		}
	}
}

// Half of the replica's time is taken by callers; batch work, three times what
// would fit beside them at once, soaks up the rest within the hour.
func TestBatchSoaksUpWhatIsIdle(t *testing.T) {
	c := config(every(6000, 100*time.Millisecond, 300, 3), ownFleet(1))
	alone := run(t, c)
	c.Source, c.Batch = every(6000, 100*time.Millisecond, 300, 3), every(500, 0, 1000, 10)
	r := run(t, c)
	if b := r.Batch; b.Arrived != 500 || b.Completed != 500 || b.Attained != 500 {
		t.Errorf("batch: %+v", b)
	}
	if r.Arrived != 6500 || r.Completed != 6500 {
		t.Errorf("%d arrived, %d completed", r.Arrived, r.Completed)
	}
	if r.GPU.Busy <= alone.GPU.Busy || r.TTFT.P50 > 4*alone.TTFT.P50 {
		t.Errorf("busy %v, alone %v; first token after %v, alone %v", r.GPU.Busy, alone.GPU.Busy, r.TTFT.P50, alone.TTFT.P50)
	}
}

func TestFaultyConfigsAreRefused(t *testing.T) {
	f := func(name string, spoil func(*Config)) {
		t.Helper()
		c := config(every(1, 0, 1, 1), ownFleet(1))
		spoil(&c)
		if _, err := Run(context.Background(), c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	f("no source", func(c *Config) { c.Source = nil })
	f("no deployment", func(c *Config) { c.Deployments = nil })
	f("no SLO", func(c *Config) { c.SLO = SLO{} })
	f("neither own nor remote", func(c *Config) { c.Deployments[0].Own = nil })
	f("both own and remote", func(c *Config) { c.Deployments[0].Remote = &Remote{} })
	f("an engine without speed", func(c *Config) { c.Deployments[0].Own.Engine.Speed = nil })
	f("two of a name", func(c *Config) { c.Deployments = append(c.Deployments, c.Deployments[0]) })
	f("a negative tick", func(c *Config) { c.Tick = -1 })
}

func TestATraceThatGoesBackIsAnError(t *testing.T) {
	src := &trace.Slice{{At: time.Second, Prompt: 1, Output: 1}, {At: 0, Prompt: 1, Output: 1}}
	if _, err := Run(context.Background(), config(src, ownFleet(1))); err == nil {
		t.Error("an arrival before the one before it was taken")
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, config(every(10, 0, 1, 1), ownFleet(1))); !errors.Is(err, context.Canceled) {
		t.Errorf("have %v, want context.Canceled", err)
	}
}
