package faults

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"
)

// tally counts what callers saw, and when.
type tally struct {
	mu    sync.Mutex
	count map[string]int
	ended []time.Time
}

func (y *tally) add(words string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.count[words]++
	y.ended = append(y.ended, time.Now())
}

// total is how many calls ended, before a time.
func (y *tally) total(before time.Time) (n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, at := range y.ended {
		if at.Before(before) {
			n++
		}
	}
	return n
}

// words of a tally in which every call saw the same are those words alone.
func (y *tally) words() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.count) == 1 {
		for words := range maps.Keys(y.count) {
			return words
		}
	}
	return counted(y.count)
}

// answered is how many calls were.
func (y *tally) answered() (n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for words, times := range y.count {
		if kinds(words) == "answered" {
			n += times
		}
	}
	return n
}

// forget drops answers of a kind.
func (y *tally) forget(kind string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	maps.DeleteFunc(y.count, func(words string, _ int) bool { return kinds(words) == kind })
}

// load calls from several sides until it is ended, streams and whole answers.
func (l *life) load(ctx context.Context) (end func()) {
	var stop sync.Once
	stopped := make(chan struct{})
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stopped:
					return
				default:
				}
				s := l.call(ctx, lifeModel, n%2 == 0)
				if s.status == 0 {
					return // the gateway is gone
				}
				l.seen.add(s.words(0))
			}
		})
	}
	return func() {
		stop.Do(func() { close(stopped) })
		callers.Wait()
	}
}

// until waits for a number of calls.
func (y *tally) until(t *testing.T, n int) {
	t.Helper()
	if err := within(patience, fmt.Sprintf("%d calls", n), func() bool { return y.total(time.Now()) >= n }); err != nil {
		t.Fatal(err)
	}
}
