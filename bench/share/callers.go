package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// callers send requests, each one after the other, and after a refusal come back
// a while later, not before Retry-After-Ms.
type callers struct {
	mu      sync.Mutex
	answers []asked
	wg      sync.WaitGroup
	stop    context.CancelFunc
}

// asked is one request and how it ended.
type asked struct {
	at     time.Time
	took   time.Duration
	status int // 0: not at all
}

const body = `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}`

// call starts n callers, divided among the gateways.
func call(w *world, gateways []*gateway, n int, comeBack time.Duration) *callers {
	ctx, cancel := context.WithCancel(context.Background())
	c := &callers{stop: cancel}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	for i := range n {
		g := gateways[i%len(gateways)]
		r := rand.New(rand.NewPCG(uint64(i), 1))
		c.wg.Go(func() {
			pause(ctx, time.Duration(r.Int64N(int64(comeBack)))) // not all in one moment
			for ctx.Err() == nil {
				wait := c.ask(ctx, client, w.key, g)
				if wait > 0 {
					wait = max(wait, comeBack/2+time.Duration(r.Int64N(int64(comeBack))))
				}
				pause(ctx, wait)
			}
		})
	}
	return c
}

// end stops the callers and returns what they saw, in order of time.
func (c *callers) end() []asked {
	c.stop()
	c.wg.Wait()
	slices.SortFunc(c.answers, func(a, b asked) int { return a.at.Compare(b.at) })
	return c.answers
}

// ask returns how long to wait until the next.
func (c *callers) ask(ctx context.Context, client *http.Client, key string, g *gateway) time.Duration {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		panic(err) // the URL was read from the gateway's own words
	}
	req.Header.Set("authorization", "Bearer "+key)
	a := asked{at: time.Now()}
	resp, err := client.Do(req)
	a.took = time.Since(a.at)
	var wait time.Duration
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		wait = time.Second
	default:
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if a.status = resp.StatusCode; a.status != http.StatusOK {
			ms, _ := strconv.Atoi(resp.Header.Get("Retry-After-Ms")) // without it a moment
			wait = time.Duration(max(ms, 1)) * time.Millisecond
		}
	}
	c.mu.Lock()
	c.answers = append(c.answers, a)
	c.mu.Unlock()
	return wait
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// statuses counts how requests ended that began in a stretch of time.
func statuses(answers []asked, from, to time.Time) map[int]int {
	n := map[int]int{}
	for _, a := range answers {
		if !a.at.Before(from) && a.at.Before(to) {
			n[a.status]++
		}
	}
	return n
}

// quantile of the time answers took that began in a stretch of time.
func quantile(answers []asked, from, to time.Time, q float64) time.Duration {
	var ds []time.Duration
	for _, a := range answers {
		if !a.at.Before(from) && a.at.Before(to) && a.status != 0 {
			ds = append(ds, a.took)
		}
	}
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	return ds[min(int(q*float64(len(ds))), len(ds)-1)]
}
