package plan

import (
	"errors"
	"fmt"
	"math"
	"time"

	"weir"
	"weir/engine"
	"weir/fit"
	"weir/price"
	"weir/saturate"
)

// machine is a VM size that runs replicas of the open model.
type machine struct {
	vm       price.VM
	tp       int     // GPUs of one replica
	replicas int     // in one VM
	rate     float64 // requests a minute of one VM, within the SLO
	load     time.Duration
	hour     float64 // micro-dollars, by term; missing if unknown
	spot     float64
	year     float64
	three    float64
	known    map[Term]bool
	from     string // region of these prices; "": the demand's own
	missing  []string
	refused  string
	binds    []Bind
	notes    []string
}

// shape is the open model in the terms of fit and engine, and its requests.
type shape struct {
	model         fit.Model
	quant         fit.Quant
	input, output int // tokens of a mean request
	slo           weir.SLO
}

func (m *market) shape() (shape, error) {
	mean := m.total.times(1 / m.total.Requests)
	s := shape{input: max(1, int(math.Ceil(mean.Input-1e-6))), output: int(math.Ceil(mean.Output - 1e-6))}
	s.slo, _ = m.d.slo()
	var err error
	if s.model, s.quant, err = fit.Named(m.c, m.d.OpenModel); err != nil {
		return s, fmt.Errorf("plan: %w", err)
	}
	if s.model.From.Unverified {
		m.book.caveat(s.model.Unverified())
	}
	if m.d.DType != "" {
		if s.quant, err = fit.ParseQuant(m.d.DType); err != nil {
			return s, fmt.Errorf("plan: %w", err)
		}
	}
	return s, nil
}

// machines finds the best layout of the open model on every VM size.
func (m *market) machines() ([]machine, error) {
	s, err := m.shape()
	if err != nil {
		return nil, err
	}
	type kind struct {
		gpu   string
		n     int
		share float64
		link  price.Link
	}
	tried := map[kind]machine{}
	var all []machine
	for _, v := range m.c.VMs() {
		of := kind{v.GPU, v.GPUs, v.Share(), v.Interconnect}
		at, done := tried[of]
		if !done {
			at = m.layout(v, s)
			tried[of] = at
		}
		at.vm = v
		m.price(&at)
		all = append(all, at)
	}
	return all, nil
}

// layout finds the best number of GPUs per replica. If none is possible it
// returns the reason for the largest.
func (m *market) layout(v price.VM, s shape) machine {
	at, refused := machine{}, machine{}
	for tp := 1; tp <= v.GPUs; tp *= 2 {
		spec, notes, err := m.replica(v, s, tp)
		var rate float64
		if err == nil {
			var most saturate.Most
			most, err = saturate.Of(spec, saturate.Load{Prompt: s.input, Output: s.output, SLO: s.slo})
			rate = most.Rate
		}
		if err == nil && rate == 0 {
			err = refusal{BindsLatency, fmt.Sprintf("on %s even one request at a time misses %v to the first token or %v a token", gpus(tp, v), s.slo.TTFT, s.slo.TPOT)}
		}
		if err != nil {
			refused = machine{refused: err.Error()}
			if why := (refusal{}); errors.As(err, &why) {
				refused.binds = []Bind{{why.what, why.why}}
			}
			continue
		}
		// Of layouts with the same rate, take the one with fewer GPUs per
		// replica.
		if perMinute := 60 * rate * float64(v.GPUs/tp); perMinute > at.rate*1.01 {
			at = machine{tp: tp, replicas: v.GPUs / tp, rate: perMinute, load: spec.Load, notes: notes}
		}
	}
	if at.rate == 0 {
		return refused
	}
	return at
}

// gpus names n GPUs of a size, or its part of one.
func gpus(n int, v price.VM) string {
	if v.Share() < 1 {
		return fmt.Sprintf("%.3g of an %s", v.Share(), v.GPU)
	}
	return fmt.Sprintf("%d x %s", n, v.GPU)
}

// refusal is why a layout is not possible.
type refusal struct{ what, why string }

func (r refusal) Error() string { return r.why }

// replica is one of tp GPUs: fit gives its memory, engine its speed.
func (m *market) replica(v price.VM, s shape, tp int) (engine.Spec, []string, error) {
	var none engine.Spec
	pg, err := m.c.GPU(v.GPU)
	if err != nil {
		return none, nil, err
	}
	gpu, err := fit.NewGPU(pg)
	if err != nil {
		return none, nil, err
	}
	gpu = gpu.Part(v.Share())
	room, err := fit.Check(s.model, fit.Setup{GPU: gpu, Quant: s.quant, TP: tp, Context: s.input + s.output})
	if err != nil {
		return none, nil, err
	}
	if !room.Verdict.Serves() {
		return none, nil, refusal{BindsMemory, fmt.Sprintf("does not fit %s: %s", gpus(tp, v), room.Why)}
	}
	device, err := engine.NewGPU(pg)
	if err != nil {
		return none, nil, err
	}
	device = device.Part(v.Share())
	device.NVLink = device.NVLink && v.Interconnect != price.PCIe && (v.Interconnect != price.NVLinkPairs || tp <= 2)
	spec, err := engine.Build(device, engine.NewModel(s.model.Model), engine.Layout{TP: tp}, engine.Precision{Weights: s.quant.Storage()})
	if errors.Is(err, engine.ErrNoRoom) {
		return none, nil, refusal{BindsMemory, err.Error()}
	}
	if err != nil {
		return none, nil, err
	}
	var notes []string
	if v.Share() < 1 {
		notes = append(notes, fit.PartOf(v))
	}
	if room.Verdict == fit.Tight {
		notes = append(notes, "the model fits tightly: "+room.Why)
	}
	return spec, notes, nil
}
