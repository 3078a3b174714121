package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterCloseNoSubmissionEntersAndTheOpenOneIsTheLast(t *testing.T) {
	i := newInside()
	if !i.enter() {
		t.Error("none is accepted before a stop")
	}
	i.close()
	if i.enter() {
		t.Error("one is accepted after a stop")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.drain(ended); err == nil {
		t.Error("none is open, though one has not left")
	}
	i.leave()
	select {
	case <-i.none:
	default:
		t.Error("the last one left, and a stop waits for more")
	}
}

func TestAStopGivesAnOpenSubmissionItsTimeAndThenCutsIt(t *testing.T) {
	for stays, cut := range map[time.Duration]bool{59 * time.Second: false, 61 * time.Second: true} {
		synctest.Test(t, func(t *testing.T) {
			g, err := New(Options{Dialects: protocols, Config: config("http://127.0.0.1:1"), Drain: time.Minute, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			g.inside.enter()
			g.inside.close()
			time.AfterFunc(stays, g.inside.leave)
			if err := g.shut(server{std: &http.Server{}}, func(error) {}); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != stays || (g.inside.ctx.Err() != nil) != cut {
				t.Errorf("a submission that stays %v: the stop took %v, and it was cut: %v", stays, took, g.inside.ctx.Err())
			}
		})
	}
}

func TestABodyThatIsLentIsCountedUntilItIsFreed(t *testing.T) {
	var m bodyMemory
	m.most.Store(100)
	b := m.lent(make([]byte, 60))
	if held := m.held.Load(); held != 60 {
		t.Errorf("%d bytes are counted, want 60", held)
	}
	if m.lent(make([]byte, 60)) != nil {
		t.Error("120 bytes are lent, of 100 at most")
	}
	b.free()
	if held := m.held.Load(); held != 0 {
		t.Errorf("%d bytes are counted after the last is freed", held)
	}
}
