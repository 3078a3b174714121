// Command share puts several gateways that share one Redis under many callers of
// one tenant, and compares what was let in with the tenant's limit: with Redis
// well, with Redis paused, and afterwards.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/limits/redistest"
)

// plan is one run.
type plan struct {
	gateways, callers int
	perMinute         int           // the tenant's limit of requests
	burst             time.Duration // of it
	comeBack          time.Duration // of a caller that was refused, on average
	warm, well        time.Duration // until the burst is used; Redis well
	paused, after     time.Duration
}

// phase is a stretch of a run.
type phase struct {
	name     string
	from, to time.Time
}

// outcome is what a run has shown.
type outcome struct {
	plan
	phases   []phase
	upstream *upstream
	answers  []asked
	began    time.Time
	leases   float64 // most that all leases together held, as the gateways' metrics say
	silent   bool    // gateways said that Redis did not answer while it was paused
	heard    bool    // and that it answered again
}

func main() {
	bin := flag.String("weir", os.Getenv("WEIR_BIN"), "the program under test")
	out := flag.String("out", "", "file for the report; none: standard output")
	p := plan{}
	flag.IntVar(&p.gateways, "gateways", 3, "gateways")
	flag.IntVar(&p.callers, "callers", 500, "callers at once")
	flag.IntVar(&p.perMinute, "limit", 6000, "requests a minute of the tenant")
	flag.DurationVar(&p.burst, "burst", 5*time.Second, "burst of the limit, as time")
	flag.DurationVar(&p.comeBack, "come-back", time.Second, "when refused callers come back, on average")
	flag.DurationVar(&p.warm, "warm", 10*time.Second, "until the burst is used")
	flag.DurationVar(&p.well, "well", 60*time.Second, "measured with Redis well")
	flag.DurationVar(&p.paused, "paused", 30*time.Second, "with Redis paused")
	flag.DurationVar(&p.after, "after", 30*time.Second, "after that")
	flag.Parse()
	if err := report(*bin, *out, p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func report(bin, out string, p plan) error {
	dir, err := os.MkdirTemp("", "weir-share-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o, err := run(bin, dir, p)
	if err != nil {
		return err
	}
	text := o.text()
	if out == "" {
		fmt.Print(text)
		return nil
	}
	return os.WriteFile(out, []byte(text), 0o644)
}

// run plays one plan.
func run(bin, dir string, p plan) (*outcome, error) {
	if bin == "" {
		bin = filepath.Join("..", "..", "bin", "weir")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	w, err := newWorld(bin, dir)
	if err != nil {
		return nil, err
	}
	redis, err := redistest.Start(redistest.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer redis.Kill()
	o := &outcome{plan: p, upstream: newUpstream()}
	defer o.upstream.Close()
	w.upstream, w.redis, w.gateways = o.upstream.URL, redis.Addr, p.gateways
	w.limits = fmt.Sprintf("{requests: %d/min, burst: %s}", p.perMinute, p.burst)
	var gs []*gateway
	defer func() {
		for _, g := range gs {
			g.stop()
		}
	}()
	for i := range p.gateways {
		g, err := w.start(i)
		if err != nil {
			return nil, err
		}
		gs = append(gs, g)
	}
	return o, o.play(w, gs, redis)
}

// play goes through the phases.
func (o *outcome) play(w *world, gs []*gateway, redis *redistest.Server) error {
	err := within("all gateways to know each other", func() bool { return all(gs, "weir_shared_gateways", float64(len(gs))) })
	if err != nil {
		return err
	}
	o.leases = outstanding(gs)
	stop := o.watch(gs)
	defer stop()
	o.began = time.Now()
	c := call(w, gs, o.callers, o.comeBack)
	defer c.stop()
	o.pass("warm-up", o.warm)
	o.pass("Redis well", o.well)
	if err := redis.Pause(); err != nil {
		return err
	}
	o.pass("Redis paused", o.paused)
	o.silent = all(gs, "weir_shared_connected", 0)
	if err := redis.Resume(); err != nil {
		return err
	}
	o.pass("after it", o.after)
	err = within("all gateways to hear Redis again", func() bool { return all(gs, "weir_shared_connected", 1) })
	o.heard = err == nil
	o.answers = c.end()
	return err
}

func (o *outcome) pass(name string, d time.Duration) {
	from := time.Now()
	time.Sleep(d) // a phase is a stretch of time
	o.phases = append(o.phases, phase{name, from, time.Now()})
}

// watch records the most that all leases held together.
func (o *outcome) watch(gs []*gateway) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			o.leases = max(o.leases, outstanding(gs))
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	return sync.OnceFunc(func() { close(done); wg.Wait() })
}

// outstanding is what the leases of all gateways hold, as their metrics say.
func outstanding(gs []*gateway) (sum float64) {
	for _, g := range gs {
		if v, err := g.metric("weir_shared_lease_units"); err == nil {
			sum += v
		}
	}
	return sum
}

// all says whether a metric has a value at every gateway.
func all(gs []*gateway, metric string, want float64) bool {
	for _, g := range gs {
		if v, err := g.metric(metric); err != nil || v != want {
			return false
		}
	}
	return true
}
