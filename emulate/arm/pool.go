package arm

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"weir/emulate"
)

// pool is the instances of one online deployment: an emulated inference server
// each, started when the first request comes to it. It serves at most per
// requests at an instance at once, lets as many again wait, and refuses the rest
// ("Troubleshooting online endpoints": 2 x max_concurrent_requests_per_instance x
// instance_count in flight, then 429).
type pool struct {
	cloud *Cloud

	mu       sync.Mutex
	all      []*instance // the serving ones
	per      int         // requests at one instance
	inFlight int         // running and waiting
	waiting  []chan *instance
	said     counts
}

type instance struct {
	handler http.Handler // nil until the first request
	stop    context.CancelFunc
	busy    int
	retired bool
}

// counts are what a deployment has answered.
type counts struct {
	Served   int `json:"served"`   // the container answered 200
	Failed   int `json:"failed"`   // 424 and 408
	Pending  int `json:"pending"`  // 429: too many pending requests
	Mirrored int `json:"mirrored"` // copies it has answered
	InFlight int `json:"in_flight"`
	Most     int `json:"most_in_flight"`
}

var errPending = errors.New("too many pending requests")

func newPool(c *Cloud) *pool { return &pool{cloud: c} }

// set changes the number of instances. Those that go finish what they have.
func (p *pool) set(n, per int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.per = per
	for len(p.all) < n {
		p.all = append(p.all, &instance{})
	}
	for _, i := range p.all[n:] {
		i.retired = true
		i.end()
	}
	p.all = slices.Clone(p.all[:n])
	p.serveNext()
}

func (p *pool) stop() {
	if p != nil {
		p.set(0, 1)
	}
}

func (p *pool) counts() counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := p.said
	said.InFlight = p.inFlight
	return said
}

func (p *pool) count(f func(*counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.said)
}

// end stops a retired instance that has nothing left to do.
func (i *instance) end() {
	if i.retired && i.busy == 0 && i.stop != nil {
		i.stop()
	}
}

// take waits for a place at an instance; give returns it.
func (p *pool) take(ctx context.Context) (*instance, error) {
	p.mu.Lock()
	if p.inFlight >= 2*p.per*len(p.all) {
		p.said.Pending++
		p.mu.Unlock()
		return nil, errPending
	}
	p.inFlight++
	p.said.Most = max(p.said.Most, p.inFlight)
	if i := p.free(); i != nil {
		i.busy++
		p.mu.Unlock()
		return i, nil
	}
	turn := make(chan *instance, 1)
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case i := <-turn:
		return i, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := slices.Index(p.waiting, turn); at >= 0 {
		p.waiting = slices.Delete(p.waiting, at, at+1)
		p.inFlight--
	} else {
		p.put(<-turn)
	}
	return nil, ctx.Err()
}

// free is the instance with the fewest requests, nil if all are full.
func (p *pool) free() *instance {
	var best *instance
	for _, i := range p.all {
		if i.busy < p.per && (best == nil || i.busy < best.busy) {
			best = i
		}
	}
	return best
}

func (p *pool) give(i *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(i)
}

func (p *pool) put(i *instance) {
	i.busy--
	p.inFlight--
	i.end()
	p.serveNext()
}

func (p *pool) serveNext() {
	for len(p.waiting) > 0 {
		i := p.free()
		if i == nil {
			return
		}
		i.busy++
		p.waiting[0] <- i
		p.waiting = p.waiting[1:]
	}
}

// serverOf starts an instance's server on first use.
func (p *pool) serverOf(ctx context.Context, i *instance) (http.Handler, error) {
	c := p.cloud
	c.mu.Lock()
	base := c.base
	c.mu.Unlock()
	if base == nil || base.Err() != nil {
		return nil, errors.New("the emulated cloud is not running")
	}
	p.mu.Lock()
	h := i.handler
	if h == nil {
		server, err := c.newServer()
		if err != nil {
			p.mu.Unlock()
			return nil, err
		}
		var mine context.Context
		mine, i.stop = context.WithCancel(base)
		c.running.Go(func() { _ = server.Run(mine) })
		i.handler = readyFirst(server)
		h = i.handler
	}
	p.mu.Unlock()
	return h, ctx.Err()
}

// readyFirst lets the first requests wait until the server runs: a deployment
// that has Succeeded has passed its probes.
func readyFirst(s *emulate.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for s.Ready() != nil {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Millisecond):
			}
		}
		s.Handler().ServeHTTP(w, r)
	})
}
