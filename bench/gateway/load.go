package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// closedLoop sends req over conns connections, each as fast as it is answered, and
// returns requests per second and the proxy's CPU per 1,000 requests.
func closedLoop(t *target, conns int, req []byte, d time.Duration) (rps float64, cpu time.Duration, err error) {
	clients, err := dialAll(t.addr, conns)
	if err != nil {
		return 0, 0, err
	}
	defer closeAll(clients)
	var asked atomic.Int64
	var stop atomic.Bool
	var g group
	for i := range clients {
		g.run(func() (err error) {
			for !stop.Load() {
				if err = clients[i].ask(req); err == nil {
					asked.Add(1)
					continue
				}
				if whyBroken[t.name] == "" {
					return err
				}
				clients[i].close()
				if clients[i], err = dial(t.addr); err != nil {
					return err
				}
			}
			return nil
		})
	}
	time.Sleep(d / 5) // until connections and heap have settled
	n, used, began := asked.Load(), t.cpuTime(), time.Now()
	time.Sleep(d)
	n, used = asked.Load()-n, t.cpuTime()-used
	took := time.Since(began)
	stop.Store(true)
	if err := g.wait(); err != nil {
		return 0, 0, err
	}
	return float64(n) / took.Seconds(), used * 1000 / time.Duration(max(n, 1)), nil
}

func (t *target) cpuTime() time.Duration {
	if t.proc == nil {
		return 0
	}
	return t.proc.cpu()
}

// fixedRate asks rate times a second over conns connections. A request's time
// counts from when it was due: waiting for a free connection is part of it.
func fixedRate(t *target, rate float64, conns, size int, d time.Duration) (p50, p99 time.Duration, err error) {
	clients, err := dialAll(t.addr, conns)
	if err != nil {
		return 0, 0, err
	}
	defer closeAll(clients)
	req := request(askAnswer, size)
	due := make(chan time.Time, int(rate*d.Seconds())+1)
	var mu sync.Mutex
	var took []time.Duration
	var g group
	for _, c := range clients {
		g.run(func() error {
			var mine []time.Duration
			defer func() { mu.Lock(); took = append(took, mine...); mu.Unlock() }()
			for at := range due {
				if err := c.ask(req); err != nil {
					return err
				}
				mine = append(mine, time.Since(at))
			}
			return nil
		})
	}
	began := time.Now()
	for sent := 0.0; ; {
		for ; sent < rate*time.Since(began).Seconds(); sent++ {
			due <- time.Now()
		}
		if time.Since(began) > d {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	close(due)
	if err := g.wait(); err != nil {
		return 0, 0, err
	}
	return quantile(took, 0.5), quantile(took, 0.99), nil
}

// streamsSeen is what pacedStreams saw.
type streamsSeen struct {
	first50, first99 time.Duration // from the request to the first event
	cpu              time.Duration // of the proxy, per 1,000 events
	broken           int64         // streams that ended before their end
}

// pacedStreams holds n streams at a time for d.
func pacedStreams(t *target, n int, d time.Duration) (seen streamsSeen, err error) {
	clients, err := dialAll(t.streams, n)
	if err != nil {
		return seen, err
	}
	defer func() { closeAll(clients) }()
	p := pacer{t: t, req: request(askPaced, 1<<10)}
	var g group
	for i := range clients {
		g.run(func() error {
			// Evenly spread over the time a stream takes, as callers are.
			time.Sleep(time.Duration(i) * pacedEvents * pace / time.Duration(n))
			return p.loop(&clients[i])
		})
	}
	time.Sleep(pacedEvents * pace)
	k, used := p.events.Load(), t.cpuTime()
	time.Sleep(d)
	k, used = p.events.Load()-k, t.cpuTime()-used
	p.stop.Store(true)
	err = g.wait()
	return streamsSeen{quantile(p.firsts, 0.5), quantile(p.firsts, 0.99), used * 1000 / time.Duration(max(k, 1)), p.broken.Load()}, err
}

// pacer is the state that callers of paced streams share.
type pacer struct {
	t      *target
	req    []byte
	stop   atomic.Bool
	events atomic.Int64
	broken atomic.Int64
	mu     sync.Mutex
	firsts []time.Duration
}

// loop asks for one stream after the other over a connection, which it
// replaces when a stream breaks off.
func (p *pacer) loop(c **client) (err error) {
	for !p.stop.Load() {
		if p.one(*c) == nil {
			continue
		}
		p.broken.Add(1)
		(*c).close()
		if *c, err = dial(p.t.streams); err != nil {
			return err
		}
	}
	return nil
}

func (p *pacer) one(c *client) error {
	began, got := time.Now(), false
	return c.stream(p.req, func() bool {
		if !got {
			got = true
			p.mu.Lock()
			p.firsts = append(p.firsts, time.Since(began))
			p.mu.Unlock()
		}
		p.events.Add(1)
		return true
	})
}

// heldStreams opens n streams that then say nothing, and returns how many bytes
// of the proxy's memory each holds. The proxy is a fresh one.
func heldStreams(t *target, n int) (int64, error) {
	if err := t.restart(); err != nil {
		return 0, err
	}
	if _, _, err := closedLoop(t, 16, request(askAnswer, 1<<10), time.Second); err != nil {
		return 0, err
	}
	before := t.proc.memory()
	clients := make([]*client, 0, n)
	defer func() { closeAll(clients) }()
	req := request(askHeld, 1<<10)
	for range n {
		c, err := dial(t.streams)
		if err != nil {
			return 0, err
		}
		clients = append(clients, c)
		if err := c.stream(req, func() bool { return false }); err != nil {
			return 0, fmt.Errorf("stream %d: %w", len(clients), err)
		}
		c.in = nil
	}
	time.Sleep(2 * time.Second) // whatever it does behind
	return (t.proc.memory() - before) / int64(n), nil
}

func dialAll(addr string, n int) ([]*client, error) {
	clients := make([]*client, 0, n)
	for range n {
		c, err := dial(addr)
		if err != nil {
			closeAll(clients)
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.close()
	}
}

// group runs functions and keeps the first error.
type group struct {
	wg   sync.WaitGroup
	once sync.Once
	err  error
}

func (g *group) run(f func() error) {
	g.wg.Go(func() {
		if err := f(); err != nil {
			g.once.Do(func() { g.err = err })
		}
	})
}

func (g *group) wait() error {
	g.wg.Wait()
	return g.err
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}
