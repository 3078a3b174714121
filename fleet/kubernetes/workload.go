package kubernetes

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"weir"
)

// workload is a deployment and everything known about it.
type workload struct {
	f    *Fleet
	d    Deployment
	wake chan struct{}
	stop context.CancelFunc // its Fleet's lock; nil: does not run

	// writing is held by the goroutine that reads and writes the number: one at
	// a time.
	writing chan struct{}
	again   again // used by the goroutine that runs it alone
	// announces are the events to be written about it.
	announces chan announcement

	mu        sync.Mutex
	target    *target // nil until the cluster has answered
	trouble   error   // why target is nil
	listed    bool    // its pods have been listed
	pods      map[types.UID]*pod
	seq       int
	starts    starts
	pushed    []weir.Replica // as last published
	told      bool           // something was published
	shape     shape
	wrote     int                    // the number as last written or accepted; -1: none yet
	followed  bool                   // another gateway led since the number was last read
	lowered   time.Time              // when the number was last lowered
	away      time.Time              // when an outage of the API server last went on, or ended
	lost      bool                   // the last call did not reach it
	created   time.Time              // when all pods of the number were last there
	blocked   string                 // why its controller cannot create pods, from its own condition
	looked    time.Time              // when Weir last asked why pods are not created
	quotas    []corev1.ResourceQuota // as last read
	claimed   *stock                 // devices by claim, as last read; nil: none or unknown
	provision reason                 // why its ProvisioningRequest gives no more nodes
	workers   []worker               // of a LeaderWorkerSet's groups, as last read
	surveyed  time.Time              // when quotas and the pods of others were last read
	selects   labels.Selector        // its pods
	pending   int                    // a number that was sent and may have been written; -1: none
	held      hold
	short     short
}

// hold is a time in which Weir leaves the number alone.
type hold struct {
	why   string    // "": no hold
	until time.Time // when Weir looks again
	doubt bool      // another client may have written: read which
}

const (
	tick       = time.Second            // between looks at a workload without a drain
	drainTick  = 100 * time.Millisecond // and at one with a drain
	callLimit  = 10 * time.Second       // for the API calls of one look
	retryFirst = time.Second            // before asking again after an error
	retryMost  = 10 * time.Second
	backMost   = 2 * time.Second // the same for a workload that is known
)

func newWorkload(f *Fleet, d Deployment) *workload {
	return &workload{f: f, d: d, wake: make(chan struct{}, 1), writing: make(chan struct{}, 1), announces: make(chan announcement, announcesMost),
		pods: map[types.UID]*pod{}, wrote: -1, pending: -1}
}

// succeeds takes over from the workload of the same deployment before a reload: what
// it learned of starts and, if it is the same object, what the cluster could not give,
// another's writes, and an outage.
func (w *workload) succeeds(old *workload) {
	old.mu.Lock()
	defer old.mu.Unlock()
	w.starts = slices.Clone(old.starts)
	if w.d.target() != old.d.target() {
		return
	}
	w.short, w.away, w.lost = old.short, old.away, old.lost
	if !w.d.ScaledElsewhere && !old.d.ScaledElsewhere {
		w.held = old.held
	}
}

// run follows the workload until ctx ends.
func (w *workload) run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { w.follow(ctx) })
	all.Go(func() { w.speak(ctx) })
	timer := time.NewTicker(drainTick)
	defer timer.Stop()
	last := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case now := <-timer.C:
			if !w.restless() && now.Sub(last) < tick {
				continue
			}
		}
		last = time.Now()
		w.publish(last)
		w.turn(ctx, last)
	}
}

// restless says whether a pod drains or is to be marked.
func (w *workload) restless() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pods {
		if p.intent != asMarked || p.leaving() && !p.over() && p.gone.IsZero() {
			return true
		}
	}
	return false
}

// publish wakes the watchers if the replicas have changed, and once they are first
// known: a reload may have put the workload in the place of one with replicas.
func (w *workload) publish(now time.Time) {
	w.mu.Lock()
	rs := w.views(now)
	changed := w.listed && (!w.told || !slices.Equal(rs, w.pushed))
	if changed {
		w.pushed, w.told = rs, true
	}
	w.mu.Unlock()
	if changed {
		w.f.changes.Publish(w.d.Name)
	}
}

// follow finds the workload and watches it and its pods; it starts over when the
// workload was deleted and is there again.
func (w *workload) follow(ctx context.Context) {
	delay := retryFirst
	for ctx.Err() == nil {
		selector, err := w.discover(ctx)
		if err != nil {
			w.mu.Lock()
			w.trouble = err
			w.mu.Unlock()
			w.f.o.Log.Warn("the workload cannot be read", "deployment", w.d.Name, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(delay):
			}
			delay = min(2*delay, retryMost)
			continue
		}
		delay = retryFirst
		w.watch(ctx, selector)
	}
}

// discover reads the workload from the cluster, and returns the selector of its
// pods.
func (w *workload) discover(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	t, err := w.f.c.find(ctx, w.d)
	if err != nil {
		return "", err
	}
	s, err := t.read(ctx)
	if err != nil {
		return "", err
	}
	if s.Status.Selector == "" {
		return "", w.d.fault("the scale of %s has no selector: its pods cannot be told from others", w.d.target())
	}
	o, err := t.get(ctx)
	if err != nil {
		return "", err
	}
	who := ""
	if !w.d.ScaledElsewhere {
		if who, err = w.f.c.writer(ctx, t, o); err != nil {
			return "", err
		}
	}
	selects, err := labels.Parse(s.Status.Selector)
	if err != nil {
		return "", w.d.fault("selector %q of the scale of %s: %w", s.Status.Selector, w.d.target(), err)
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target, w.trouble, w.selects = t, nil, selects
	w.shape = shapeOf(o.Object)
	if w.wrote < 0 {
		w.wrote = int(s.Spec.Replicas)
	}
	if who != "" {
		w.hold(now, who, recheck)
	}
	return s.Status.Selector, nil
}

// watch follows the workload's object and its pods until ctx ends or the workload
// is there again after it was deleted.
func (w *workload) watch(ctx context.Context, selector string) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c := w.f.c
	podsOf := listWatch(c.core, "pods", w.d.Namespace, func(o *metav1.ListOptions) { o.LabelSelector = selector })
	w.mu.Lock()
	t := w.target
	w.mu.Unlock()
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { c.reflect(ctx, podsOf, &corev1.Pod{}, &pods{w}) })
	all.Go(func() {
		c.reflect(ctx, &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.FieldSelector = "metadata.name=" + w.d.Object
				list, err := t.object.List(ctx, o)
				w.reached(ctx, err)
				return list, err
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				o.FieldSelector = "metadata.name=" + w.d.Object
				changes, err := t.object.Watch(ctx, o)
				w.reached(ctx, err)
				return changes, err
			},
		}, &unstructured.Unstructured{}, &object{w: w, again: stop})
	})
}

// reached notes when the API server was away, by the outcome of a call, its first
// answer after an outage included. The watch of the object is asked for again until
// it answers.
func (w *workload) reached(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || w.lost {
		w.away, w.lost = time.Now(), err != nil
	}
}

// listWatch lists and watches objects of the core group.
func listWatch(c *rest.RESTClient, resource, namespace string, narrow func(*metav1.ListOptions)) cache.ListerWatcher {
	return cache.NewFilteredListWatchFromClient(c, resource, namespace, narrow)
}

// reflect keeps a store in step with the API server until ctx ends. After an
// outage of the API server it retries at least every two seconds.
func (c *cluster) reflect(ctx context.Context, lw cache.ListerWatcher, kind any, s cache.ReflectorStore) {
	ctx = klog.NewContext(ctx, c.log) // half of the library logs to this one, half to the other
	cache.NewReflectorWithOptions(lw, kind, s, cache.ReflectorOptions{
		Logger:  &c.log,
		Backoff: &wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 4, Cap: 2 * time.Second},
	}).RunWithContext(ctx)
}
