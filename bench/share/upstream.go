package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// upstream answers every request at once and records when each came: it sees
// exactly the requests that were let in.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	came []time.Time
}

func newUpstream() *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.NotFound(w, r)
			return
		}
		u.mu.Lock()
		u.came = append(u.came, time.Now())
		u.mu.Unlock()
		io.Copy(io.Discard, r.Body)
		w.Header().Set("content-type", "application/json")
		fmt.Fprint(w, `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5}}`)
	}))
	return u
}

// between counts the requests that came in a stretch of time.
func (u *upstream) between(from, to time.Time) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, t := range u.came {
		if !t.Before(from) && t.Before(to) {
			n++
		}
	}
	return n
}

// over is the most by which any stretch of time since from saw more requests
// than rate (a second) and burst allow; below zero when none did.
func (u *upstream) over(from time.Time, rate, burst float64) float64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	lowest, most, n := 0.0, -burst, 0.0
	for _, t := range u.came {
		if t.Before(from) {
			continue
		}
		before := n - rate*t.Sub(from).Seconds()
		lowest = min(lowest, before)
		n++
		most = max(most, before+1-lowest-burst)
	}
	return most
}
