package wire

import (
	"fmt"
	"time"

	"weir"
	"weir/config"
	"weir/engine"
	"weir/price"
	"weir/scale"
)

// This file turns a deployment's scaling block into a scale.Policy, for serve,
// simulate, replay and check alike.

// Scaling is the deployment's scaling; without one, always one replica.
func Scaling(d *config.Deployment) *config.Scaling {
	if d.Scaling != nil {
		return d.Scaling
	}
	return &config.Scaling{Min: 1, Max: 1}
}

// Policy is how the replicas of a deployment follow its load. A replica's speed
// and price come from the catalogue where the file omits them. The error is of
// a VM size without a price.
func Policy(m *config.Model, d *config.Deployment, prices *price.Catalogue) (scale.Policy, error) {
	s := Scaling(d)
	p := scale.Policy{
		Min: s.Min, Max: s.Max, SLO: weir.SLO(m.SLO), Attainment: s.Attainment.Fraction(),
		TargetRequests: s.TargetRequests.PerSecond(), TargetConcurrency: float64(s.TargetConcurrency),
		TargetQueue: float64(s.TargetQueue), TargetUse: s.TargetUse.Fraction(),
		Capacity: Capacity(m, d, prices), MaxConcurrency: d.Capacity.MaxRequests,
		ScaleInAfter: max(s.ScaleInAfter, 1), ColdStart: max(s.ColdStart, 1), // 0 would be the policy's default
		DrainWithin: s.Queue.DrainWithin, StaleAfter: s.StaleAfter,
		Speeds:    speeds(m, d, prices),
		Schedules: schedules(s.Schedules), BudgetPerHour: weir.Money(s.BudgetPerHour),
	}
	if d.Scaling != nil {
		p.Forecast = scale.Forecast{Off: !s.Forecast.Enabled, Quantile: s.Forecast.Quantile.Fraction()}
		if !s.Queue.Enabled {
			p.DrainWithin = -1
		}
	}
	if g := s.GPUUtilisation; g != nil {
		p.GPU = scale.GPU{High: g.High.Fraction(), Low: g.Low.Fraction(), Sustain: g.Sustain}
	}
	// By default, a deployment that may go to zero removes its last replicas as
	// soon as it would remove the others.
	if p.ZeroAfter = s.ZeroAfter; p.ZeroAfter == 0 {
		p.ZeroAfter, p.ZeroBreakEven = max(p.ScaleInAfter, time.Second), true
	}
	var err error
	p.Price, err = ReplicaPrice(d, prices)
	return p, err
}

func schedules(lines []config.Schedule) []scale.Schedule {
	var out []scale.Schedule
	for i := range lines {
		l := &lines[i]
		out = append(out, scale.Schedule{
			Days: l.Weekdays(), From: time.Duration(l.From), To: time.Duration(l.To), Min: l.Min, Max: l.Max,
		})
	}
	return out
}

// Capacity is the throughput of one replica within the SLO: the file's, a load
// test's, or computed for its hardware. The zero Capacity is unknown.
func Capacity(m *config.Model, d *config.Deployment, prices *price.Catalogue) scale.Capacity {
	about := config.Profile{PromptTokens: UsualPrompt, OutputTokens: UsualOutput}
	if s := d.Scaling; s != nil && s.Profile != nil {
		about = *s.Profile
	}
	if about.Prefill > 0 || about.Decode > 0 {
		return scale.Capacity{Prefill: about.Prefill.PerSecond(), Decode: about.Decode.PerSecond()}
	}
	c := scale.Capacity{Prefill: decodeCost, Decode: 1} // cost of an answer's token in prompt tokens, by default
	spec, known := EngineOf(d, prices)
	if known {
		c.Prefill, c.Decode = spec.Capacity(about.PromptTokens, about.OutputTokens, m.SLO.TPOT)
		known = c.Prefill > 0 && c.Decode > 0
	}
	switch {
	case about.Requests > 0: // the seconds of a replica that one such request takes are known
		one := float64(about.PromptTokens)/c.Prefill + float64(about.OutputTokens)/c.Decode
		more := one * about.Requests.PerSecond()
		return scale.Capacity{Prefill: c.Prefill * more, Decode: c.Decode * more}
	case known:
		return c
	}
	return scale.Capacity{}
}

// speeds is a replica's throughput by length, where it is computed for requests
// whose lengths the file does not give.
func speeds(m *config.Model, d *config.Deployment, prices *price.Catalogue) []scale.Speed {
	if s := d.Scaling; s != nil && s.Profile != nil {
		return nil
	}
	spec, known := EngineOf(d, prices)
	if !known {
		return nil
	}
	return Speeds(spec, m.SLO.TPOT)
}

// Speeds is what scale plans by on a known engine: its throughput at each
// doubling of the length, as far as its KV cache goes.
func Speeds(spec engine.Spec, tpot time.Duration) []scale.Speed {
	var all []scale.Speed
	for n := 64; n <= 1<<20; n *= 2 {
		prefill, decode := spec.Capacity(n, 0, tpot)
		if prefill <= 0 || decode <= 0 {
			break
		}
		all = append(all, scale.Speed{Tokens: n, Prefill: prefill, Decode: decode})
	}
	return all
}

// The default request for a replica's computed speed, and the cost of an
// answer's token in prompt tokens.
const (
	UsualPrompt = 1000
	UsualOutput = 200
	decodeCost  = 4
)

// ReplicaPrice is the hourly cost of one replica: the file's, its part of the GPUs
// of a VM size, or that of a container group's cores and memory where the catalogue
// has them. 0 if there is none.
func ReplicaPrice(d *config.Deployment, prices *price.Catalogue) (weir.Money, error) {
	p := Scaling(d).Price
	switch {
	case p == nil:
		return groupPrice(d, prices), nil
	case p.Hour > 0:
		return weir.Money(p.Hour), nil
	}
	vm, err := prices.VM(p.VM)
	if err != nil {
		return 0, err
	}
	entry, err := prices.VMPrice(vm.Name, p.Region)
	if err != nil {
		return 0, fmt.Errorf("%w; give price.hour, or another region", err)
	}
	hour, err := entry.Hour.Get()
	if err != nil {
		return 0, fmt.Errorf("%w; give price.hour", err)
	}
	need := vm.GPUs
	o, _ := ownOf(d)
	if o.GPUs > 0 {
		need = o.GPUs
	}
	switch {
	case vm.GPUs == 0 || need == vm.GPUs:
		return hour, nil
	case need > vm.GPUs:
		return 0, fmt.Errorf("%s has %d GPUs, and a replica needs %d (%s.gpus)", vm.Name, vm.GPUs, need, d.Place())
	}
	return (hour*weir.Money(need) + weir.Money(vm.GPUs) - 1) / weir.Money(vm.GPUs), nil
}
