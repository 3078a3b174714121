// Package kpa holds Weir's baseline "kpa" to Knative Serving's own autoscaler.
package kpa

import (
	"context"
	"flag"
	"testing"
	"time"

	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"
	"knative.dev/serving/pkg/autoscaler/aggregation"
	"knative.dev/serving/pkg/autoscaler/scaling"

	"weir/bench/policies/ticks"
)

var update = flag.Bool("update", false, "write the files of the cases again")

// windows are the averages of total concurrency that the metric collector
// keeps for the autoscaler, made of Knative's own buckets.
type windows struct {
	stable, short *aggregation.TimedFloat64Buckets
}

func (w windows) StableAndPanicConcurrency(_ types.NamespacedName, now time.Time) (stable, short float64, err error) {
	return w.stable.WindowAverage(now), w.short.WindowAverage(now), nil
}

func (w windows) StableAndPanicRPS(types.NamespacedName, time.Time) (stable, short float64, err error) {
	return 0, 0, nil
}

// pods are the endpoints of the revision.
type pods struct{ ready, starting int }

func (p *pods) ReadyCount() (int, error)    { return p.ready, nil }
func (p *pods) NotReadyCount() (int, error) { return p.starting, nil }

// knative is the autoscaler with the defaults of config-autoscaler. It scrapes
// every second; a level that the baseline sees once a tick stands for both
// seconds, but for the case that is to show what this leaves out.
// Its time is passed in, but one that comes up over several pods says that it
// panics since time.Now: so a case begins now. (synctest is no way out: its
// metrics ask a goroutine that lives outside of any bubble.)
func knative(c *ticks.Case) ticks.Original {
	w := windows{
		stable: aggregation.NewTimedFloat64Buckets(60*time.Second, time.Second),
		short:  aggregation.NewTimedFloat64Buckets(6*time.Second, time.Second),
	}
	p := &pods{ready: c.Start}
	begin := time.Now()
	scaler := scaling.New(context.Background(), "default", "model", w, p, &scaling.DeciderSpec{
		MaxScaleUpRate:      1000,
		MaxScaleDownRate:    2,
		ScalingMetric:       "concurrency",
		TargetValue:         c.Target,
		TotalValue:          c.Target / 0.7,
		TargetBurstCapacity: 211,
		PanicThreshold:      2,
		StableWindow:        60 * time.Second,
		Reachable:           true,
	})
	logger := zap.NewNop().Sugar()
	return func(r ticks.Row) (int, error) {
		now := begin.Add(r.At)
		for i, level := range []float64{c.Before(r), r.Signal} {
			at := now.Add(time.Duration(i-1) * time.Second)
			w.stable.Record(at, level)
			w.short.Record(at, level)
		}
		p.ready, p.starting = r.Ready, r.Starting
		return int(scaler.Scale(logger, now).DesiredPodCount), nil
	}
}

// run lets the original live for the length of body.
func run(_ *testing.T, c *ticks.Case, body func(ticks.Original)) {
	body(knative(c))
}

func TestKPADecidesAsKnative(t *testing.T) {
	ticks.Hold(t, "kpa", "../../..", 0, *update, run)
}

func TestKPADecidesAsKnativeWhateverComes(t *testing.T) {
	for seed := range uint64(100) {
		ticks.Walk(t, "kpa", seed, 0, run)
	}
}
