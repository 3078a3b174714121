// Package load plays a trace at an OpenAI-compatible URL and measures the
// caller's view: time to first token, time per token, and how each request
// ended. It is an open loop: a request is sent at its time in the trace,
// however slow the answers are, as callers do. It knows nothing of Weir; it
// measures any server.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"weir/trace"
)

// Options are the trace and the target. URL, Model and Source are required.
type Options struct {
	URL    string // base URL without /v1, such as http://127.0.0.1:8080
	Key    string // sent as a bearer token; "" sends none
	Model  string
	Source trace.Source

	MaxInFlight int           // requests in flight at once; one more is counted as Skipped. 0: 2,000
	MaxOutput   int           // cap on max_tokens; 0: the trace's
	MaxPrompt   int           // cap on prompt tokens; 0: the trace's
	Timeout     time.Duration // of one request; 0: 10 min
	SLO         SLO           // for attainment; a zero field is no objective

	// Progress, if set, is called about once a second from one goroutine.
	Progress func(Progress)
	// Client, if set, replaces the HTTP client. Its transport should allow
	// MaxInFlight connections to one host.
	Client *http.Client
}

// SLO is the limits a request must meet to count as attained.
type SLO struct {
	TTFT, TPOT time.Duration
}

// Progress is the progress of a play.
type Progress struct {
	Elapsed                                    time.Duration // since the play began
	Sent, InFlight, Completed, Refused, Failed int
	Cut                                        int           // of Failed: streams that ended without their finish
	RecentTTFT                                 time.Duration // mean over the requests that got a first token since the last call; 0 if none
}

// Play sends every request of the trace and waits for the last answer. The
// Result is complete also if ctx ended early or the trace had a fault: then the
// error says so and the Result covers the played part.
func Play(ctx context.Context, o Options) (*Result, error) {
	if o.URL == "" || o.Model == "" || o.Source == nil {
		return nil, errors.New("load: a URL, a model and a trace are needed")
	}
	own := o.Client == nil
	p := &player{o: withDefaults(o), result: newResult(o.SLO), began: time.Now()}
	if own {
		defer p.o.Client.CloseIdleConnections()
	}
	stop := p.report()
	err := p.feed(ctx)
	p.wait.Wait()
	stop()
	p.result.Elapsed = time.Since(p.began)
	return p.result, err
}

func withDefaults(o Options) Options {
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 2000
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: o.MaxInFlight,
			IdleConnTimeout:     30 * time.Second,
			ReadBufferSize:      4 << 10,
			WriteBufferSize:     4 << 10,
			DisableCompression:  true,
		}}
	}
	return o
}

type player struct {
	o     Options
	began time.Time
	wait  sync.WaitGroup

	mu       sync.Mutex
	result   *Result
	inFlight int
	recent   time.Duration // sum of TTFT since the last report
	recentN  int
}

// feed starts each request at its time.
func (p *player) feed(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for number := 1; ; number++ {
		a, err := p.o.Source.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the trace ended early: %w", err)
		}
		due := p.began.Add(a.At)
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if !p.admit() {
			continue
		}
		p.wait.Go(func() {
			e := p.send(ctx, number, a, due)
			e.cancelled = e.err != nil && ctx.Err() != nil
			p.finish(e)
		})
	}
}

func (p *player) admit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result.Arrived++
	if p.inFlight >= p.o.MaxInFlight {
		p.result.Skipped++
		return false
	}
	p.inFlight++
	return true
}

func (p *player) finish(e end) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
	p.result.add(e)
	if e.ttft > 0 {
		p.recent += e.ttft
		p.recentN++
	}
}

// report calls Progress each second until the function it returns is called,
// which makes a last call and waits for it.
func (p *player) report() (stop func()) {
	if p.o.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				p.o.Progress(p.progress())
				return
			case <-tick.C:
				p.o.Progress(p.progress())
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

func (p *player) progress() Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.result
	g := Progress{
		Elapsed: time.Since(p.began), Sent: r.Arrived - r.Skipped, InFlight: p.inFlight,
		Completed: r.Completed, Refused: r.Refused, Failed: r.Failed, Cut: r.Cut,
	}
	if p.recentN > 0 {
		g.RecentTTFT = p.recent / time.Duration(p.recentN)
	}
	p.recent, p.recentN = 0, 0
	return g
}
