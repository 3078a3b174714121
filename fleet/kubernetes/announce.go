package kubernetes

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var events = schema.GroupVersionResource{Version: "v1", Resource: "events"}

// Reasons of the events that Weir writes about a workload. Their messages begin with
// a word of package fleet.
const (
	eventShort = "ReplicasCannotCome"
	eventAgain = "ReplicasComeAgain"
	eventHeld  = "ReplicasHeld"
)

// An event about the same thing is not written again within announceEvery; of more
// than announcesMost that wait to be written, the rest is dropped.
const (
	announceEvery = time.Minute
	announcesMost = 8
	messageMost   = 1024 // bytes, the API server's limit
)

// announcement is an event that is to be written.
type announcement struct{ reason, why, text string }

// Announce writes an event about the workload, for kubectl describe: why replicas
// that are needed do not come or, with no word, that they do again.
func (f *Fleet) Announce(deployment, why, text string) {
	w := f.get(deployment)
	switch {
	case w == nil:
	case why == "":
		w.announce(announcement{eventAgain, "", text})
	default:
		w.announce(announcement{eventShort, why, text})
	}
}

// announce has an event written, without waiting for it.
func (w *workload) announce(a announcement) {
	select {
	case w.announces <- a:
	default:
	}
}

// speak writes the events until ctx ends. Where Weir may not write any, nothing is
// lost but they.
func (w *workload) speak(ctx context.Context) {
	said := map[string]time.Time{} // by reason and word, which are few
	for {
		var a announcement
		select {
		case <-ctx.Done():
			return
		case a = <-w.announces:
		}
		about := a.reason + " " + a.why
		now := time.Now()
		if now.Sub(said[about]) < announceEvery || !w.f.leads() { // of several gateways, one speaks
			continue
		}
		said[about] = now
		call, cancel := context.WithTimeout(ctx, callLimit)
		if err := w.event(call, a); err != nil && ctx.Err() == nil {
			w.f.o.Log.Debug("an event cannot be written", "deployment", w.d.Name, "error", err)
		}
		cancel()
	}
}

// event writes one about the workload.
func (w *workload) event(ctx context.Context, a announcement) error {
	w.mu.Lock()
	t := w.target
	w.mu.Unlock()
	if t == nil {
		return w.d.fault("%w", errNotYet)
	}
	o, err := t.get(ctx)
	if err != nil {
		return err
	}
	kind, message := "Warning", a.text
	if a.reason == eventAgain {
		kind = "Normal"
	}
	if a.why != "" {
		message = a.why + ": " + message
	}
	now := time.Now().UTC().Format(time.RFC3339)
	_, err = w.f.c.objects.Resource(events).Namespace(w.d.Namespace).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"generateName": w.d.Object + "."},
		"involvedObject": map[string]any{"apiVersion": w.d.APIVersion, "kind": w.d.Kind, "namespace": w.d.Namespace,
			"name": w.d.Object, "uid": string(o.GetUID())},
		"source": map[string]any{"component": Manager}, "reportingComponent": Manager,
		"type": kind, "reason": a.reason, "message": message[:min(len(message), messageMost)],
		"count": int64(1), "firstTimestamp": now, "lastTimestamp": now,
	}}, metav1.CreateOptions{FieldManager: Manager})
	return err
}
