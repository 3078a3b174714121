package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/memory"
	"weir/cache/remote"
	"weir/limits"
	"weir/limits/redistest"
)

// sharing starts two gateways that share their answers in one Redis.
func sharingAnswers(t *testing.T, url string) (one, two *running) {
	t.Helper()
	redis, err := redistest.Start(redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Kill)
	begin := func() *running {
		l := limits.Options{Addrs: []string{redis.Addr}}
		conn, err := l.Connection()
		if err != nil {
			t.Fatal(err)
		}
		shared := remote.New(remote.Options{Connection: conn, Budget: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
		answers := memory.New(memory.Options{}, shared)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); shared.Run(ctx, answers) }()
		t.Cleanup(func() { cancel(); <-done; answers.Close() })
		eventually(t, "Redis answers", func() bool { return shared.Status().Connected })
		c := config(url)
		c.Models[0].Attempts = 1
		c.Models[0].Cache = &cache.Policy{TTL: time.Hour, Normalise: true, SingleFlight: true}
		return start(t, c, func(o *Options) { o.Answers = answers })
	}
	return begin(), begin()
}

// Two gateways that want the same answer at the same time ask once; a stream does not wait
// for the other's end; and no request waits for one that never ends.
func TestTwoGatewaysAskOnce(t *testing.T) {
	var calls atomic.Int64
	going := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		select {
		case <-going:
			answering(w, r)
		case <-r.Context().Done():
		}
	})
	one, two := sharingAnswers(t, b.URL)
	usually := func(d time.Duration) { two.state.Load().models["m"].usual.ns.Store(int64(d)) }

	usually(time.Minute)
	first := one.ask2(t, coldBody)
	eventually(t, "the first asks", func() bool { return calls.Load() == 1 })
	second, third := two.ask2(t, coldBody), two.ask2(t, coldBody)
	eventually(t, "one follows the one that waits", func() bool { return two.followers() == 1 })
	going <- struct{}{}
	for _, a := range []*asking{first, second, third} {
		if got := a.all(); a.resp.StatusCode != 200 {
			t.Errorf("%d %s", a.resp.StatusCode, got)
		}
	}
	if n := calls.Load(); n != 1 || met(second.resp.Header) != "coalesced" || met(third.resp.Header) != "coalesced" {
		t.Errorf("%d calls, %s, %s", n, met(second.resp.Header), met(third.resp.Header))
	}
	for range 2 {
		two.rec()
	}
	if rec := two.copyRecords()[0]; rec.Saved == 0 && rec.SavedTokens == 0 || rec.Attempts != 0 {
		t.Errorf("%+v", rec)
	}
	two.settled()

	usually(time.Millisecond) // longer than that it does not wait
	calls.Store(0)
	body := `{"model":"m","temperature":0,"messages":[{"role":"user","content":"other"}]}`
	stream := `{"stream":true,"model":"m","temperature":0,"messages":[{"role":"user","content":"more"}]}`
	first, third = one.ask2(t, body), one.ask2(t, stream)
	eventually(t, "the first ask", func() bool { return calls.Load() == 2 })
	second = two.ask2(t, body)
	eventually(t, "the second asks too", func() bool { return calls.Load() == 3 })
	usually(time.Minute)
	fourth := two.ask2(t, stream)
	eventually(t, "the stream asks too", func() bool { return calls.Load() == 4 })
	close(going)
	for _, a := range []*asking{first, second, third, fourth} {
		if got := a.all(); a.resp.StatusCode != 200 || met(a.resp.Header) != "miss" {
			t.Errorf("%d %s %s", a.resp.StatusCode, met(a.resp.Header), got)
		}
	}
	one.settled()
	two.settled()
	if one.flights.count()+two.flights.count() != 0 {
		t.Error("a flight is left")
	}
}

// A gateway whose request fails lets the other ask at once.
func TestAFailureAtOneGatewayLetsTheOtherAsk(t *testing.T) {
	var calls atomic.Int64
	fails := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			<-fails
			w.WriteHeader(500)
			return
		}
		answering(w, r)
	})
	one, two := sharingAnswers(t, b.URL)
	two.state.Load().models["m"].usual.ns.Store(int64(time.Hour))
	first := one.ask2(t, coldBody)
	eventually(t, "the first asks", func() bool { return calls.Load() == 1 })
	second := two.ask2(t, coldBody)
	eventually(t, "the second waits", func() bool { return two.flights.count() == 1 })
	close(fails)
	if first.all(); first.resp.StatusCode == 200 {
		t.Error("the first has not failed")
	}
	if second.all(); second.resp.StatusCode != 200 || calls.Load() != 2 {
		t.Errorf("%d, %d calls", second.resp.StatusCode, calls.Load())
	}
	one.settled()
	two.settled()
}

// lateAnswers meets the first Get with nothing, although the answer comes in the meantime.
type lateAnswers struct {
	*memory.Store
	gets atomic.Int64
}

func (l *lateAnswers) Get(ctx context.Context, k cache.Key, now weir.Instant) *cache.Entry {
	e := l.Store.Get(ctx, k, now)
	if l.gets.Add(1) == 2 {
		return nil
	}
	return e
}

// A caller that looks just before an answer is stored, and would lead just after its flight
// has ended, gets that answer.
func TestAnAnswerThatComesBetweenLookingAndLeadingIsNotAskedForAgain(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Models[0].Cache = &cache.Policy{TTL: time.Hour, Normalise: true, SingleFlight: true}
	answers := &lateAnswers{Store: memory.New(memory.Options{}, nil)}
	t.Cleanup(answers.Close)
	r := start(t, c, func(o *Options) { o.Answers = answers })
	for _, want := range []string{"miss", "coalesced", "hit"} {
		if h, _ := r.post(chatPath, coldBody); met(h.Header) != want {
			t.Errorf("%s, want %s", met(h.Header), want)
		}
		r.settled()
	}
	if n := b.calls.Load(); n != 1 || r.flights.count() != 0 {
		t.Errorf("%d calls, %d flights", n, r.flights.count())
	}
}

// otherGateway stands for one that asks already: its answer comes when the test says so.
type otherGateway struct {
	*memory.Store
	answer chan *cache.Entry
}

func (o *otherGateway) Await(context.Context, cache.Key, time.Duration) *cache.Entry {
	return <-o.answer
}

func besideAnother(t *testing.T, url string) (*running, *otherGateway) {
	t.Helper()
	c := config(url)
	c.Models[0].Cache = &cache.Policy{TTL: time.Hour, Normalise: true, SingleFlight: true}
	other := &otherGateway{memory.New(memory.Options{}, nil), make(chan *cache.Entry)}
	t.Cleanup(other.Close)
	return start(t, c, func(o *Options) { o.Answers = other }), other
}

// What another gateway has stored may be older than a follower takes, though its leader
// takes it.
func TestAFollowerGetsNoAnswerOfAnotherGatewayThatIsTooOldForIt(t *testing.T) {
	b := newBackend(t, answering)
	r, other := besideAnother(t, b.URL)
	leader := r.ask2(t, coldBody)
	eventually(t, "one leads", func() bool { return r.flights.count() == 1 })
	follower := make(chan string)
	go func() {
		h, _ := r.post(chatPath, coldBody, "Cache-Control", "max-age=60")
		follower <- met(h.Header)
	}()
	eventually(t, "one follows", func() bool { return r.followers() == 1 })
	other.answer <- (&cache.Entry{Body: []byte(answerText), Stored: weir.At(time.Now().Add(-10 * time.Minute)), TTL: time.Hour, Of: cache.Origin{Tenant: "t", Model: "m"}}).Ready()
	if leader.all(); met(leader.resp.Header) != "coalesced" || leader.resp.StatusCode != 200 {
		t.Errorf("the leader: %v", leader.resp.Header)
	}
	if how := <-follower; how != "miss" || b.calls.Load() != 1 {
		t.Errorf("the follower: %s, %d calls", how, b.calls.Load())
	}
	r.settled()
}

// The time that a request waits for another gateway is no part of what answers usually take:
// else each wait in vain would make the next one longer.
func TestWaitingInVainMakesNoAnswerUsuallySlower(t *testing.T) {
	const wait = 300 * time.Millisecond
	r, other := besideAnother(t, newBackend(t, answering).URL)
	leader := r.ask2(t, coldBody)
	eventually(t, "one leads", func() bool { return r.flights.count() == 1 })
	time.Sleep(wait) // the wait itself is what is measured
	other.answer <- nil
	leader.all()
	r.settled()
	if took := r.rec(); took.Ended.Sub(took.Arrived) < wait {
		t.Fatal("it has not waited")
	} else if usually := r.state.Load().models["m"].usual.value(); usually == 0 || usually > took.Ended.Sub(took.Arrived)-wait {
		t.Errorf("usually %v after a request of %v that waited at least %v", usually, took.Ended.Sub(took.Arrived), wait)
	}
}
