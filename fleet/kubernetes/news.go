package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir/fleet"
)

// reason is why a pod or a number does not come: a word of package fleet, and
// the message of the component that decided it.
type reason struct{ why, text string }

// news is what was last heard of a node for a pod without one.
type news struct {
	reason
	asked time.Time // when Weir last asked
}

// How often Weir asks for news of a pod without a node, and of how many pods of
// one workload at once, the oldest first.
const (
	newsEvery = 10 * time.Second
	newsMost  = 8
)

// listen asks what will become of pods without a node.
func (w *workload) listen(ctx context.Context, now time.Time) error {
	var ask []*pod
	w.mu.Lock()
	for _, p := range w.inOrder() {
		_, _, waits := unscheduled(p.obj)
		if waits && !p.over() && now.Sub(p.news.asked) >= newsEvery && len(ask) < newsMost {
			p.news.asked = now
			ask = append(ask, p)
		}
	}
	w.mu.Unlock()
	for _, p := range ask {
		heard, err := w.nodeNews(ctx, p.obj)
		if err != nil {
			return err
		}
		w.mu.Lock()
		p.news.reason = heard
		w.mu.Unlock()
	}
	return nil
}

// nodeReasons are the reasons of events about a pod, from those that start nodes:
// the cluster autoscaler (processors/status/eventing_scale_up_processor.go) and
// Karpenter, which is AKS's node auto-provisioning, too
// (controllers/provisioning/scheduling/events.go).
var nodeReasons = map[string]string{
	"TriggeredScaleUp":          fleet.WhyNodeComing,
	"NotTriggerScaleUp":         fleet.WhyNoNode,
	"Nominated":                 fleet.WhyNodeComing,
	"FailedScheduling":          fleet.WhyNoNode,
	"NoCompatibleInstanceTypes": fleet.WhyNoNode,
	"InsufficientCapacityError": fleet.WhyNoNode,
}

// aboutNodes is what an event says of a node for its pod; "": nothing. The
// scheduler's own FailedScheduling is about the nodes there are.
func aboutNodes(e *corev1.Event) string {
	if e.Reason == "FailedScheduling" && !strings.HasPrefix(e.Source.Component+e.ReportingController, "karpenter") {
		return ""
	}
	return nodeReasons[e.Reason]
}

// nodeNews is the newest word on a node for the pod; none if it has one.
func (w *workload) nodeNews(ctx context.Context, p *corev1.Pod) (reason, error) {
	e, err := w.newest(ctx, "involvedObject.uid="+string(p.UID), func(e *corev1.Event) bool { return aboutNodes(e) != "" })
	if err != nil || e == nil {
		return reason{}, err
	}
	return reason{aboutNodes(e), e.Reason + ": " + e.Message}, nil
}

// hopeless are the pods with no node on its way, and the reason in the words of
// the component that decided it.
func (w *workload) hopeless(ctx context.Context, pods []member, now time.Time) (out []member, why reason, err error) {
	for _, m := range pods {
		since, message, _ := unscheduled(m.p.obj)
		heard, err := w.nodeNews(ctx, m.p.obj)
		if err != nil {
			return nil, reason{}, err
		}
		if heard.why == fleet.WhyNodeComing && now.Sub(since) < w.d.StartTimeout {
			if w.d.inOrder() {
				break
			}
			continue
		}
		because := reason{fleet.WhyUnschedulable, message}
		if heard.why == fleet.WhyNoNode {
			because = heard
		}
		out = append(out, m)
		why = reason{because.why, fmt.Sprintf("no node took %s in %v: %s", m.id, now.Sub(since).Round(time.Second), because.text)}
	}
	return out, why, nil
}

// refused says why the workload's pods are not created, from its condition or
// its controller's event; no word: none was refused.
func (w *workload) refused(ctx context.Context, blocked string, now time.Time) (reason, error) {
	if blocked != "" {
		return refusal(blocked), nil
	}
	e, err := w.newest(ctx, "involvedObject.kind="+w.d.Kind+",involvedObject.name="+w.d.Object,
		func(e *corev1.Event) bool { return e.Reason == "FailedCreate" })
	if err != nil || e == nil || now.Sub(eventTime(e)) > w.d.PendingTimeout {
		return reason{}, err
	}
	return refusal(e.Message), nil
}

// refusal is the reason in the message of a pod that was not created. The quota's
// words are those of the API server's ResourceQuota admission
// (apiserver/pkg/admission/plugin/resourcequota/controller.go).
func refusal(message string) reason {
	if strings.Contains(message, "exceeded quota: ") {
		return reason{fleet.WhyQuota, message}
	}
	return reason{fleet.WhyDenied, message}
}

// newest is the last event that is one about the object the selector names; nil:
// none, or Weir may not read events.
func (w *workload) newest(ctx context.Context, about string, one func(*corev1.Event) bool) (*corev1.Event, error) {
	var list corev1.EventList
	err := w.f.c.core.Get().Namespace(w.d.Namespace).Resource("events").
		VersionedParams(&metav1.ListOptions{FieldSelector: about}, metav1.ParameterCodec).Do(ctx).Into(&list)
	if forbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, w.d.fault("events: %w", err)
	}
	var last *corev1.Event
	for i := range list.Items {
		if e := &list.Items[i]; one(e) && (last == nil || !eventTime(e).Before(eventTime(last))) {
			last = e
		}
	}
	return last, nil
}

// eventTime is when an event last happened, in either form of an event.
func eventTime(e *corev1.Event) time.Time {
	all := []time.Time{e.LastTimestamp.Time, e.EventTime.Time}
	if e.Series != nil {
		all = append(all, e.Series.LastObservedTime.Time)
	}
	at := slices.MaxFunc(all, time.Time.Compare)
	if at.IsZero() {
		at = e.CreationTimestamp.Time
	}
	return at
}
