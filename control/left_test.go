package control_test

import (
	"context"
	"testing"
	"time"

	"weir"
	"weir/control"
	"weir/scale"
)

// heir is a place with a replica that an earlier run left draining.
type heir struct{ asked []int }

func (h *heir) Status(context.Context, string) ([]weir.Replica, error) {
	return []weir.Replica{{ID: "a", State: weir.Ready}, {ID: "b", State: weir.Draining}}, nil
}

func (h *heir) Scale(_ context.Context, _ string, want int, _ []string) error {
	h.asked = append(h.asked, want)
	return nil
}

// A place may end a drain only once it has been asked to scale: the first step
// asks it, though the number is right.
func TestADrainOfAnEarlierRunIsEnded(t *testing.T) {
	h := &heir{}
	c, err := control.New(control.Options{}, []control.Target{{Deployment: "m", Actuator: h, Policy: policy,
		Demand: func(now weir.Instant, _ string) (scale.Observation, error) { return scale.Unknown(now), nil }}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range weir.Instant(3) {
		c.Step(start + i*weir.Instant(2*time.Second))
	}
	if len(h.asked) != 1 || h.asked[0] != 1 {
		t.Errorf("asked for %v, want 1 once", h.asked)
	}
}
