package faults

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// learned is how many first tokens of a deployment a hedge is measured by.
const learned = 64

// hedgesThe asks both deployments in turn until it is known how long their first
// tokens take, and then once more: that request finds the first one silent.
func hedgesThe(last func(*testing.T, *world) string) func(*testing.T, *world) want {
	return func(t *testing.T, w *world) want {
		ctx, cancel := contextOf(t)
		defer cancel()
		for range 2 * learned {
			if s := shared.call(ctx, w.name, w.stream); s.kind() != "answered" {
				return want{caller: w.words(s)}
			}
		}
		return want{caller: last(t, w)}
	}
}

// once asks one more time and waits for the answer.
func once(t *testing.T, w *world) string {
	ctx, cancel := contextOf(t)
	defer cancel()
	return w.words(shared.call(ctx, w.name, w.stream))
}

// leftByAll leaves when both deployments hold the request and are silent.
func leftByAll(t *testing.T, w *world) string {
	hangUp := w.leave(t)
	w.a.until(t, "the request", waiting(1))
	w.b.until(t, "its hedge", waiting(1))
	hangUp()
	return "left"
}

// mirrored asks so often, and waits until every copy has ended. A shadow that
// fails again and again is left alone for a while, as any deployment is: how many
// copies it is spared depends on the machine. Each was sent or dropped, and the
// upstream saw those that were sent.
func mirrored(t *testing.T, w *world) want {
	saw := w.crowd(t, w.calls)
	if shared.admin == "" {
		w.b.until(t, "a copy", func(seen []*asked) bool { return len(seen) > 0 })
		w.b.until(t, "its requests end", settled)
		return want{caller: saw, b: w.b.summary()}
	}
	var failed, dropped float64
	if err := within(patience, "the copies to end", func() bool {
		failed = shared.copies(t, w.name, "none")
		dropped = shared.copies(t, w.name, "dropped")
		return failed+dropped >= float64(w.calls)
	}); err != nil {
		t.Errorf("%v: %v failed, %v were dropped", err, failed, dropped)
	}
	w.b.until(t, "its requests end", settled)
	if broke := w.b.requests(); failed+dropped != float64(w.calls) || float64(broke) != failed || broke == 0 {
		return want{caller: saw, b: fmt.Sprintf("%s; %v copies failed and %v were dropped for %d calls", w.b.summary(), failed, dropped, w.calls)}
	}
	return want{caller: saw, b: spared}
}

// copies counts a model's copies with one outcome.
func (g *gateway) copies(t *testing.T, model, what string) float64 {
	t.Helper()
	n, _, err := g.series("weir_mirrors_total", `model="`+model+`"`, `mirror="`+what+`"`)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// trial is what Weir says of a canary.
type trial struct {
	Deployment, Phase, Because string
	Share                      float64 `json:"share_percent"`
}

// triedUntilBack asks until the canary is stepped back, and then ten times more.
func triedUntilBack(t *testing.T, w *world) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	w.calls = 0
	ask := func() bool {
		w.calls++
		s := shared.call(ctx, w.name, w.stream)
		if s.kind() != "answered" {
			t.Errorf("call %d: %s", w.calls, w.words(s))
		}
		return !t.Failed()
	}
	var at trial
	for at.Phase != "stepped_back" && ask() {
		at = shared.trial(t, w.name+"/b")
	}
	tried := w.b.requests()
	for range 10 {
		ask()
	}
	if n := w.b.requests() - tried; n > 0 || at.Share != 0 {
		return want{caller: fmt.Sprintf("%d more to a canary that has %v%%", n, at.Share)}
	}
	return want{caller: "all answered; stepped back for " + at.Because, a: "the rest", b: "a few", metered: "all"}
}

func (g *gateway) trial(t *testing.T, deployment string) trial {
	t.Helper()
	body, err := g.get("/admin/canaries")
	if err != nil {
		t.Fatal(err)
	}
	var all []trial
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Deployment == deployment {
			return c
		}
	}
	t.Fatalf("%s is no canary: %s", deployment, body)
	return trial{}
}

const spared = "each copy broke, or was dropped while the shadow was left alone"

const hedged = "    hedge: {share: 50%}\n"

// silentAfter answers n requests well and then sends nothing.
func silentAfter(n int) script {
	var s script
	for range n {
		s = append(s, []step{good})
	}
	return append(s, []step{headers, stall})
}

// routes are the scenarios of requests that go more ways than one.
var routes = []scenario{
	{
		name: "hedge", fault: "one deployment of a tier falls silent: the request is sent to the other after the 95th percentile of first tokens, and the silent one is left",
		needs: "hedges", stream: true, second: true, beside: "{}", model: hedged, calls: 2*learned + 1,
		a: silentAfter(learned), acts: hedgesThe(once),
		want: want{caller: "answered 200 5 tokens", a: "1x left, 64x 200", b: "65x 200", metered: "129 completed; 903+645 tokens"},
	},
	{
		name: "hedge-gone", fault: "both deployments fall silent, and the caller leaves: both are left",
		needs: "hedges", stream: true, second: true, beside: "{}", model: hedged, calls: 2*learned + 1,
		a: silentAfter(learned), b: silentAfter(learned), acts: hedgesThe(leftByAll),
		want: want{caller: "left", a: "1x left, 64x 200", b: "1x left, 64x 200", metered: "128 completed, 1 failed; 896+640 tokens"},
	},
	{
		name: "mirror-dead", fault: "the shadow that gets copies of all requests resets each connection: no caller sees it",
		needs: "mirrors", stream: true, second: true, beside: "mirror: {share: 100%, max_concurrent: 50}", calls: 20,
		a: always(good), b: always(reset), acts: mirrored,
		want: want{caller: "20x answered 200 5 tokens", a: "20x 200", b: spared, metered: "20 completed; 140+100 tokens"},
	},
	{
		name: "canary-bad", fault: "a canary with half of the traffic answers 500: what it fails is answered by the stable version, and it is stepped back",
		needs: "canaries", stream: true, second: true, beside: "canary: {of: canary-bad/a, steps: [50%], min_requests: 10}",
		a: always(good), b: always(fails(500)), acts: triedUntilBack,
		want: want{caller: "all answered; stepped back for errors", a: "the rest", b: "a few", metered: "all"},
	},
	{
		name: "canary-slow", fault: "a canary with half of the traffic takes 300 ms longer to its first token: it is stepped back",
		needs: "canaries", stream: true, second: true, beside: "canary: {of: canary-slow/a, steps: [50%], min_requests: 10}",
		a: always(good), b: always(pause(300*time.Millisecond), good), acts: triedUntilBack,
		want: want{caller: "all answered; stepped back for ttft", a: "the rest", b: "a few", metered: "all"},
	},
}
