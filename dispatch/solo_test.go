package dispatch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// idle is a Core with one replica that takes two requests at once.
func idle() *Core {
	c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: 2}}}, 1)
	c.Replicas(epoch, "d", []weir.Replica{{ID: "r", State: weir.Ready}})
	return c
}

// serve plays one request of a prompt, a second to the first token of 1,000
// tokens, and nine tokens after it, 20 ms apart.
func serve(c *Core, at weir.Instant, id uint64, prompt int, pace float64) weir.Instant {
	c.Arrive(at, Request{ID: id, Tenant: "t", Prompt: prompt, Streams: true})
	first := at.Add(time.Duration(pace * float64(prompt) * float64(time.Millisecond)))
	c.FirstToken(first, id)
	last := first.Add(9 * 20 * time.Millisecond)
	c.Done(last, id, OK, weir.Usage{Prompt: int64(prompt), Completion: 10})
	return last
}

func TestTheTimeOfAnIdleReplicaIsTheLeastMeasured(t *testing.T) {
	c, now := idle(), epoch
	for i := range 20 {
		now = serve(c, now, uint64(i+1), 1000, 1+float64(i%5)) // 1 to 5 s
	}
	f := func(prompt, cached int, first, gap time.Duration) {
		t.Helper()
		if a, b := c.Alone("d", prompt, cached); a.Round(time.Millisecond) != first || b != gap {
			t.Errorf("%d tokens, %d cached: %v and %v, want %v and %v", prompt, cached, a, b, first, gap)
		}
	}
	f(1000, 0, time.Second, 20*time.Millisecond)
	f(1020, 0, 1020*time.Millisecond, 20*time.Millisecond)
	f(100_000, 0, 960*time.Millisecond, 20*time.Millisecond) // no such prompt was seen: no less than the shorter one
	f(2000, 1000, time.Second, 20*time.Millisecond)
	f(500, 0, 0, 0) // unknown
	if a, b := c.Alone("other", 1000, 0); a != 0 || b != 0 {
		t.Errorf("an unknown deployment: %v, %v", a, b)
	}
}

// The gateway judges by the tokens that the server counted, and guesses them when a
// request arrives.
func TestTheTimeOfAnIdleReplicaIsKeptByTheTokensOfTheServer(t *testing.T) {
	c, now := idle(), epoch
	for i := range uint64(5) {
		c.Arrive(now, Request{ID: i + 1, Tenant: "t", Prompt: 250, Streams: true})
		now = now.Add(time.Second)
		c.FirstToken(now, i+1)
		c.Done(now, i+1, OK, weir.Usage{Prompt: 1000, Completion: 1})
	}
	if a, _ := c.Alone("d", 1000, 0); a.Round(time.Millisecond) != time.Second {
		t.Errorf("1,000 tokens, guessed as 250, take a second, %v is known", a)
	}
	if a, _ := c.Alone("d", 250, 0); a != 0 {
		t.Errorf("250 tokens were not seen, and take %v", a)
	}
}

// A new replica's first answers can take seconds, and they may be all that a length
// has shown.
func TestAFewSlowAnswersOfOneLengthAreNotBelieved(t *testing.T) {
	c, now, id := idle(), epoch, uint64(0)
	f := func(n, prompt int, pace float64) {
		for range n {
			id++
			now = serve(c, now, id, prompt, pace)
		}
	}
	f(4, 10, 500) // 5 s
	f(10, 1000, 1)
	if a, _ := c.Alone("d", 10, 0); a > 1100*time.Millisecond {
		t.Errorf("10 tokens take %v, and 1,000 take 1 s", a)
	}
	if a, _ := c.Alone("d", 500, 0); a > 1100*time.Millisecond {
		t.Errorf("500 tokens take %v, and 1,000 take 1 s", a)
	}
}

func TestWhatARequestTakesBesideAnotherTeachesNothing(t *testing.T) {
	c, now := idle(), epoch
	for i := range uint64(20) {
		a, b := 2*i+1, 2*i+2
		c.Arrive(now, Request{ID: a, Tenant: "t", Prompt: 1000, Streams: true})
		c.Arrive(now, Request{ID: b, Tenant: "t", Prompt: 1000, Streams: true})
		now = now.Add(3 * time.Second)
		c.FirstToken(now, a)
		c.FirstToken(now, b)
		now = now.Add(time.Second)
		c.Done(now, a, OK, weir.Usage{Prompt: 1000, Completion: 10})
		c.Done(now, b, OK, weir.Usage{Prompt: 1000, Completion: 10})
	}
	if a, b := c.Alone("d", 1000, 0); a != 0 || b != 0 {
		t.Errorf("of requests two at a time: %v, %v", a, b)
	}
}

// A replica that has become slower, or another one, is known after some dozen
// requests.
func TestTheTimeOfAnIdleReplicaFollowsTheReplica(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, now, id := idle(), epoch, uint64(0)
		prompt := rapid.IntRange(1, 100_000).Draw(t, "prompt")
		for _, pace := range rapid.SliceOfN(rapid.Float64Range(0.1, 10), 1, 3).Draw(t, "paces") {
			for range 2 * soloRenew {
				id++
				now = serve(c, now, id, prompt, pace)
			}
			want := time.Duration(pace * float64(prompt) * float64(time.Millisecond))
			if have, _ := c.Alone("d", prompt, 0); have < want-time.Microsecond || have > want+time.Microsecond {
				t.Fatalf("%d tokens take %v, %v is known", prompt, want, have)
			}
		}
	})
}

func TestEveryLengthHasItsPlace(t *testing.T) {
	for n := range 1 << 20 {
		if i := soloAt(n); soloFrom(i) > n || i+1 < soloLengths && soloFrom(i+1) <= n {
			t.Fatalf("%d tokens are at %d, which is %d and more", n, i, soloFrom(i))
		}
	}
	if i := soloAt(maxWork); i != soloLengths-1 {
		t.Errorf("the longest is at %d of %d", i, soloLengths)
	}
}
