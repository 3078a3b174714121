package kubernetes

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// lease is a Lease object (coordination.k8s.io) that one Weir of several holds:
// the one that writes. It is for gateways that share no store, which has a
// leader of its own. The resource version is the fence: of two that take it at
// once, one gets a conflict. No clock is compared with another machine's: a
// lease has run out when it has not changed for its duration, as seen from here.
type lease struct {
	name, namespace, holder string
	log                     *slog.Logger

	mu    sync.Mutex
	until time.Time // held until then; zero: not held

	// Used by the goroutine that runs it alone.
	seen   string    // the last version of another's
	since  time.Time // when that was first seen
	behind time.Time // since when another has had it without a break; zero: none
	warned bool      // of that other
}

// As the components of Kubernetes have them: a dead holder is replaced within
// 15 to 17 s, and a holder that reaches no API server stops writing 5 s before.
const (
	leaseTime  = 15 * time.Second
	leaseRenew = 10 * time.Second
	leaseEvery = 2 * time.Second
)

// besideWarn is how long another may hold the lease before this Weir says what that
// means: longer than two overlap when a new one takes an old one's place.
const besideWarn = time.Minute

var leases = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

func newLease(o Options) *lease {
	host, err := os.Hostname()
	if err != nil {
		host = Manager
	}
	return &lease{name: o.Lease, namespace: o.LeaseNamespace, holder: host + "_" + rand.Text(), log: o.Log}
}

// held says whether this Weir holds it now.
func (l *lease) held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until)
}

func (l *lease) set(until time.Time) {
	l.mu.Lock()
	held := time.Now().Before(l.until)
	l.until = until
	l.mu.Unlock()
	switch now := !until.IsZero(); {
	case now && !held:
		l.log.Info("this gateway holds the lease: it scales the workloads", "lease", l.namespace+"/"+l.name)
	case held && !now:
		l.log.Info("this gateway no longer holds the lease", "lease", l.namespace+"/"+l.name)
	}
}

// run takes and renews it until ctx ends, then gives it back.
func (l *lease) run(ctx context.Context, c *cluster) {
	l.namespace = cmp.Or(l.namespace, c.namespace)
	object := c.urgent.Resource(leases).Namespace(l.namespace)
	tick := time.NewTicker(leaseEvery)
	defer tick.Stop()
	failing := false
	for {
		call, cancel := context.WithTimeout(ctx, leaseEvery)
		err := l.turn(call, object)
		cancel()
		if err != nil && ctx.Err() == nil && !failing {
			l.log.Warn("the lease cannot be taken: this gateway scales no workload of the cluster", "lease", l.namespace+"/"+l.name, "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			l.giveBack(context.WithoutCancel(ctx), object)
			return
		case <-tick.C:
		}
	}
}

// turn takes the lease if it is free, or renews it.
func (l *lease) turn(ctx context.Context, object dynamic.ResourceInterface) error {
	now := time.Now()
	o, err := object.Get(ctx, l.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		o = &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": leases.GroupVersion().String(), "kind": "Lease", "metadata": map[string]any{"name": l.name}}}
		l.fill(o, now)
		_, err = object.Create(ctx, o, metav1.CreateOptions{FieldManager: Manager})
		return l.took(err, now)
	}
	if err != nil {
		return err
	}
	if holder, _, _ := unstructured.NestedString(o.Object, "spec", "holderIdentity"); holder != "" && holder != l.holder {
		if v := o.GetResourceVersion(); v != l.seen {
			l.seen, l.since = v, now
		}
		if now.Sub(l.since) < leaseTime {
			l.set(time.Time{})
			l.beside(now, holder)
			return nil
		}
	}
	l.fill(o, now)
	_, err = object.Update(ctx, o, metav1.UpdateOptions{FieldManager: Manager})
	return l.took(err, now)
}

// took notes the outcome of a write that began at now. A conflict is another's
// write: the next turn reads it.
func (l *lease) took(err error, now time.Time) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil {
		l.set(now.Add(leaseRenew))
		l.behind, l.warned = time.Time{}, false
	}
	return err
}

// beside notes that another has the lease, and says once what two gateways without
// a common store cannot do.
func (l *lease) beside(now time.Time, holder string) {
	if l.behind.IsZero() {
		l.behind = now
	}
	if l.warned || now.Sub(l.behind) < besideWarn {
		return
	}
	l.warned = true
	l.log.Warn("another gateway scales the workloads and shares no store with this one: it counts its own requests alone, and may end a pod that still serves requests of this one; give both the same store.postgres",
		"lease", l.namespace+"/"+l.name, "holder", holder)
}

// fill writes this Weir as the holder.
func (l *lease) fill(o *unstructured.Unstructured, now time.Time) {
	spec, _, _ := unstructured.NestedMap(o.Object, "spec")
	if spec == nil {
		spec = map[string]any{}
	}
	at := now.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	if spec["holderIdentity"] != l.holder {
		n, _ := spec["leaseTransitions"].(int64)
		spec["leaseTransitions"], spec["acquireTime"] = n+1, at
	}
	spec["holderIdentity"], spec["renewTime"], spec["leaseDurationSeconds"] = l.holder, at, int64(leaseTime/time.Second)
	o.Object["spec"] = spec
}

// giveBack lets another Weir take it at once.
func (l *lease) giveBack(ctx context.Context, object dynamic.ResourceInterface) {
	if !l.held() {
		return
	}
	l.set(time.Time{})
	ctx, cancel := context.WithTimeout(ctx, leaseEvery)
	defer cancel()
	o, err := object.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil {
		return // it runs out by itself
	}
	if holder, _, _ := unstructured.NestedString(o.Object, "spec", "holderIdentity"); holder != l.holder {
		return
	}
	if err := unstructured.SetNestedField(o.Object, "", "spec", "holderIdentity"); err != nil {
		return
	}
	if _, err := object.Update(ctx, o, metav1.UpdateOptions{FieldManager: Manager}); err != nil {
		l.log.Debug("the lease runs out by itself", "error", fmt.Sprint(err))
	}
}
