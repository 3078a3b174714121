package load

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// station is a server that works on one request at a time, each taking the same
// time: what it can do is known exactly.
type station struct {
	each time.Duration
	mu   sync.Mutex
	free time.Time
}

func (s *station) RoundTrip(q *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, q.Body)
	s.mu.Lock()
	if now := time.Now(); s.free.Before(now) {
		s.free = now
	}
	s.free = s.free.Add(s.each)
	wait := time.Until(s.free)
	s.mu.Unlock()
	time.Sleep(wait)
	const answer = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer)), Request: q}, nil
}

func search(s *station, slo time.Duration) Search {
	return Search{
		Options: Options{URL: "http://station", Model: "m", SLO: SLO{TTFT: slo}, Client: &http.Client{Transport: s}, MaxInFlight: 100_000},
		Tokens:  func(*rand.Rand) (int, int) { return 10, 1 },
		Length:  100 * time.Second, From: 4,
	}
}

// At 100 requests a second the station is full. With a promise of a second,
// Poisson arrivals can come close to it: the mean wait at 95 % is 95 ms.
func TestSaturationIsFoundBelowWhatTheServerCanDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := search(&station{each: 10 * time.Millisecond}, time.Second)
		steps := 0
		s.Step = func(Point) { steps++ }
		rate, points, err := FindSaturation(t.Context(), s)
		if err != nil || rate < 85 || rate > 102 || steps != len(points) {
			t.Errorf("%v requests per second, %v, %d points", rate, err, len(points))
		}
		kept := 0.0
		for _, p := range points {
			if p.Kept != (p.Result.Attainment() >= 0.99) {
				t.Errorf("%+v", p)
			}
			if p.Kept {
				kept = max(kept, p.Rate)
			}
		}
		if kept != rate {
			t.Errorf("the highest that was kept is %v, the answer %v", kept, rate)
		}
	})
}

func TestSearchEndsAtItsBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := search(&station{each: 10 * time.Millisecond}, time.Second)
		s.To = 20
		if rate, _, err := FindSaturation(t.Context(), s); rate != 20 || err != nil {
			t.Errorf("%v, %v", rate, err)
		}
		s = search(&station{each: time.Second}, 500*time.Millisecond)
		if rate, points, err := FindSaturation(t.Context(), s); rate != 0 || len(points) != 1 || !errors.Is(err, ErrTooSlow) {
			t.Errorf("%v, %v", rate, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		s = search(&station{each: 10 * time.Millisecond}, time.Second)
		if _, points, err := FindSaturation(ctx, s); !errors.Is(err, context.DeadlineExceeded) || len(points) != 2 {
			t.Errorf("%d points, %v", len(points), err)
		}
	})
}

func TestSearchThatMakesNoSenseIsRefused(t *testing.T) {
	for _, s := range []Search{{}, {Tokens: func(*rand.Rand) (int, int) { return 1, 1 }, From: 5, To: 2}} {
		if _, _, err := FindSaturation(t.Context(), s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}
