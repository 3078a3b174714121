package node

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/gateway"
	"weir/scale"
)

// A later deployment sees what it serves itself, and what the ones before it
// cannot take once they are at their bound.
func TestALaterDeploymentSeesWhatTheOthersCannotTake(t *testing.T) {
	f := &overflow{by: map[string]*divided{}}
	names, bounds := []string{"a", "b"}, map[string]bool{}
	m := dispatch.Demand{Deployments: []dispatch.DeploymentDemand{{Name: "a"}, {Name: "b"}, {Name: "external"}}}
	step := func(arrived, a, b uint64, waiting int, full bool, want string) {
		t.Helper()
		m.Arrived += arrived
		m.ArrivedPrompt += 100 * arrived
		m.ArrivedOutput += 10 * arrived
		m.Waiting, m.HeadAge = waiting, time.Duration(waiting)
		m.Deployments[0].Granted += a
		m.Deployments[1].Granted += b
		m.Deployments[1].LastEnded = weir.Instant(m.Deployments[1].Granted)
		bounds["a"] = full
		have := ""
		for _, name := range names {
			o := scale.Observation{Arrived: m.Arrived, ArrivedPrompt: m.ArrivedPrompt, ArrivedOutput: m.ArrivedOutput, Waiting: m.Waiting, HeadAge: m.HeadAge, LastActive: 9999}
			f.divide(&o, m, name, names, func(n string) bool { return bounds[n] })
			have += fmt.Sprintf("%s %d of %d+%d, %d wait, %d; ", name, o.Arrived, o.ArrivedPrompt, o.ArrivedOutput, o.Waiting, o.LastActive)
		}
		if have != want {
			t.Errorf("have %s\nwant %s", have, want)
		}
	}
	step(10, 0, 0, 3, false, "a 10 of 1000+100, 3 wait, 9999; b 0 of 0+0, 0 wait, 0; ")
	step(10, 10, 0, 3, false, "a 20 of 2000+200, 3 wait, 9999; b 0 of 0+0, 0 wait, 0; ")
	// At its bound, a serves 6 of 10: b has 4 to take, and the queue.
	step(10, 6, 0, 4, true, "a 30 of 3000+300, 4 wait, 9999; b 4 of 400+40, 4 wait, 9999; ")
	step(10, 6, 4, 4, true, "a 40 of 4000+400, 4 wait, 9999; b 8 of 800+80, 4 wait, 9999; ")
	// No longer: b sees what it still serves.
	step(10, 8, 2, 0, false, "a 50 of 5000+500, 0 wait, 9999; b 10 of 1000+100, 0 wait, 6; ")
	// a serves from the queue what arrived before: that is no demand twice.
	step(0, 4, 0, 0, true, "a 50 of 5000+500, 0 wait, 9999; b 10 of 1000+100, 0 wait, 9999; ")
	step(10, 6, 0, 0, true, "a 60 of 6000+600, 0 wait, 9999; b 10 of 1000+100, 0 wait, 9999; ")
	f.keep(func(n string) bool { return n != "a" })
	if len(f.by) > 0 {
		t.Error("a removed deployment is remembered")
	}
}

func TestTheOrderInWhichDeploymentsGrow(t *testing.T) {
	d := func(name string, tier, weight int, elastic bool) gateway.Deployment {
		return gateway.Deployment{Deployment: dispatch.Deployment{Name: name, Tier: tier, Weight: weight, Elastic: elastic}}
	}
	trial := d("trial", 0, 1, true)
	trial.Canary = &gateway.Canary{}
	s := Setup{Gateway: gateway.Config{Models: []gateway.Model{
		{Name: "one", Deployments: []gateway.Deployment{d("alone", 0, 1, true), d("there", 0, 1, false)}},
		{Name: "many", Deployments: []gateway.Deployment{d("last", 1, 1, true), d("dear", 0, 1, true), d("cheap", 0, 1, true), d("off", 0, 0, true), trial}},
	}}}
	for _, name := range []string{"last", "dear", "cheap", "alone"} {
		p := scale.Policy{}
		if name == "dear" {
			p.Price = 2
		}
		s.Deployments = append(s.Deployments, Deployment{Name: name, Place: "p", Scaling: &Scaling{Policy: p}})
	}
	for _, name := range []string{"last", "dear", "cheap"} {
		if have := s.growing(name); !slices.Equal(have, []string{"cheap", "dear", "last"}) {
			t.Errorf("%s: %v", name, have)
		}
	}
	for _, name := range []string{"alone", "there", "trial", "off", "unknown"} {
		if have := s.growing(name); have != nil {
			t.Errorf("%s: %v", name, have)
		}
	}
}
