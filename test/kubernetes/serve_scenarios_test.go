package kubernetes_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"weir/emulate"
	"weir/store/storetest"
)

// The scenarios with whole gateways: `weir serve` under its service account, engines
// behind the pods, and callers that count what they see.

// engines gives the world a workload m of pods with engines, which load for half a
// second.
func (w *world) engines(kind string) *kubelet { return w.enginesThatLoad(kind, 500*time.Millisecond) }

func (w *world) enginesThatLoad(kind string, load time.Duration) *kubelet {
	k := w.kubelet(load)
	w.policy = "Parallel"
	w.grace = 30
	w.workload(kind, "{"+engine+"}")
	return k
}

// TestServeFollowsTheLoadFromOneToSixAndBack takes over a minute: Weir keeps what was
// needed for at least so long.
func TestServeFollowsTheLoadFromOneToSixAndBack(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 6)
			w.engines(kind)
			g := w.serve("a", settings{scaling: "min: 1, max: 6, " + quick, more: "          kind: " + kind})
			g.has(1)
			callers := g.traffic(1)
			callers.rate(9)
			g.has(6)
			callers.rate(0.5)
			g.has(1)
			callers.allAnswered(40)
			if n := len(w.deleted()); n != 5 {
				t.Errorf("%d pods were deleted, want 5: %v", n, w.deleted())
			}
		})
	}
}

// TestServeOutlivesANode: what the node was answering is cut off with it. Every
// other request is answered, and the pods come back elsewhere.
func TestServeOutlivesANode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.node("b", 4)
	k := w.engines("Deployment")
	g := w.serve("a", settings{scaling: "min: 4, max: 4"})
	g.has(4)
	callers := g.traffic(6)
	pause(t.Context(), 2*time.Second) // of load
	cut := k.lose("a")
	pause(t.Context(), 2*time.Second) // in which the API server believes in the node
	k.forget("a")
	g.has(4)
	pause(t.Context(), time.Second)
	r := callers.seen()
	if r.Refused > 0 || r.Failed > cut || r.Failed != r.Cut || r.Completed < 20 {
		t.Errorf("%d refused (%v), %d failed (%v), %d answered; want none but the %d that the node was answering to fail", r.Refused, r.Statuses, r.Failed, r.Errors, r.Completed, cut)
	}
}

func TestServeAnswersAllWhileAPodIsDeletedByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.engines("Deployment")
	g := w.serve("a", settings{scaling: "min: 3, max: 3"})
	g.has(3)
	callers := g.traffic(6)
	pause(t.Context(), 2*time.Second)
	gone := g.replicas()[1].ID
	if err := w.resource("v1", "pods", w.namespace).Delete(soon(t), gone, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("another is in its place", func() (bool, string) {
		ready, all := g.now()
		return ready == 3 && all == 3 && !strings.Contains(fmt.Sprint(g.replicas()), gone), fmt.Sprint(g.replicas())
	})
	callers.allAnswered(20)
}

// TestServeAnswersAllWhileANodeIsDrained with kubectl drain: its pods are evicted, and
// what they answer is answered to the end.
func TestServeAnswersAllWhileANodeIsDrained(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.engines("Deployment")
	g := w.serve("a", settings{scaling: "min: 2, max: 2"})
	g.has(2)
	w.node("b", 4)
	before := fmt.Sprint(g.replicas())
	callers := g.traffic(6)
	pause(t.Context(), 2*time.Second)
	drain := exec.Command(helmAt(t, "kubectl"), "--kubeconfig", w.plane.at("admin"), "drain", w.namespace+"-a", "--timeout=60s")
	if out, err := drain.CombinedOutput(); err != nil || strings.Count(string(out), "evicted") != 2 {
		t.Fatalf("kubectl drain: %v\n%s", err, out)
	}
	w.until("both are on the other node", func() (bool, string) {
		ready, all := g.now()
		for _, r := range g.replicas() {
			if strings.Contains(before, r.ID) {
				return false, "still " + r.ID
			}
		}
		return ready == 2 && all == 2, fmt.Sprint(g.replicas())
	})
	callers.allAnswered(20)
}

// elsewhere is a deployment of the second tier: an emulated server of this machine.
func (w *world) elsewhere() (settings string) {
	e, err := emulate.New(emulate.Options{Model: "Llama-3.1-8B", Served: "m", GPU: "H100-80GB", Load: 1})
	if err != nil {
		w.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, l) }()
	w.Cleanup(func() { cancel(); <-ended })
	return fmt.Sprintf("      - {name: elsewhere, tier: 1, external: {urls: [\"http://%s\"]}}", l.Addr())
}

// TestServeSpillsWhatItsGPUsCannotTake: no more pods than can come, the reason is
// said, and the next deployment takes the rest.
func TestServeSpillsWhatItsGPUsCannotTake(t *testing.T) {
	for _, c := range []struct{ name, bound, says string }{
		{"two GPUs", "", "room for 2 of its pods (1 " + gpu + " each)"},
		{"GPUs that others hold", "others", "other pods hold the room of 2"},
		{"a quota", "quota", "quota team: requests." + gpu + " is 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			gpus := 4
			if c.bound == "" {
				gpus = 2
			}
			w := newWorld(t, gpus)
			w.engines("Deployment")
			switch c.bound {
			case "others":
				w.other("other-0", gpu+": 1")
				w.other("other-1", gpu+": 1")
			case "quota":
				w.quota(2)
			}
			g := w.serve("a", settings{scaling: "min: 1, max: 4, " + quick, others: w.elsewhere()})
			g.has(1)
			callers := g.traffic(20)
			g.has(2)
			g.says("/admin/shortages", c.says)
			word := "unschedulable: "
			if c.bound == "quota" {
				word = "quota: "
			}
			w.hears("ReplicasCannotCome", word, c.says)
			w.until("requests are spilled", func() (bool, string) {
				r := g.text("/metrics")
				return strings.Contains(r, `deployment="elsewhere"`), ""
			})
			w.settled(2)
			callers.allAnswered(15)
		})
	}
}

// hears waits for an event of Weir's about the workload.
func (w *world) hears(reason, begins, says string) {
	w.Helper()
	w.until("an event "+reason, func() (bool, string) {
		list, err := w.resource("v1", "events", w.namespace).List(soon(w.T), metav1.ListOptions{FieldSelector: "involvedObject.kind=Deployment,involvedObject.name=m,reason=" + reason})
		if err != nil {
			return false, err.Error()
		}
		said := ""
		for _, e := range list.Items {
			message, _, _ := unstructured.NestedString(e.Object, "message")
			if said += message; strings.HasPrefix(message, begins) && strings.Contains(message, says) {
				return true, ""
			}
		}
		return false, said
	})
}

// settled fails the test unless the number is n and no pod waits for a node.
func (w *world) settled(n int64) {
	w.Helper()
	w.until(fmt.Sprintf("%d pods, and none that waits for a node", n), func() (bool, string) {
		all, err := w.resource("v1", "pods", w.namespace).List(soon(w.T), metav1.ListOptions{LabelSelector: "app=m"})
		if err != nil {
			return false, err.Error()
		}
		waiting := 0
		for _, p := range all.Items {
			if spec, ok := p.Object["spec"].(map[string]any); ok && spec["nodeName"] == nil {
				waiting++
			}
		}
		return w.replicas("deployments") == n && waiting == 0, fmt.Sprintf("the number is %d, %d wait", w.replicas("deployments"), waiting)
	})
}

// TestServeHoldsTheFirstRequestUntilAReplicaIsThere: from zero and back to it.
func TestServeHoldsTheFirstRequestUntilAReplicaIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.engines("Deployment")
	g := w.serve("a", settings{scaling: "min: 0, max: 1, zero_after: 1s, " + quick})
	pause(t.Context(), time.Second)
	for range 2 {
		if ready, all := g.now(); ready+all > 0 {
			t.Errorf("%d replicas without a request", all)
		}
		callers := g.traffic(4)
		g.has(1)
		callers.allAnswered(2)
		g.has(0)
	}
}

// TestServeKilledWhileItScalesIn: the next one goes on with what drains. No pod is
// deleted that was not to go, and none twice; nothing but what the killed gateway
// itself was answering is lost.
func TestServeKilledWhileItScalesIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.engines("Deployment")
	g := w.serve("a", settings{scaling: "min: 3, max: 3, " + roomy})
	g.has(3)
	end := g.hold(3) // a long answer on each
	g.reload(settings{scaling: "min: 1, max: 3, " + roomy})
	draining := g.drains(2)
	g.kill()
	end()
	g.start()
	callers := g.traffic(2) // while a lease of the killed one runs out
	g.has(1)
	callers.allAnswered(2)
	w.onlyDeleted(draining)
}

// roomy is a scaling that a few requests do not move.
const roomy = "target_concurrency: 8, scale_in_after: 1s, cold_start: 1s, forecast: {enabled: false}"

// onlyDeleted fails the test unless exactly these pods were deleted, each once.
func (w *world) onlyDeleted(pods []string) {
	w.Helper()
	deleted := w.deleted()
	slices.Sort(deleted)
	if !slices.Equal(deleted, pods) {
		w.Errorf("deleted %v, and those that were to go are %v", deleted, pods)
	}
}

// hold opens long answers, one per ready replica, until the func it returns is called.
func (g *gateway) hold(n int) (end func()) {
	g.w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	for range n {
		body := `{"model":"m","stream":true,"max_tokens":4000,"messages":[{"role":"user","content":"at length"}]}`
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			g.w.Fatal(err)
		}
		req.Header.Set("authorization", "Bearer "+callerKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			g.w.Fatalf("a long answer: %v %v", resp, err)
		}
		g.w.Cleanup(func() { cancel(); resp.Body.Close() })
	}
	return cancel
}

// drains waits until n replicas drain, marked for every gateway, and returns them.
func (g *gateway) drains(n int) (ids []string) {
	g.w.Helper()
	g.w.until(fmt.Sprintf("%d drain", n), func() (bool, string) {
		ids = nil
		all, err := g.w.resource("v1", "pods", g.w.namespace).List(soon(g.w.T), metav1.ListOptions{LabelSelector: "app=m"})
		if err != nil {
			return false, err.Error()
		}
		for _, p := range all.Items {
			if p.GetAnnotations()["weir/draining"] != "" {
				ids = append(ids, p.GetName())
			}
		}
		slices.Sort(ids)
		return len(ids) == n, fmt.Sprint(ids)
	})
	return ids
}

// TestServeRefusesATargetThatAnAutoscalerHas: at check and at start, by its name. One
// that comes later is not fought, and its name is said.
func TestServeRefusesATargetThatAnAutoscalerHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	w.engines("Deployment")
	g := w.serve("a", settings{scaling: "min: 1, max: 2, " + quick})
	g.has(1)
	callers := g.traffic(1)
	w.apply(autoscaler) // writes 3: its minimum
	g.has(3)
	g.says("/admin/decisions", "another writes its replicas")
	g.says("/metrics", `weir_replicas_held{deployment="m"} 1`)
	w.hears("ReplicasHeld", "", "kube-controller-manager (scale) wrote 3 where Weir had 1")
	before := len(w.writes())
	pause(t.Context(), 3*time.Second)
	if after := len(w.writes()); after != before {
		t.Errorf("Weir wrote %d times beside the autoscaler", after-before)
	}
	callers.allAnswered(3)
	g.kill()
	for _, args := range [][]string{{"check", "--cluster", "-c", g.file()}, {"serve", "-c", g.file()}} {
		out, err := g.command(args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "HorizontalPodAutoscaler other scales apps/v1 Deployment "+w.namespace+"/m") {
			t.Errorf("weir %s: %v, want it refused by the autoscaler's name:\n%s", args[0], err, out)
		}
	}
}

// TestServeTheLeaderKilled: killed while it scales in, it is followed by the other
// gateway, which answers all the while and goes on with what drains. There are never
// two writers. The leader is that of a common database, or the holder of a Lease.
func TestServeTheLeaderKilled(t *testing.T) {
	t.Parallel()
	t.Run("of a database", func(t *testing.T) { t.Parallel(); leaderKilled(t, storetest.Start(t).Database()) })
	t.Run("by a Lease", func(t *testing.T) { t.Parallel(); leaderKilled(t, "") })
}

func leaderKilled(t *testing.T, store string) {
	w := newWorld(t, 4)
	w.engines("Deployment")
	scaled := func(bounds string) settings { return settings{scaling: bounds + roomy, store: store} }
	a := w.serve("a", scaled("min: 2, max: 3, "))
	a.has(2)
	b := w.serve("b", scaled("min: 2, max: 3, "))
	both := func(bounds string) {
		for _, g := range []*gateway{a, b} {
			g.reload(scaled(bounds))
		}
	}
	both("min: 3, max: 3, ")
	b.has(3) // written by a
	callers := b.traffic(3)
	end := a.hold(3)
	both("min: 1, max: 3, ")
	draining := a.drains(2)
	a.kill()
	end()
	b.has(1)
	w.onlyDeleted(draining)
	b.reload(scaled("min: 2, max: 3, "))
	b.has(2)
	callers.allAnswered(20)
	var writers []string
	for _, x := range w.writes() {
		if len(writers) == 0 || writers[len(writers)-1] != x.Credential {
			writers = append(writers, x.Credential)
		}
	}
	if !slices.Equal(writers, []string{a.credential, b.credential}) {
		t.Errorf("wrote one after the other: %v; want %s and then %s", writers, a.credential, b.credential)
	}
}
