package scale_test

import (
	"context"
	"time"

	"weir"
	"weir/fleet/mem"
	"weir/scale"
)

const epoch = weir.Instant(1_699_833_600_000_000_000) // Monday 13 November 2023, 00:00 UTC

// world is a small closed loop: arrivals at a rate, replicas of a mem fleet
// that each serve a number of requests per second, a queue, and one decider. It
// is fluid: there are no individual requests.
type world struct {
	decide scale.Decider
	state  scale.State
	fleet  *mem.Fleet
	now    weir.Instant
	start  weir.Instant
	tick   time.Duration

	rate           float64 // requests per second
	prompt, output float64 // tokens per request
	each           float64 // requests per second one replica serves
	stay           float64 // seconds a request is in flight

	o                scale.Observation // levels a test may set; totals are kept here
	arrived, served  float64
	waiting, missing float64
	frozen           bool // signals are not updated: they age

	replicaSeconds float64
	worst          float64 // longest queue ever
	changes        []int   // decided numbers, each different from the previous one
}

// newWorld starts with that many ready replicas.
func newWorld(decide scale.Decider, d mem.Deployment, ready int) *world {
	d.Name = "m"
	w := &world{
		decide: decide, fleet: mem.New(epoch, 1, d), now: epoch, tick: 2 * time.Second,
		prompt: 1000, output: 200, each: 1, stay: 5,
	}
	w.scale(ready, nil)
	for w.count(weir.Starting) > 0 {
		w.now = w.fleet.Next()
		w.fleet.Advance(w.now)
	}
	w.start = w.now
	w.o.GPUUtilisation, w.o.KVUse, w.o.EngineWaiting, w.o.Quota = -1, -1, -1, -1
	return w
}

// step lets one tick pass and decides.
func (w *world) step() (scale.Observation, scale.Decision) {
	w.now = w.now.Add(w.tick)
	w.fleet.Advance(w.now)
	w.serve()
	w.observe()
	var d scale.Decision
	o := w.o
	d, w.state = w.decide(w.state, o)
	w.o.NoCapacity = w.scale(d.Want, d.Victims) != nil
	if n := len(w.changes); n == 0 || w.changes[n-1] != d.Want {
		w.changes = append(w.changes, d.Want)
	}
	for _, r := range w.replicas() {
		if r.State == weir.Draining {
			w.fleet.Drained("m", r.ID)
		}
	}
	return o, d
}

func (w *world) scale(want int, victims []string) error {
	return w.fleet.Scale(context.Background(), "m", want, victims)
}

// run lets d pass and returns the last decision.
func (w *world) run(d time.Duration) (last scale.Decision) {
	for end := w.now.Add(d); w.now < end; {
		_, last = w.step()
	}
	return last
}

func (w *world) replicas() []weir.Replica {
	rs, err := w.fleet.Status(context.Background(), "m")
	if err != nil {
		panic(err)
	}
	return rs
}

func (w *world) count(state weir.ReplicaState) int {
	n := 0
	for _, r := range w.replicas() {
		if r.State == state {
			n += r.Size()
		}
	}
	return n
}

func (w *world) serve() {
	dt := w.tick.Seconds()
	ready := float64(w.count(weir.Ready))
	w.arrived += w.rate * dt
	w.waiting += w.rate * dt
	done := min(w.waiting, ready*w.each*dt)
	w.waiting -= done
	w.served += done
	if w.waiting > w.rate*0.5 && w.waiting >= 1 {
		w.missing += done
	}
	w.worst = max(w.worst, w.waiting)
	w.replicaSeconds += float64(w.count(weir.Ready)+w.count(weir.Starting)) * dt
}

func (w *world) observe() {
	w.o.Now = w.now
	w.o.Replicas = w.replicas()
	if w.frozen {
		w.o.SignalAge += w.tick
		return
	}
	throughput := min(w.rate+w.waiting/w.tick.Seconds(), w.each*float64(w.count(weir.Ready)))
	w.o.SignalAge = 0
	w.o.Arrived = uint64(w.arrived)
	w.o.ArrivedPrompt, w.o.ArrivedOutput = uint64(w.arrived*w.prompt), uint64(w.arrived*w.output)
	w.o.Completed = uint64(w.served)
	w.o.DonePrompt, w.o.DoneOutput = uint64(w.served*w.prompt), uint64(w.served*w.output)
	w.o.Missed = uint64(w.missing)
	w.o.Attained = w.o.Completed - w.o.Missed
	w.o.Waiting = int(w.waiting)
	w.o.WaitingWork = int(w.waiting * (w.prompt + w.output))
	w.o.HeadAge = 0
	if w.o.Waiting > 0 && w.rate > 0 {
		w.o.HeadAge = time.Duration(w.waiting / w.rate * float64(time.Second))
	}
	w.o.InFlight = int(throughput * w.stay)
	w.o.InFlightWork = int(throughput * w.stay * (w.prompt + w.output) / 2)
}
