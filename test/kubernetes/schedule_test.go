package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestServeStartsForAScheduleOneLearnedColdStartEarly: a deployment that scales to
// zero is said to start in a second, and takes longer. Once Weir has seen three
// starts, operators see their phases, and the schedule's replica is asked for as
// early as they took: without any request, and no earlier. When its hours are over,
// it goes.
func TestServeStartsForAScheduleOneLearnedColdStartEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	const loads = 12 * time.Second
	w.enginesThatLoad("Deployment", loads)
	const more = "max: 3, cold_start: 1s, zero_after: 1s, scale_in_after: 1s, forecast: {enabled: false}"
	g := w.serve("a", settings{scaling: "min: 3, " + more})
	g.has(3)
	learned := w.slowestStart()
	g.showsStarts(3, loads)
	g.reload(settings{scaling: "min: 0, " + more})
	g.has(0)

	from := time.Now().UTC().Add(learned + 8*time.Second).Truncate(time.Minute).Add(time.Minute)
	to := from.Add(time.Minute)
	before := len(w.writes())
	g.reload(settings{scaling: fmt.Sprintf("min: 0, %s, schedules: [{from: %q, to: %q, min: 1}]", more, from.Format("15:04"), to.Format("15:04"))})
	g.has(1)
	first := w.writes()[before]
	early := from.Sub(first.At)
	t.Logf("starts took %v; asked for %v before its hour, ready %v before it", learned, early.Round(time.Second), time.Until(from).Round(time.Second))
	// Decisions are two seconds apart, times in a pod are whole seconds, and Weir sees
	// that it is ready a moment later.
	if first.To != 1 || early > learned+3*time.Second || early < learned/2 {
		t.Errorf("%d asked for %v before the schedule's hour, want 1 as early as starts took: %v", first.To, early, learned)
	}
	if said := g.text("/admin/decisions"); !strings.Contains(said, `"rule": "schedule"`) {
		t.Errorf("no decision is by the schedule: %s", said)
	}
	g.has(0)
	if left := time.Until(to); left > 0 {
		t.Errorf("it went %v before the end of its hours", left)
	}
}

// slowestStart is how long the slowest of the workload's pods took from created to
// ready.
func (w *world) slowestStart() (most time.Duration) {
	w.Helper()
	list, err := w.resource("v1", "pods", w.namespace).List(soon(w.T), metav1.ListOptions{LabelSelector: "app=m"})
	if err != nil {
		w.Fatal(err)
	}
	for _, o := range list.Items {
		var p corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p); err != nil {
			w.Fatal(err)
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				most = max(most, c.LastTransitionTime.Sub(p.CreationTimestamp.Time))
			}
		}
	}
	return most
}

// showsStarts checks what operators and metrics show of cold starts that consist of
// loading.
func (g *gateway) showsStarts(n int, loads time.Duration) {
	g.w.Helper()
	var all []struct {
		Deployment string
		Starts     int
		Scheduled  float64 `json:"scheduled_seconds"`
		Pulled     float64 `json:"pulled_seconds"`
		Loaded     float64 `json:"loaded_seconds"`
		Total      float64 `json:"total_seconds"`
	}
	text := g.text("/admin/starts")
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 {
		g.w.Fatalf("/admin/starts: %v: %s", err, text)
	}
	s := all[0]
	if s.Deployment != "m" || s.Starts != n || s.Loaded < loads.Seconds()-2 || s.Scheduled+s.Pulled+s.Loaded != s.Total || s.Scheduled+s.Pulled >= s.Loaded {
		g.w.Errorf("/admin/starts: %s; want %d starts of m that loaded for %v", text, n, loads)
	}
	metrics := g.text("/metrics")
	for phase, seconds := range map[string]float64{"scheduled": s.Scheduled, "pulled": s.Pulled, "loaded": s.Loaded} {
		if want := fmt.Sprintf("weir_cold_start_seconds{deployment=\"m\",phase=%q} %g\n", phase, seconds); !strings.Contains(metrics, want) {
			g.w.Errorf("the metrics lack %s", want)
		}
	}
}
