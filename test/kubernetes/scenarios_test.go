package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"weir"
	"weir/fleet"
	"weir/fleet/kubernetes"
)

// callers send requests to what Watch says is ready, as a gateway does: a request
// takes a while, and fails when its pod begins to go before its end.
type callers struct {
	w       *world
	f       *kubernetes.Fleet
	mu      sync.Mutex
	targets []weir.Replica
	done    atomic.Int64
	failed  atomic.Int64
	stop    func()
}

// called is the DrainQuiet of tests with callers: on a machine busy with other
// tests they may learn of a drain that much later.
const called = 300 * time.Millisecond

func (w *world) call(f *kubernetes.Fleet, n int) *callers {
	c := &callers{w: w, f: f}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		_ = f.Watch(ctx, func(_ string, rs []weir.Replica) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.targets = nil
			for _, r := range rs {
				if r.State == weir.Ready {
					c.targets = append(c.targets, r)
				}
			}
		})
	})
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				c.one(ctx)
			}
		})
	}
	c.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		w.Logf("%d requests, %d failed", c.done.Load(), c.failed.Load())
	})
	w.Cleanup(c.stop)
	return c
}

// one sends a request of 20 to 60 ms and looks at its end whether the pod is
// still whole. Choosing and counting are one step, as they are in the gateway.
func (c *callers) one(ctx context.Context) {
	c.mu.Lock()
	if len(c.targets) == 0 {
		c.mu.Unlock()
		pause(ctx, 5*time.Millisecond)
		return
	}
	r := c.targets[rand.IntN(len(c.targets))]
	c.w.mu.Lock()
	c.w.held[r.ID]++
	c.w.mu.Unlock()
	c.mu.Unlock()
	pause(ctx, time.Duration(20+rand.IntN(40))*time.Millisecond)
	whole := c.whole(r.ID)
	c.w.mu.Lock()
	c.w.held[r.ID]--
	c.w.mu.Unlock()
	c.done.Add(1)
	if !whole {
		c.failed.Add(1)
	}
}

// whole says that the replica is there, and nobody removes its pod.
func (c *callers) whole(id string) bool {
	rs, err := c.f.Status(context.Background(), "m")
	i := slices.IndexFunc(rs, func(r weir.Replica) bool { return r.ID == id })
	return err == nil && i >= 0 && rs[i].State != weir.Failed && !strings.Contains(rs[i].Detail, "deleted")
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// none fails the test when a request failed, or when too few were sent to judge.
func (c *callers) none(least int64) {
	c.w.Helper()
	c.stop()
	if c.failed.Load() > 0 || c.done.Load() < least {
		c.w.Errorf("%d of %d requests failed, want none of at least %d", c.failed.Load(), c.done.Load(), least)
	}
}

func (w *world) scale(f *kubernetes.Fleet, n int) {
	w.Helper()
	if err := f.Scale(soon(w.T), "m", n, nil); err != nil {
		w.Fatalf("scale to %d: %v", n, err)
	}
}

func TestFromOneToSixAndBackFailsNoRequest(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 6)
			w.policy = "Parallel"
			w.workload(kind, `{"annotations":{"start-after":"500ms"}}`)
			o := w.options(kind)
			o.Deployments[0].DrainQuiet = called
			f, _ := w.start(o, 6)
			w.scale(f, 1)
			w.ready(f, 1)
			c := w.call(f, 16)
			w.scale(f, 6)
			w.ready(f, 6)
			for n := 5; n >= 1; n -= 2 {
				w.scale(f, n)
				w.ready(f, n)
			}
			c.none(50)
			if n := w.replicas(strings.ToLower(kind) + "s"); n != 1 {
				t.Errorf("the number is %d, want 1", n)
			}
			if _, ok := f.ColdStart("m"); !ok {
				t.Error("no start was learned from")
			}
		})
	}
}

// TestWhatStillWorksIsNotDeletedForWhatHasDrained: of two that drain one is idle, and
// that one goes, whichever it is.
func TestWhatStillWorksIsNotDeletedForWhatHasDrained(t *testing.T) {
	t.Parallel()
	for idle := range 2 {
		t.Run(fmt.Sprint(idle), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4)
			w.workload("Deployment", "")
			f, _ := w.start(w.options("Deployment"), 4)
			w.scale(f, 3)
			rs := w.ready(f, 3)
			works, rests := rs[1-idle].ID, rs[idle].ID
			w.hold(works, true)
			w.hold(rests, true)
			if err := f.Scale(soon(t), "m", 1, []string{works, rests}); err != nil {
				t.Fatal(err)
			}
			w.hold(rests, false)
			left := func(ids ...string) func() (bool, string) {
				return func() (bool, string) {
					now, err := f.Status(t.Context(), "m")
					same := err == nil && len(now) == len(ids)
					for _, r := range now {
						same = same && slices.Contains(ids, r.ID)
					}
					return same, list(now)
				}
			}
			w.until("the idle one is gone", left(works, rs[2].ID))
			w.hold(works, false)
			w.until("the other is gone", left(rs[2].ID))
		})
	}
}

func TestAPodDeletedByHandIsRoutedAroundAndReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	f, _ := w.start(w.options("Deployment"), 4)
	w.scale(f, 3)
	rs := w.ready(f, 3)
	gone := rs[1].ID
	grace := int64(30)
	finalizer := `{"metadata":{"finalizers":["test/hold"]}}` // its end is when the test says so
	w.patch("v1", "pods", gone, finalizer)
	if err := w.resource("v1", "pods", w.namespace).Delete(soon(t), gone, metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
		t.Fatal(err)
	}
	w.until("it drains and another comes", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		draining := ""
		for _, r := range rs {
			if r.State == weir.Draining {
				draining = r.ID
			}
		}
		return err == nil && draining == gone && count(rs, weir.Ready) == 3, list(rs)
	})
	w.patch("v1", "pods", gone, `{"metadata":{"finalizers":null}}`)
	w.ready(f, 3)
}

func TestWhatDoesNotStartHasFailedWithItsReason(t *testing.T) {
	t.Parallel()
	for start, want := range map[string]string{"crash": "OOMKilled", "pull": "ImagePullBackOff"} {
		t.Run(start, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4)
			w.workload("Deployment", `{"labels":{"start":`+quote(start)+`}}`)
			f, _ := w.start(w.options("Deployment"), 4)
			w.scale(f, 1)
			w.until("it has failed and says why", func() (bool, string) {
				rs, err := f.Status(t.Context(), "m")
				return err == nil && len(rs) == 1 && rs[0].State == weir.Failed && rs[0].FailedStarts > 0 &&
					strings.Contains(rs[0].Detail, want), list(rs)
			})
			w.scale(f, 0)
			w.ready(f, 0)
		})
	}
}

func TestAnEvictedPodIsShownAsFailedAndReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	f, _ := w.start(w.options("Deployment"), 4)
	w.scale(f, 2)
	rs := w.ready(f, 2)
	w.patch("v1", "pods", rs[0].ID, `{"status":{"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory."}}`, "status")
	w.until("it has failed, and another has come", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		return err == nil && count(rs, weir.Failed) == 1 && count(rs, weir.Ready) == 2 &&
			strings.HasPrefix(rs[0].Detail, "Evicted The node was low on resource"), list(rs)
	})
}

// quota bounds the GPUs of the world's namespace.
func (w *world) quota(gpus int) {
	w.Helper()
	w.apply(fmt.Sprintf(`
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: models}
spec: {hard: {requests.%s: %d}}
`, gpu, gpus))
	w.until("the quota counts", func() (bool, string) {
		o, err := w.resource("v1", "resourcequotas", w.namespace).Get(soon(w.T), "team", metav1.GetOptions{})
		return err == nil && o.Object["status"] != nil && fmt.Sprint(o.Object["status"]) != "map[]", fmt.Sprint(o)
	})
}

func TestAQuotaBoundsTheNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	w.workload("Deployment", "")
	w.quota(2)
	f, _ := w.start(w.options("Deployment"), 6)
	err := f.Scale(soon(t), "m", 5, nil)
	short(t, err, fleet.WhyQuota, "quota team: requests."+gpu+" is 2")
	w.ready(f, 2)
	if n := w.replicas("deployments"); n != 2 {
		t.Errorf("the number is %d, want 2", n)
	}
}

const autoscaler = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: other, namespace: models}
spec:
  minReplicas: 3
  maxReplicas: 5
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: m}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
`

func TestAnAutoscalerOnTheSameTargetIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	w.workload("Deployment", "")
	o := w.options("Deployment")
	if err := kubernetes.Check(soon(t), o); err != nil {
		t.Errorf("without one: %v", err)
	}
	w.apply(autoscaler)
	err := kubernetes.Check(soon(t), o)
	if !errors.Is(err, kubernetes.ErrHeld) || !strings.Contains(err.Error(), "HorizontalPodAutoscaler other scales apps/v1 Deployment") {
		t.Errorf("%v, want it refused by name", err)
	}
	f, _ := w.start(o, 6)
	if err := f.Scale(soon(t), "m", 2, nil); !errors.Is(err, kubernetes.ErrHeld) {
		t.Errorf("scale: %v, want it held", err)
	}
}

// TestAScaledObjectOnTheSameTargetIsRefusedByName. Nothing acts on it here; the kind
// is KEDA's own.
func TestAScaledObjectOnTheSameTargetIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.kinds()
	w.workload("Deployment", "")
	w.apply(`
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: theirs, namespace: models}
spec: {scaleTargetRef: {name: m}, triggers: [{type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: "3"}}]}
`)
	err := kubernetes.Check(soon(t), w.options("Deployment"))
	if !errors.Is(err, kubernetes.ErrHeld) || !strings.Contains(err.Error(), "ScaledObject theirs scales apps/v1 Deployment "+w.namespace+"/m") {
		t.Errorf("%v, want it refused by name", err)
	}
}

func TestAnotherWriterFoundLaterIsNotFought(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	w.workload("Deployment", "")
	f, _ := w.start(w.options("Deployment"), 6)
	w.scale(f, 1)
	w.ready(f, 1)
	w.apply(autoscaler) // writes 3: its minimum
	w.until("the hold is said", func() (bool, string) { held := f.Held("m"); return held != "", held })
	if held := f.Held("m"); !strings.Contains(held, "kube-controller-manager (scale) wrote 3 where Weir had 1") {
		t.Errorf("held by %q", held)
	}
	for range 3 {
		if err := f.Scale(soon(t), "m", 1, nil); !errors.Is(err, kubernetes.ErrHeld) {
			t.Errorf("scale: %v, want it held", err)
		}
	}
	w.ready(f, 3)
	if n := w.replicas("deployments"); n != 3 {
		t.Errorf("the number is %d, want the autoscaler's 3", n)
	}
}

// TestAWeirThatDiesWhileItScalesIn: what drains is marked on the pod, so the next
// one goes on, and another gateway sees it all along.
func TestAWeirThatDiesWhileItScalesIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	w.workload("Deployment", "")
	first, kill := w.start(w.options("Deployment"), 6)
	follows := w.options("Deployment")
	follows.Leads = func() bool { return false }
	other, _ := w.start(follows, 6)
	w.scale(first, 4)
	rs := w.ready(first, 4)
	w.hold(rs[0].ID, true)
	if err := first.Scale(soon(t), "m", 3, []string{rs[0].ID}); err != nil {
		t.Fatal(err)
	}
	drains := func(f *kubernetes.Fleet) func() (bool, string) {
		return func() (bool, string) {
			now, err := f.Status(t.Context(), "m")
			i := slices.IndexFunc(now, func(r weir.Replica) bool { return r.ID == rs[0].ID })
			return err == nil && len(now) == 4 && i >= 0 && now[i].State == weir.Draining, list(now)
		}
	}
	w.until("the other gateway sees it drain", drains(other))
	if err := other.Scale(soon(t), "m", 1, nil); err == nil {
		t.Error("one that is not the leader scales")
	}
	kill()
	next, _ := w.start(w.options("Deployment"), 6)
	w.until("the next one sees it drain", drains(next))
	w.scale(next, 3)
	w.hold(rs[0].ID, false)
	for _, r := range w.ready(next, 3) {
		if r.ID == rs[0].ID {
			t.Errorf("%s was to go, and stayed", r.ID)
		}
	}
}

// TestTheRightToALeaseIsToOne: to create one cannot be limited to a name.
func TestTheRightToALeaseIsToOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.workload("Deployment", "")
	o := w.options("Deployment")
	o.Lease = w.namespace
	if err := kubernetes.Check(soon(t), o); err != nil {
		t.Errorf("its own: %v", err)
	}
	o.Lease = "another"
	if err := kubernetes.Check(soon(t), o); err == nil || !strings.Contains(err.Error(), "Weir may not get and update leases.coordination.k8s.io another in weir") {
		t.Errorf("another's: %v", err)
	}
}

func TestCheckNamesEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.workload("Deployment", "")
	w.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: manifest, namespace: models}
spec:
  selector: {matchLabels: {app: x}}
  template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: x}]}}
`)
	force := true
	if _, err := w.resource("apps/v1", "deployments", w.namespace).Patch(soon(t), "manifest", types.ApplyPatchType,
		[]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"manifest"},"spec":{"replicas":2}}`),
		metav1.PatchOptions{FieldManager: "argocd", Force: &force}); err != nil {
		t.Fatal(err)
	}
	o := w.options("Deployment")
	named := func(name string, change func(*kubernetes.Deployment)) {
		d := o.Deployments[0]
		d.Name, d.Object = name, name
		change(&d)
		o.Deployments = append(o.Deployments, d)
	}
	named("a", func(d *kubernetes.Deployment) { d.APIVersion, d.Kind = "batch/v1", "Job" })
	named("b", func(d *kubernetes.Deployment) { d.Kind = "Deploymint" })
	named("c", func(*kubernetes.Deployment) {})
	named("d", func(d *kubernetes.Deployment) { d.Namespace, d.Object = "kube-system", "m" })
	named("e", func(d *kubernetes.Deployment) { d.Object = "manifest" })
	named("f", func(d *kubernetes.Deployment) { d.APIVersion, d.Kind = "example.com/v1", "Model" })
	err := kubernetes.Check(soon(t), o)
	for _, want := range []string{
		`"a": batch/v1 Job has no scale subresource`,
		`"b": the cluster has no kind Deploymint in apps/v1`,
		`"c": scale of apps/v1 Deployment ` + w.namespace + `/c: deployments.apps "c" not found`,
		`"d": Weir may not get, list and watch deployments.apps in kube-system, get and update deployments/scale.apps in kube-system`,
		`"e": another writes its replicas: argocd applies a manifest of apps/v1 Deployment ` + w.namespace + `/manifest that has replicas in it`,
		`"f": the cluster does not say what example.com/v1 has`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if strings.Contains(fmt.Sprint(err), `"m":`) {
		t.Errorf("%v\nblames m", err)
	}
}
