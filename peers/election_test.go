package peers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/store"
)

// lease is the store's, in memory and on the test's clock.
type lease struct {
	mu      sync.Mutex
	term    store.Term
	expires time.Time
	down    bool          // no call is answered
	slow    time.Duration // delay of its answers
}

const leaseTime = 10 * time.Second

func (l *lease) take(holder string) func(context.Context) (store.Term, error) {
	return func(ctx context.Context) (store.Term, error) {
		l.mu.Lock()
		down, slow := l.down, l.slow
		l.mu.Unlock()
		if down {
			<-ctx.Done()
			return store.Term{}, ctx.Err()
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		over := !time.Now().Before(l.expires)
		if !over && l.term.Holder != holder {
			return store.Term{}, store.ErrNotLeader
		}
		if over {
			l.term = store.Term{Holder: holder, Token: l.term.Token + 1}
		}
		l.expires = time.Now().Add(leaseTime)
		t := l.term
		if slow > 0 {
			l.mu.Unlock()
			time.Sleep(slow)
			l.mu.Lock()
		}
		return t, nil
	}
}

func (l *lease) give(_ context.Context, t store.Term) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.term == t {
		l.expires = time.Now()
	}
	return nil
}

func (l *lease) set(down bool, slow time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down, l.slow = down, slow
}

// stands is a candidate; serve is its work as the leader.
func (l *lease) stands(holder string, serve func(context.Context, store.Term) error) *Election {
	return NewElection(ElectionOptions{Lease: leaseTime, Take: l.take(holder), Give: l.give, Serve: serve})
}

func untilOver(ctx context.Context, _ store.Term) error {
	<-ctx.Done()
	return ctx.Err()
}

// run runs elections until the returned func is called.
func run(t *testing.T, es ...*Election) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, e := range es {
		all.Go(func() {
			if err := e.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

func leaders(es ...*Election) (n int, token int64) {
	for _, e := range es {
		if t, in := e.Leader(); in {
			n, token = n+1, t.Token
		}
	}
	return n, token
}

func TestOneLeaderStaysLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lease
		a, b := l.stands("a", untilOver), l.stands("b", untilOver)
		stop := run(t, a, b)
		for range 1000 {
			time.Sleep(100 * time.Millisecond)
			if n, token := leaders(a, b); n != 1 || token != 1 {
				t.Fatalf("%d are leaders, with token %d", n, token)
			}
		}
		stop()
		if n, _ := leaders(a, b); n != 0 {
			t.Fatal("a leader after the end")
		}
	})
}

func TestOneThatStopsIsFollowedWithoutWaitingForTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lease
		a, b := l.stands("a", untilOver), l.stands("b", untilOver)
		stopA := run(t, a)
		time.Sleep(time.Second)
		stopB := run(t, b)
		defer stopB()
		time.Sleep(time.Second)
		stopA()
		began := time.Now()
		for n := 0; n == 0; n, _ = leaders(b) {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took > leaseTime/2 {
			t.Fatalf("it took %s, of a lease of %s", took, leaseTime)
		}
	})
}

// While the store does not answer, the leader gives up before another could be
// elected, whatever it does at that moment.
func TestWithoutTheStoreThereIsNoLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lease
		var served atomic.Int64
		a := l.stands("a", func(ctx context.Context, _ store.Term) error {
			served.Add(1)
			return untilOver(ctx, store.Term{})
		})
		defer run(t, a)()
		time.Sleep(time.Second)
		l.set(true, 0)
		for range 60 {
			time.Sleep(500 * time.Millisecond)
			l.mu.Lock()
			over := !time.Now().Before(l.expires)
			l.mu.Unlock()
			if n, _ := leaders(a); over && n != 0 {
				t.Fatal("a leader though the lease has expired")
			}
		}
		l.set(false, 0)
		time.Sleep(leaseTime)
		if n, token := leaders(a); n != 1 || token != 2 || served.Load() != 2 {
			t.Fatalf("%d leaders, token %d, served %d terms", n, token, served.Load())
		}
	})
}

// The time counts from before the request: a late answer gives no more time
// than the store does.
func TestALateAnswerGivesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lease
		l.set(false, 3*time.Second)
		a := l.stands("a", untilOver)
		defer run(t, a)()
		for range 100 {
			time.Sleep(300 * time.Millisecond)
			l.mu.Lock()
			left := time.Until(l.expires)
			l.mu.Unlock()
			in := a.in.Load()
			if in != nil && time.Until(in.until) > left {
				t.Fatalf("believes in %s, the store gives %s", time.Until(in.until), left)
			}
		}
	})
}

func TestALeaderThatCannotActGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lease
		a := l.stands("a", func(context.Context, store.Term) error { return errors.New("no place") })
		b := l.stands("b", untilOver)
		stopA := run(t, a)
		defer stopA()
		time.Sleep(time.Millisecond)
		defer run(t, b)()
		time.Sleep(leaseTime)
		if in, _ := b.Leader(); in.Holder != "b" {
			t.Fatalf("%+v is the leader", in)
		}
	})
}

// A gateway's next term never begins before its last one has ended.
func TestTermsOfAGatewayDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lease
		var serving atomic.Int64
		a := l.stands("a", func(ctx context.Context, _ store.Term) error {
			if serving.Add(1) > 1 {
				t.Error("two terms at once")
			}
			<-ctx.Done()
			time.Sleep(2 * leaseTime) // slow to stop
			serving.Add(-1)
			return nil
		})
		stop := run(t, a)
		for range 5 {
			time.Sleep(leaseTime)
			l.set(true, 0)
			time.Sleep(2 * leaseTime)
			l.set(false, 0)
			time.Sleep(2 * leaseTime)
		}
		stop()
	})
}
