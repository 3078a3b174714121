package gateway

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// journal is a caller that records everything sent to it.
type journal struct {
	caller
	got []string
}

func (j *journal) Set(string, string)          {}
func (j *journal) Start(time.Time, int, int64) { j.got = append(j.got, "start") }
func (j *journal) Send(p []byte) error         { j.got = append(j.got, string(p)); return nil }
func (j *journal) Flush(time.Time) error       { return nil }

// pulseEachSecond opens a stream whose caller gets a sign of life after each
// second of silence, in a bubble. check compares what the caller has got.
func pulseEachSecond(t *testing.T) (x *exchange, check func(want ...string)) {
	j := &journal{}
	c := &call{s: protocols.locate(chatPath), x: exchange{from: j, far: true}, ask: ask{stream: true}}
	c.startPulse(time.Second)
	return &c.x, func(want ...string) {
		t.Helper()
		synctest.Wait()
		c.x.pulse.mu.Lock()
		defer c.x.pulse.mu.Unlock()
		if !slices.Equal(j.got, want) {
			t.Errorf("the caller got %q, want %q", j.got, want)
		}
		j.got = nil
	}
}

func TestNoSignOfLifeComesWhileTheAnswerIsStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, check := pulseEachSecond(t)
		defer x.stopPulse()
		x.claim()
		time.Sleep(10 * time.Second)
		check()
		x.start(200, -1)
		check("start")
		time.Sleep(1500 * time.Millisecond)
		check(string(pulseComment))
	})
}

func TestASignOfLifeComesOnlyAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, check := pulseEachSecond(t)
		defer x.stopPulse()
		x.start(200, -1)
		check("start")
		for range 10 {
			time.Sleep(600 * time.Millisecond)
			_ = x.send([]byte("token"))
			check("token")
		}
		time.Sleep(1500 * time.Millisecond)
		check(string(pulseComment))
	})
}
