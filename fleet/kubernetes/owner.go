package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// scalers are the kinds that write the replicas of the object they refer to.
var scalers = []struct {
	resource schema.GroupVersionResource
	kind     string
	remedy   string
	ref      []string // path of its reference
}{
	{schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}, "ScaledObject",
		"delete it, or let KEDA scale and Weir decide (scaled_by: keda)", []string{"spec", "scaleTargetRef"}},
	{schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}, "HorizontalPodAutoscaler",
		"delete it", []string{"spec", "scaleTargetRef"}},
}

// recently is how long a single write by an otherwise unknown program counts as
// one that will be repeated.
const recently = 10 * time.Minute

// writer names the other writer of the workload's replicas and the remedy, or
// "". Kinds that the cluster does not have, or that Weir may not list, are
// passed over.
func (c *cluster) writer(ctx context.Context, t *target, o *unstructured.Unstructured) (string, error) {
	for _, s := range scalers {
		list, err := c.objects.Resource(s.resource).Namespace(t.d.Namespace).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) || forbidden(err) {
			continue
		}
		if err != nil {
			return "", t.d.fault("list of %s: %w", s.resource.Resource, err)
		}
		for _, x := range list.Items {
			ref, _, _ := unstructured.NestedStringMap(x.Object, s.ref...)
			kind := ref["kind"]
			if kind == "" {
				kind = "Deployment" // KEDA's default
			}
			if ref["name"] != t.d.Object || kind != t.d.Kind || paused(x) {
				continue
			}
			return fmt.Sprintf("%s %s scales %s: %s", s.kind, x.GetName(), t.d.target(), s.remedy), nil
		}
	}
	return applied(o.GetManagedFields(), t.d, time.Now()), nil
}

func forbidden(err error) bool { return apierrors.IsForbidden(err) }

// paused: the ScaledObject leaves its target alone.
func paused(x unstructured.Unstructured) bool {
	return x.GetAnnotations()["autoscaling.keda.sh/paused"] == "true"
}

// applied names the manager that will write spec.replicas again: one that
// applies a manifest with the field in it, or a program that wrote the scale
// recently.
func applied(entries []metav1.ManagedFieldsEntry, d Deployment, now time.Time) string {
	for _, e := range entries {
		if e.Manager == Manager || !ownsReplicas(e) {
			continue
		}
		switch {
		case e.Operation == metav1.ManagedFieldsOperationApply:
			return fmt.Sprintf("%s applies a manifest of %s that has replicas in it: remove the field from the manifest", e.Manager, d.target())
		case e.Subresource == "scale" && e.Manager != "kubectl" && e.Time != nil && now.Sub(e.Time.Time) < recently:
			return fmt.Sprintf("%s wrote the scale of %s %v ago: stop it", e.Manager, d.target(), now.Sub(e.Time.Time).Round(time.Second))
		}
	}
	return ""
}

// lastWriter names the manager that has spec.replicas now.
func lastWriter(entries []metav1.ManagedFieldsEntry) string {
	var last *metav1.ManagedFieldsEntry
	for i, e := range entries {
		if ownsReplicas(e) && (last == nil || last.Time == nil || e.Time != nil && e.Time.After(last.Time.Time)) {
			last = &entries[i]
		}
	}
	if last == nil {
		return "an unnamed writer"
	}
	name := last.Manager
	if last.Subresource != "" {
		name += " (" + last.Subresource + ")"
	}
	return name
}

func ownsReplicas(e metav1.ManagedFieldsEntry) bool {
	if e.FieldsV1 == nil {
		return false
	}
	var fields struct {
		Spec struct {
			Replicas *struct{} `json:"f:replicas"`
		} `json:"f:spec"`
	}
	return decode(e.FieldsV1, &fields) && fields.Spec.Replicas != nil
}

// recheck is how often Weir looks again for an autoscaler or manifest that
// writes the replicas.
const recheck = 30 * time.Second

// hold leaves the number alone for a while, and returns draining pods to service,
// since Weir cannot remove them now. The lock is held.
func (w *workload) hold(now time.Time, why string, how time.Duration) {
	if w.held.why != why {
		w.f.o.Log.Error("another writes the replicas: nothing is changed", "deployment", w.d.Name, "why", why)
		w.announce(announcement{eventHeld, "", why})
	}
	w.held.why, w.held.until = why, now.Add(how)
	for _, p := range w.pods {
		if p.leaving() && !p.over() && p.gone.IsZero() {
			p.intent = keep
		}
	}
}

// heldBy names the other writer; "": none.
func (w *workload) heldBy() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held.why
}

// release ends a hold whose time is over, unless the other writer still writes.
func (w *workload) release(ctx context.Context, t *target) error {
	now := time.Now()
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	switch {
	case held.why == "":
		return nil
	case now.Before(held.until):
		return w.d.fault("%w: %s", ErrHeld, held.why)
	}
	o, err := t.get(ctx)
	if err != nil {
		return err
	}
	who, err := w.f.c.writer(ctx, t, o)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if who != "" {
		w.hold(now, who, recheck)
		return w.d.fault("%w: %s", ErrHeld, who)
	}
	w.held.why = ""
	w.f.o.Log.Info("nobody else writes the replicas any more", "deployment", w.d.Name, "was", held.why)
	return nil
}

// follows notes that another gateway leads, and may write the number.
func (w *workload) follows() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.followed = true
}

// inherits says whether the number is what the gateway that led before this one
// wrote, and takes it over. At any other time a number under Weir's own name is
// another Weir's, which is not to be fought either.
func (w *workload) inherits(ctx context.Context, t *target, n int) (bool, error) {
	w.mu.Lock()
	followed := w.followed
	w.mu.Unlock()
	if !followed {
		return false, nil
	}
	o, err := t.get(ctx)
	if err != nil {
		return false, err
	}
	if lastWriter(o.GetManagedFields()) != Manager+" (scale)" {
		return false, nil
	}
	w.settle(n)
	return true, nil
}

// foreign notes a number that Weir did not write. The lock is not held.
func (w *workload) foreign(ctx context.Context, t *target, n int) error {
	who := "an unknown writer"
	if o, err := t.get(ctx); err == nil {
		who = lastWriter(o.GetManagedFields())
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	why := fmt.Sprintf("%s wrote %d where Weir had %d", who, n, w.wrote)
	w.wrote = n
	w.hold(now, why, w.f.o.HoldFor)
	return w.d.fault("%w: %s; left alone until %s", ErrHeld, why, w.held.until.UTC().Format(time.TimeOnly))
}

// decode reads the fields of a managed field.
func decode(f *metav1.FieldsV1, into any) bool {
	raw, err := f.MarshalJSON()
	return err == nil && json.Unmarshal(raw, into) == nil
}
