package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir"
	"weir/control"
	"weir/fleet"
	"weir/fleet/mem"
	"weir/scale"
)

const start = weir.Instant(1_700_000_000_000_000_000)

// desk drives a Controller over a mem fleet by hand.
type desk struct {
	*testing.T
	fleet  *mem.Fleet
	c      *control.Controller
	now    weir.Instant
	rate   float64 // requests per second, all served at once
	total  float64
	silent error // Demand's error
	last   control.Event
	failed []error
}

var policy = scale.Policy{Min: 1, Max: 10, TargetRequests: 1, ColdStart: 30 * time.Second, ScaleInAfter: time.Minute}

func newDesk(t *testing.T, j *control.Journal, states map[string]scale.State) *desk {
	d := &desk{T: t, now: start, fleet: mem.New(start, 1, mem.Deployment{Name: "m", ColdStart: 30 * time.Second, Quota: 8})}
	var err error
	d.c, err = control.New(control.Options{
		Journal: j,
		Decided: func(e control.Event) { d.last = e },
		Failed:  func(_ string, err error) { d.failed = append(d.failed, err) },
	}, []control.Target{d.target()}, states)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) target() control.Target {
	return control.Target{Deployment: "m", Actuator: d.fleet, Demand: d.demand, Policy: policy}
}

func (d *desk) demand(now weir.Instant, _ string) (scale.Observation, error) {
	o := scale.Unknown(now)
	o.Arrived, o.Completed, o.Attained = uint64(d.total), uint64(d.total), uint64(d.total)
	return o, d.silent
}

func (d *desk) run(f time.Duration) {
	for end := d.now.Add(f); d.now < end; {
		d.now = d.now.Add(2 * time.Second)
		d.total += d.rate * 2
		d.fleet.Advance(d.now)
		d.c.Step(d.now)
		rs, err := d.fleet.Status(context.Background(), "m")
		if err != nil {
			d.Fatal(err)
		}
		for _, r := range rs {
			if r.State == weir.Draining {
				d.fleet.Drained("m", r.ID)
			}
		}
	}
}

func (d *desk) have() int {
	rs, err := d.fleet.Status(context.Background(), "m")
	if err != nil {
		d.Fatal(err)
	}
	return len(rs)
}

func openJournal(t *testing.T, o control.JournalOptions) *control.Journal {
	t.Helper()
	j, err := control.OpenJournal(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestReplicasFollowTheLoad(t *testing.T) {
	d := newDesk(t, nil, nil)
	d.run(time.Minute)
	if n := d.have(); n != 1 {
		t.Fatalf("%d replicas, want the minimum", n)
	}
	d.rate = 5
	d.run(2 * time.Minute)
	if n := d.have(); n < 5 || n > 6 {
		t.Errorf("%d replicas for 5 requests/s", n)
	}
	d.rate = 0.5
	d.run(5 * time.Minute)
	if n := d.have(); n != 1 {
		t.Errorf("%d replicas after the load went", n)
	}
	if len(d.failed) != 0 {
		t.Errorf("failed: %v", d.failed)
	}
}

func TestBeyondTheQuotaThePlaceIsNotAskedAtEveryStep(t *testing.T) {
	d := newDesk(t, nil, nil)
	d.run(time.Minute)
	d.rate = 10
	asked := 0
	for range 60 {
		d.run(2 * time.Second)
		if d.last.Acted {
			asked++
		}
	}
	if n := d.have(); n != 8 {
		t.Errorf("%d replicas of a quota of 8", n)
	}
	if asked < 2 || asked > 12 {
		t.Errorf("the place was asked %d times in 60 steps", asked)
	}
	last := d.last.Decision.Reasons[len(d.last.Decision.Reasons)-1]
	if last.Rule != scale.RuleStockOut || d.last.Decision.Wanted != 10 {
		t.Errorf("last reason is %+v, wanted %d", last, d.last.Decision.Wanted)
	}
}

func TestWithoutDemandWhatRunsIsHeld(t *testing.T) {
	d := newDesk(t, nil, nil)
	d.rate = 5
	d.run(2 * time.Minute)
	before := d.have()
	d.silent = errors.New("gateway is being reloaded")
	d.run(10 * time.Minute)
	if d.have() != before || d.last.Decision.Reasons[0].Rule != scale.RuleStale {
		t.Errorf("%d replicas became %d: %+v", before, d.have(), d.last.Decision)
	}
	if len(d.failed) != 300 || !errors.Is(d.failed[0], d.silent) {
		t.Errorf("told of %d failures: %v", len(d.failed), d.failed[0])
	}
}

func TestFailedReplicasAreMadeGood(t *testing.T) {
	d := newDesk(t, nil, nil)
	d.rate = 3
	d.run(3 * time.Minute)
	rs, _ := d.fleet.Status(context.Background(), "m")
	d.fleet.Fail("m", rs[0].ID, "killed by the test")
	d.run(time.Minute)
	ready := 0
	rs, _ = d.fleet.Status(context.Background(), "m")
	for _, r := range rs {
		if r.State == weir.Ready {
			ready++
		}
	}
	if ready != d.last.Decision.Want {
		t.Errorf("%d ready, want %d", ready, d.last.Decision.Want)
	}
}

func TestAnUnknownDeploymentIsToldAndDecidesNothing(t *testing.T) {
	d := newDesk(t, nil, nil)
	target := d.target()
	target.Deployment = "other"
	if err := d.c.Configure([]control.Target{target}); err != nil {
		t.Fatal(err)
	}
	d.c.Step(start)
	if len(d.failed) != 1 || !errors.Is(d.failed[0], fleet.ErrUnknown) || d.last.Deployment != "" {
		t.Errorf("failed %v, last %+v", d.failed, d.last)
	}
}

func TestConfigureRefusesWhatCannotWork(t *testing.T) {
	d := newDesk(t, nil, nil)
	bad := d.target()
	bad.Policy.Max = 0
	err := d.c.Configure([]control.Target{bad, {}, d.target()})
	for _, want := range []string{`target "" has no name`, `"m" is a target twice`, `max is 0`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	d.run(time.Minute)
	if d.have() != 1 {
		t.Error("the target of before is gone")
	}
}

func TestTheJournalReplaysByteForByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.journal")
	j := openJournal(t, control.JournalOptions{Path: path, CheckpointEvery: 7})
	d := newDesk(t, j, nil)
	for _, rate := range []float64{0.5, 5, 20, 1, 0, 3} {
		d.rate = rate
		d.run(90 * time.Second)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := control.Replay(bytes.NewReader(b), nil)
	if err != nil || report.Lines != 270 || report.Decisions != 270 || report.First != nil {
		t.Fatalf("replay: %+v, %v", report, err)
	}
	for i, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
		var l control.Line
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(l)
		if err != nil || !bytes.Equal(line, again) {
			t.Fatalf("line %d reads and writes as another:\n%s\n%s", i+1, line, again)
		}
	}

	// A change of one figure in one observation shows from there on.
	bent := bytes.Replace(b, []byte(`"arrived":295,`), []byte(`"arrived":900,`), 1)
	if bytes.Equal(b, bent) {
		t.Fatal("the journal does not hold the figure this test bends")
	}
	report, err = control.Replay(bytes.NewReader(bent), nil)
	if err != nil || report.First == nil || report.First.Line < 70 || report.First.Line > 80 {
		t.Errorf("bent journal: %+v, %v", report, err)
	}

	// Another policy on the same hour.
	report, err = control.Replay(bytes.NewReader(b), func(_ string, p scale.Policy) scale.Decider {
		p.TargetRequests = 2
		return p.Decider()
	})
	if err != nil || report.Different == 0 || report.First.Now.Wanted >= report.First.Wrote.Wanted {
		t.Errorf("with twice the target: %+v, %v", report, err)
	}
	if n := len(report.Differences); n != report.Different {
		t.Errorf("%d of %d differences are shown", n, report.Different)
	}
	if s := report.Sums; len(s) != 1 || s[0].Steps != 270 || s[0].Now >= s[0].Wrote || s[0].Wrote < 9*time.Minute/2 {
		t.Errorf("over all of it: %+v", s)
	}
}

func TestARestartGoesOnFromTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.journal")
	j := openJournal(t, control.JournalOptions{Path: path})
	d := newDesk(t, j, nil)
	d.rate = 5
	d.run(3 * time.Minute)
	ran := d.have()

	// Killed in the middle of a line.
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString(`{"v":1,"deployment":"m","observ`); err != nil {
		t.Fatal(err)
	}
	states, err := control.Recover(path)
	if err != nil || states["m"].Now != d.now || states["m"].Want != ran {
		t.Fatalf("recovered %+v, %v; want that of %d with %d replicas", states["m"], err, d.now, ran)
	}

	j2 := openJournal(t, control.JournalOptions{Path: path})
	again := newDesk(t, j2, states)
	again.fleet, again.now = d.fleet, d.now.Add(20*time.Second)
	if err := again.c.Configure([]control.Target{again.target()}); err != nil {
		t.Fatal(err)
	}
	for end := again.now.Add(50 * time.Second); again.now < end; {
		again.run(2 * time.Second) // no request has reached the new process yet
		if n := again.have(); n < ran {
			t.Fatalf("a restart shrank the fleet from %d to %d: %+v", ran, n, again.last.Decision)
		}
	}
	if err := errors.Join(j2.Close(), torn.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := control.Replay(bytes.NewReader(b), nil)
	if err != nil || report.Skipped != 0 || report.First != nil {
		t.Errorf("replay over the restart: %+v, %v", report, err)
	}
}

func TestWithoutAJournalNothingIsRecovered(t *testing.T) {
	states, err := control.Recover(filepath.Join(t.TempDir(), "none"))
	if err != nil || len(states) != 0 {
		t.Errorf("%v, %v", states, err)
	}
}

// stuck is a place that does not answer before its context ends.
type stuck struct{}

func (stuck) Status(ctx context.Context, _ string) ([]weir.Replica, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (stuck) Scale(ctx context.Context, _ string, _ int, _ []string) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestASlowPlaceDelaysNobodyElseAndPokesAreHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		decided := make(chan control.Event, 1000)
		failed := make(chan string, 1000)
		d := &desk{T: t, now: start, fleet: mem.New(start, 1, mem.Deployment{Name: "m"})}
		c, err := control.New(control.Options{
			Decided: func(e control.Event) { decided <- e },
			Failed:  func(name string, _ error) { failed <- name },
		}, []control.Target{
			{Deployment: "stuck", Actuator: stuck{}, Demand: d.demand, Policy: policy},
			d.target(),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()

		time.Sleep(21 * time.Second)
		synctest.Wait()
		if n := len(decided); n != 11 {
			t.Errorf("%d steps in 21 s at 2 s each, want 11", n)
		}
		if n := len(failed); n != 2 {
			t.Errorf("the stuck place ran out of time %d times in 21 s, want 2 of 10 s", n)
		}
		for range 100 {
			c.Poke("m")
			c.Poke("stuck")
			c.Poke("nobody")
		}
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if n := len(decided); n < 12 || n > 13 {
			t.Errorf("%d steps after a hundred pokes, want one or two more", n)
		}
		if err := c.Configure([]control.Target{d.target()}); err != nil { // does not wait for the stuck one
			t.Fatal(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
