package sim

import (
	"errors"
	"time"

	"weir"
	"weir/control"
	"weir/scale"
)

// observation is a measurement and its time.
type observation struct {
	at    weir.Instant
	o     scale.Observation
	taken bool
}

var errNothingSeen = errors.New("nothing has been measured yet")

// target returns a deployment as control sees it.
func (w *world) target(p *part) control.Target {
	return control.Target{
		Deployment: p.Name, Actuator: w.fleet,
		Policy: p.own.Policy, Decide: p.own.Decide, By: p.own.By, Zone: p.own.Zone,
		Demand: func(now weir.Instant, _ string) (scale.Observation, error) {
			if w.c.Scrape == 0 {
				return w.measure(p), nil
			}
			if !p.own.seen.taken {
				return scale.Observation{}, errNothingSeen
			}
			o := p.own.seen.o
			o.SignalAge = now.Sub(p.own.seen.at)
			return o, nil
		},
	}
}

// scrape takes the measurements that control uses until the next scrape.
func (w *world) scrape() {
	for _, p := range w.parts {
		if p.own != nil {
			p.own.seen = observation{w.now, w.measure(p), true}
		}
	}
}

// measure returns what gateway and engines report now, combined as in
// production: totals and levels. The only average per replica is the engines'
// own utilisation.
func (w *world) measure(p *part) scale.Observation {
	o := scale.Unknown(w.now)
	d := w.core.Demand(w.now)
	here := &d.Deployments[p.index]
	o.Arrived, o.ArrivedPrompt, o.ArrivedOutput = d.Arrived, d.ArrivedPrompt, d.ArrivedOutput
	o.Waiting, o.WaitingWork, o.HeadAge = d.Waiting, d.WaitingWork, d.HeadAge
	o.Completed, o.DonePrompt, o.DoneOutput = here.Completed, here.DonePrompt, here.DoneOutput
	o.InFlight, o.InFlightWork = here.InFlight, here.InFlightWork
	o.Attained, o.Missed, o.OutOfReach = p.tally.attained, p.tally.missed, p.tally.outOfReach
	o.Gaps, o.GapTime = p.tally.gaps, p.tally.gapTime
	o.LastActive = max(d.LastArrived, here.LastEnded)
	o.PerReplica = make(map[string]scale.Load, len(here.PerReplica))
	for _, r := range here.PerReplica {
		o.PerReplica[r.ID] = scale.Load{InFlight: r.InFlight, Work: r.Work}
	}
	if q := p.own.Fleet.Quota; q > 0 {
		o.Quota = q
	}
	w.measureEngines(p, &o)
	return o
}

// measureEngines fills in the engines' reports. Utilisation is that since the
// last call.
func (w *world) measureEngines(p *part, o *scale.Observation) {
	o.EngineWaiting = 0
	elapsed := w.now.Sub(p.own.lookedAt)
	p.own.lookedAt = w.now
	var busy time.Duration
	ready := 0
	for _, r := range p.own.replicas {
		r.engine.Advance(w.now) // events at now came before: observers are last
		l := r.engine.Load()
		o.EngineWaiting += l.Waiting
		o.KVUse = max(o.KVUse, float64(l.KVUsedTokens)/float64(max(l.KVTokens, 1)))
		p.own.busy += l.GPUBusy - r.busyThen
		busy += l.GPUBusy - r.busyThen
		r.busyThen = l.GPUBusy
		if !r.draining {
			ready++
		}
	}
	if ready > 0 && elapsed > 0 {
		o.GPUUtilisation = min(1, float64(busy)/float64(elapsed)/float64(ready))
	}
}

// decided notes control's decision.
func (w *world) decided(e control.Event) {
	p := w.partNamed(e.Deployment)
	if e.Decision.Want != p.own.want {
		w.judge.scaled(w.now, p, e.Decision.Want-p.own.want)
		w.result.decision(w.since(), e)
		w.log.add(w.now, loggedDecision, uint64(p.index), uint64(e.Decision.Want))
		p.own.want = e.Decision.Want
	}
	if w.c.Decided != nil {
		w.c.Decided(e)
	}
}
