//go:build keda

package kubernetes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"weir/keda"
)

// decider is a Weir whose decisions the test makes.
type decider struct {
	address string

	mu       sync.Mutex
	n        int
	watchers []chan struct{}
}

func newDecider(t *testing.T) *decider {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &decider{address: l.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- keda.Serve(ctx, l, keda.Options{
			Want: func(name string) (int, bool, bool) {
				d.mu.Lock()
				defer d.mu.Unlock()
				return d.n, d.n > 0, name == "llama"
			},
			Changed: func(context.Context, string) <-chan struct{} {
				c := make(chan struct{}, 1)
				d.mu.Lock()
				defer d.mu.Unlock()
				d.watchers = append(d.watchers, c)
				return c
			},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return d
}

func (d *decider) decide(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n = n
	for _, c := range d.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// streams is how many streams KEDA has opened.
func (d *decider) streams() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.watchers)
}

// scaledObject creates deploy/keda's for the world's workload, with Weir at that
// address. Nothing else in it is changed.
func (w *world) scaledObject(address string) {
	w.Helper()
	text, err := os.ReadFile("../../deploy/keda/scaledobject.yaml")
	if err != nil {
		w.Fatal(err)
	}
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var o map[string]any
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			w.Fatal(err)
		}
		u := &unstructured.Unstructured{Object: o}
		if u.GetKind() == "ScaledObject" {
			triggers, _, err := unstructured.NestedSlice(o, "spec", "triggers")
			if err != nil || len(triggers) != 1 {
				w.Fatalf("%d triggers, %v", len(triggers), err)
			}
			if err := unstructured.SetNestedField(triggers[0].(map[string]any), address, "metadata", "scalerAddress"); err != nil {
				w.Fatal(err)
			}
			if err := unstructured.SetNestedSlice(o, triggers, "spec", "triggers"); err != nil {
				w.Fatal(err)
			}
			if err := unstructured.SetNestedField(o, "m", "spec", "scaleTargetRef", "name"); err != nil {
				w.Fatal(err)
			}
		}
		u.SetNamespace(w.namespace)
		w.create(u.GetAPIVersion(), resources[u.GetKind()], w.namespace, u)
	}
}

// counts is the workload's number, and how many of its pods are ready.
func (w *world) counts() (number, ready int64) {
	w.Helper()
	o, err := w.resource("apps/v1", "deployments", w.namespace).Get(soon(w.T), "m", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	number, _, _ = unstructured.NestedInt64(o.Object, "spec", "replicas")
	ready, _, _ = unstructured.NestedInt64(o.Object, "status", "readyReplicas")
	return number, ready
}

// reaches waits until the workload has n replicas, all ready, and logs how long
// it took.
func (w *world) reaches(n int64) {
	w.Helper()
	began := time.Now()
	w.within(90*time.Second, fmt.Sprintf("%d replicas", n), func() (bool, string) {
		number, ready := w.counts()
		return number == n && ready == n, fmt.Sprintf("%d, of which %d are ready", number, ready)
	})
	w.Logf("%d replicas after %v", n, time.Since(began).Round(10*time.Millisecond))
}

// taken waits until KEDA has taken the ScaledObject.
func (w *world) taken() {
	w.Helper()
	w.within(60*time.Second, "KEDA has taken the ScaledObject", func() (bool, string) {
		o, err := w.resource("keda.sh/v1alpha1", "scaledobjects", w.namespace).Get(soon(w.T), "llama", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		text := fmt.Sprint(o.Object["status"])
		return strings.Contains(text, "externalMetricNames"), text
	})
}

// TestKEDAActsOnWhatWeirDecides: from none to three and back, by KEDA's own
// operator and the HorizontalPodAutoscaler it makes.
func TestKEDAActsOnWhatWeirDecides(t *testing.T) {
	w := newWorld(t, 4)
	w.kedas()
	t.Run("package keda", func(t *testing.T) {
		w := newWorld(t, 4)
		w.workload("Deployment", "")
		weir := newDecider(t)
		w.scaledObject(weir.address)
		w.taken()
		w.within(30*time.Second, "KEDA has a stream open", func() (bool, string) { return weir.streams() > 0, "none" })
		began := time.Now()
		weir.decide(1)
		w.within(10*time.Second, "the first replica is asked for", func() (bool, string) {
			n, _ := w.counts()
			return n >= 1, fmt.Sprint(n)
		})
		t.Logf("from none to the first: asked for after %v", time.Since(began).Round(time.Millisecond))
		for _, n := range []int{1, 3, 2, 0, 3} {
			weir.decide(n)
			w.reaches(int64(n))
		}
	})
	t.Run("weir serve", func(t *testing.T) { wholeWeir(t, newWorld(t, 4)) })
}

// wholeWeir: callers alone move the number, from none to three and to none again,
// and none of them is failed.
func wholeWeir(t *testing.T, w *world) {
	w.workload("Deployment", "")
	w.annotated(func(rw http.ResponseWriter, r *http.Request) {
		time.Sleep(200 * time.Millisecond) // an engine at work
		answerChat(rw, r)
	})
	at, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	g := w.serve("a", settings{top: "keda: {listen: \"" + at + "\"}", models: `
- name: m
  deployments:
  - name: llama
    kubernetes: {namespace: NAMESPACE, name: m, scaled_by: keda, address: annotation}
    scaling: {min: 0, max: 3, target_concurrency: 4, cold_start: 3s, scale_in_after: 2s, zero_after: 2s}
`})
	w.scaledObject(at)
	w.taken()
	began := time.Now()
	if status, header, body := g.ask(); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	} else {
		t.Logf("the first request was answered after %v, route %s", time.Since(began).Round(10*time.Millisecond), header.Get("x-weir-route"))
	}
	var all sync.WaitGroup
	var done, failed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	for range 12 { // three replicas' worth
		all.Go(func() {
			for ctx.Err() == nil {
				if status, _, body := g.ask(); status != http.StatusOK {
					t.Errorf("%d %s", status, body)
					failed.Add(1)
				}
				done.Add(1)
			}
		})
	}
	w.reaches(3)
	stop()
	all.Wait()
	t.Logf("%d requests, %d failed", done.Load(), failed.Load())
	w.reaches(0)
	if !strings.Contains(g.text("/metrics"), `weir_replicas_wanted{deployment="llama"} 0`) {
		t.Error("weir_replicas_wanted does not say 0")
	}
}
