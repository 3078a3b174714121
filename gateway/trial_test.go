package gateway

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/canary"
	"weir/dispatch"
)

// onTrial serves "m" from v1 and tries v2 beside it.
func onTrial(stable, next string, p canary.Plan) Config {
	c := config(stable, next)
	p.Trial = "v2"
	c.Models[0].Deployments[1].Canary = &Canary{Of: "d0", Plan: p}
	return c
}

// steps collects the steps of canaries.
type steps struct {
	mu  sync.Mutex
	all []CanaryStep
}

func (s *steps) saw(c CanaryStep) { s.mu.Lock(); defer s.mu.Unlock(); s.all = append(s.all, c) }

func (s *steps) list() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, c := range s.all {
		fmt.Fprintf(&b, "%s %d->%d %s;", c.Change.Phase, c.Change.From, c.Change.To, c.Change.Why)
	}
	return b.String()
}

var quickSteps = canary.Plan{Steps: []int{2000, 5000, canary.Whole}, MinRequests: 10, MinTime: time.Millisecond}

func TestAGoodCanaryStepsToAllOfTheTraffic(t *testing.T) {
	v1, v2 := newBackend(t, answering), newBackend(t, answering)
	p := quickSteps
	p.Slower = 10 // two servers of one process: differences in speed are chance
	var told steps
	r := start(t, onTrial(v1.URL, v2.URL, p), func(o *Options) { o.CanaryStepped = told.saw })
	for range 100 {
		if resp, body := r.post(chatPath, chatBody); resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	if have := told.list(); have != "stepping 2000->5000 ;promoted 5000->10000 ;" {
		t.Error(have)
	}
	all := r.Canaries()
	if len(all) != 1 || all[0].Share != canary.Whole || all[0].State.Phase != canary.Promoted {
		t.Errorf("%+v", all)
	}
	before := v1.calls.Load()
	r.post(chatPath, chatBody)
	if v1.calls.Load() != before {
		t.Error("the stable version still gets requests")
	}
	r.settled()
}

// Callers see none of it: the stable version answers what fails at the canary.
func TestABadCanaryIsSteppedBackUnseen(t *testing.T) {
	var log bytes.Buffer
	v1, v2 := newBackend(t, answering), newBackend(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	c := onTrial(v1.URL, v2.URL, canary.Plan{Steps: []int{5000}, MinRequests: 10})
	c.Models[0].Health = dispatch.Health{Failures: 1000}
	var told steps
	r := start(t, c, func(o *Options) {
		o.CanaryStepped = told.saw
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	for i := range 60 {
		if resp, body := r.post(chatPath, chatBody); resp.StatusCode != 200 || resp.Header.Get("X-Weir-Deployment") != "d0" {
			t.Fatalf("request %d: %d %s", i, resp.StatusCode, body)
		}
	}
	if have := told.list(); have != "stepped_back 5000->0 errors;" {
		t.Error(have)
	}
	sent := v2.calls.Load()
	r.post(chatPath, chatBody)
	if v2.calls.Load() != sent || sent > 40 {
		t.Errorf("it was sent %d, and more after", sent)
	}
	r.settled()
	r.stop()
	r.done <- <-r.done
	for _, want := range []string{"canary rolled back: significantly worse", "because=errors", "from=50%", "to=0%", "errors.canary=1", "errors.stable=0"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

func TestARefusingCanaryIsWorseUnlessCallersStick(t *testing.T) {
	refuse := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprint(w, `{"error":{"message":"no such parameter","type":"invalid_request_error"}}`)
	}
	for _, sticks := range []bool{false, true} {
		c := onTrial(newBackend(t, answering).URL, newBackend(t, refuse).URL, canary.Plan{Steps: []int{5000}, MinRequests: 10})
		if sticks {
			c.Models[0].Sticky = Sticky{By: StickyHeader, Header: "X-User"}
		}
		r := start(t, c)
		for i := range 80 {
			r.post(chatPath, chatBody, "X-User", fmt.Sprint("u", i))
		}
		if phase := r.Canaries()[0].State.Phase; (phase == canary.SteppedBack) == sticks {
			t.Errorf("callers stick %v: %s", sticks, phase)
		}
		r.settled()
	}
}

func TestThrottlingSaysNothingOfACanary(t *testing.T) {
	var on atomic.Bool
	on.Store(true)
	for name, handler := range map[string]http.HandlerFunc{
		"a rate": throttling(&on, "Retry-After-Ms", "1"),
		"a full endpoint": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, "Too many pending requests")
		},
	} {
		v2 := newBackend(t, handler)
		r := start(t, onTrial(newBackend(t, answering).URL, v2.URL, canary.Plan{Steps: []int{5000}, MinRequests: 10}))
		for range 60 {
			r.post(chatPath, chatBody)
		}
		if s := r.Canaries()[0]; s.State.Phase != canary.Stepping || s.State.Requests[canary.Canary] != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		r.settled()
	}
}

func TestATrialOutlivesReloadAndRestart(t *testing.T) {
	v1, v2 := newBackend(t, answering), newBackend(t, answering)
	p := quickSteps
	p.Slower = 10
	c := onTrial(v1.URL, v2.URL, p)
	r := start(t, c)
	for r.Canaries()[0].State.Step == 0 {
		r.post(chatPath, chatBody)
	}
	if err := r.Apply(c); err != nil {
		t.Fatal(err)
	}
	at := r.Canaries()[0]
	if at.Share != 5000 {
		t.Errorf("after a reload: %+v", at)
	}
	again := start(t, c, func(o *Options) { o.Canaries = map[string]canary.State{"d1": at.State} })
	if now := again.Canaries()[0]; now.State != at.State {
		t.Errorf("after a restart: %+v", now)
	}
	if err := again.RestartCanary("d1"); err != nil || again.Canaries()[0].Share != 2000 {
		t.Errorf("%v, %+v", err, again.Canaries()[0])
	}
	if err := again.RestartCanary("d0"); err == nil {
		t.Error("a deployment without a canary was restarted")
	}
	c.Models[0].Deployments[1].Canary.Plan.Trial = "v3"
	if err := r.Apply(c); err != nil || r.Canaries()[0].Share != 2000 {
		t.Errorf("%v: another version starts at the first step: %+v", err, r.Canaries()[0])
	}
	c.Models[0].Deployments[1].Canary = nil
	if err := r.Apply(c); err != nil || len(r.Canaries()) != 0 {
		t.Errorf("%v: what is no canary any more: %+v", err, r.Canaries())
	}
}

func TestAFaultyTrialIsRefused(t *testing.T) {
	f := func(tune func(*Model)) {
		t.Helper()
		c := onTrial("http://a", "http://b", quickSteps)
		tune(&c.Models[0])
		if err := c.Validate(); err == nil {
			t.Error("valid")
		}
	}
	f(func(m *Model) { m.Deployments[1].Canary.Of = "d1" })
	f(func(m *Model) { m.Deployments[1].Canary.Of = "nobody" })
	f(func(m *Model) { m.Deployments[1].Tier = 1 })
	f(func(m *Model) { m.Deployments[1].Canary.Plan.Steps = nil })
	f(func(m *Model) { m.Deployments[0].Mirror = &Mirror{Share: 1} })
	f(func(m *Model) { m.Hedge.Share = 2 })
}

// Blue and green: a reload moves all callers and loses no request.
func TestWeightsSwitchUnderLoadWithoutLoss(t *testing.T) {
	blue, green := newBackend(t, answering), newBackend(t, answering)
	weigh := func(a, b int) Config {
		c := config(blue.URL, green.URL)
		c.Models[0].Deployments[0].Weight, c.Models[0].Deployments[1].Weight = a, b
		return c
	}
	r := start(t, weigh(1, 0))
	var all sync.WaitGroup
	var stop atomic.Bool
	for range 8 {
		all.Go(func() {
			for !stop.Load() {
				if resp, body := r.post(chatPath, streamed); resp.StatusCode != 200 || !strings.HasSuffix(body, doneEvent) {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
			}
		})
	}
	for i := range 20 {
		if err := r.Apply(weigh((i+1)%2, i%2)); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	if err := r.Apply(weigh(0, 1)); err != nil {
		t.Error(err)
	}
	stop.Store(true)
	all.Wait()
	was := blue.calls.Load()
	if resp, _ := r.post(chatPath, chatBody); resp.Header.Get("X-Weir-Deployment") != "d1" || blue.calls.Load() != was {
		t.Errorf("%v", resp.Header)
	}
	r.settled()
}

func TestAUserStaysWithItsVersion(t *testing.T) {
	c := config(newBackend(t, answering).URL, newBackend(t, answering).URL)
	c.Models[0].Sticky = Sticky{By: StickyHeader, Header: "X-User"}
	r := start(t, c)
	at := map[string]string{}
	both := map[string]bool{}
	for range 3 {
		for i := range 20 {
			user := fmt.Sprint("user", i)
			resp, _ := r.post(chatPath, chatBody, "X-User", user)
			where := resp.Header.Get("X-Weir-Deployment")
			if at[user] != "" && at[user] != where {
				t.Errorf("%s was at %s and is at %s", user, at[user], where)
			}
			at[user], both[where] = where, true
		}
	}
	if len(both) != 2 {
		t.Errorf("%v", at)
	}
}
