package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"weir"
	"weir/engine"
	"weir/fit"
	"weir/price"
)

// Targets of latency replicas are sized for when the demand states none.
const (
	DefaultTTFT = 2 * time.Second
	DefaultTPOT = 100 * time.Millisecond
)

// machine is a VM size as a place for replicas of the open model.
type machine struct {
	vm       price.VM
	tp       int     // GPUs of one replica
	replicas int     // in one VM
	rate     float64 // requests a minute of one VM, within the SLO
	load     time.Duration
	hour     float64 // micro-dollars, by term; missing where it is not known
	spot     float64
	year     float64
	three    float64
	known    map[Term]bool
	missing  []string
	refused  string
	binds    []Bind
	notes    []string
}

// place is a service that runs own replicas.
type place struct {
	name, title string
	zero        bool    // can have no replicas
	factor      float64 // of quota
	fewest      int
	missing     []string
}

// places are those of the catalogue that hold GPUs for answering at once.
func (m *market) places() []place {
	var all []place
	for _, p := range []struct{ name, title string }{{"aks", "Kubernetes"}, {"managed_online", "managed endpoint"}} {
		s, err := m.c.Service(p.name)
		if err != nil || !s.GPU {
			continue
		}
		at := place{name: p.name, title: p.title}
		at.factor = m.book.figure("vCPUs of quota per vCPU used, "+s.What, s.QuotaFactor, &at.missing)
		if s.MinInstances.Known() {
			at.fewest = int(m.book.figure("fewest instances of a "+s.What, s.MinInstances, &at.missing))
		}
		at.zero = at.fewest == 0
		all = append(all, at)
	}
	return all
}

// slo is what replicas are sized for, and whether that was asked for.
func (d Demand) slo() (weir.SLO, string) {
	s, assumed := d.SLO, ""
	if s.TTFT == 0 {
		s.TTFT = DefaultTTFT
		assumed += fmt.Sprintf(", time to first token %v", s.TTFT)
	}
	if s.TPOT == 0 {
		s.TPOT = DefaultTPOT
		assumed += fmt.Sprintf(", time per output token %v", s.TPOT)
	}
	if assumed != "" {
		assumed = "no target of latency was given for" + assumed[1:] + ": own replicas are sized for these"
	}
	return s, assumed
}

// shape is the open model as fit and engine know it, and its requests.
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
	if m.d.DType != "" {
		if s.quant, err = fit.ParseQuant(m.d.DType); err != nil {
			return s, fmt.Errorf("plan: %w", err)
		}
	}
	return s, nil
}

// stored is what engine calls the storage of a format.
func stored(q fit.Quant) string {
	switch {
	case q.Name == "fp8-block":
		return "fp8_block"
	case q.Name == "mxfp4", q.Name == "nvfp4":
		return q.Name
	case q.Family == "4bit":
		return "int4"
	case q.Family == "int8", q.Family == "fp8":
		return q.Family
	}
	return "bf16"
}

// machines finds for every VM size how to serve the open model best.
func (m *market) machines() ([]machine, error) {
	s, err := m.shape()
	if err != nil {
		return nil, err
	}
	type kind struct {
		gpu  string
		n    int
		link price.Link
	}
	tried := map[kind]machine{}
	var all []machine
	for _, v := range m.c.VMs() {
		if v.Share() < 1 {
			continue // how a slice of a GPU performs is not known
		}
		at, done := tried[kind{v.GPU, v.GPUs, v.Interconnect}]
		if !done {
			at = m.layout(v, s)
			tried[kind{v.GPU, v.GPUs, v.Interconnect}] = at
		}
		at.vm = v
		m.price(&at)
		all = append(all, at)
	}
	return all, nil
}

// layout finds how many GPUs of the VM each replica should have. When none
// will do it says why the largest will not.
func (m *market) layout(v price.VM, s shape) machine {
	at, refused := machine{}, machine{}
	for tp := 1; tp <= v.GPUs; tp *= 2 {
		spec, notes, err := m.replica(v, s, tp)
		var rate float64
		if err == nil {
			rate, err = sustains(spec, s.input, s.output, s.slo)
		}
		if err == nil && rate == 0 {
			err = refusal{BindsLatency, fmt.Sprintf("on %d x %s not even one request at a time meets %v to the first token and %v a token", tp, v.GPU, s.slo.TTFT, s.slo.TPOT)}
		}
		if err != nil {
			refused = machine{refused: err.Error()}
			if why := (refusal{}); errors.As(err, &why) {
				refused.binds = []Bind{{why.what, why.why}}
			}
			continue
		}
		// Of layouts that do as much the one with fewer GPUs to a replica.
		if perMinute := 60 * rate * float64(v.GPUs/tp); perMinute > at.rate*1.01 {
			at = machine{tp: tp, replicas: v.GPUs / tp, rate: perMinute, load: spec.Load, notes: notes}
		}
	}
	if at.rate == 0 {
		return refused
	}
	return at
}

// refusal is why a layout will not do.
type refusal struct{ what, why string }

func (r refusal) Error() string { return r.why }

// replica is one of tp GPUs: its memory as fit knows it, its speed as engine
// does.
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
	room, err := fit.Check(s.model, fit.Setup{GPU: gpu, Quant: s.quant, TP: tp, Context: s.input + s.output})
	if err != nil {
		return none, nil, err
	}
	if room.Verdict == fit.DoesNotFit {
		return none, nil, refusal{BindsMemory, fmt.Sprintf("does not fit %d x %s: %s", tp, v.GPU, room.Why)}
	}
	device, err := engine.NewGPU(pg)
	if err != nil {
		return none, nil, err
	}
	device.NVLink = device.NVLink && v.Interconnect != price.PCIe && (v.Interconnect != price.NVLinkPairs || tp <= 2)
	spec, err := engine.Build(device, engine.NewModel(s.model.Model), engine.Layout{TP: tp}, engine.Precision{Weights: stored(s.quant)})
	if errors.Is(err, engine.ErrNoRoom) {
		return none, nil, refusal{BindsMemory, err.Error()}
	}
	if err != nil {
		return none, nil, err
	}
	if room.CacheTokens > 0 {
		spec.KVTokens = int(room.CacheTokens)
	}
	var notes []string
	if room.Verdict == fit.Tight {
		notes = append(notes, "the model fits tightly: "+room.Why)
	}
	return spec, notes, nil
}

// price reads what the VM costs; hour is asked for, the others are used where
// they are known.
func (m *market) price(at *machine) {
	if at.refused != "" {
		return // whatever it costs
	}
	of := at.vm.Name + ", " + m.d.Region
	p, err := m.c.VMPrice(at.vm.Name, m.d.Region)
	if err != nil {
		m.book.lack("price of "+of, &at.missing)
		return
	}
	at.known = map[Term]bool{Hourly: p.Hour.Known(), Yearly: p.Year.Known(), Three: p.Three.Known(), Spot: p.Spot.Known()}
	at.hour = m.book.price("an hour of "+of, p.Hour, &at.missing)
	for _, t := range []struct {
		name string
		to   *float64
		from price.Price
	}{{"an hour of " + of + ", reserved for a year", &at.year, p.Year},
		{"an hour of " + of + ", reserved for three years", &at.three, p.Three},
		{"an hour of " + of + ", spot", &at.spot, p.Spot}} {
		if t.from.Known() {
			*t.to = m.book.price(t.name, t.from, &at.missing)
		}
	}
}

// hours are the stretches replicas are counted by: at most an hour each, what
// its busiest minute asks for, and how many hours of the month it stands for.
type hours struct {
	need  []float64 // requests a minute
	stand []float64
	peak  float64
	mean  float64
}

// hours counts a minute with longer requests than usual as more of them.
func (m *market) hours() hours {
	mean := m.total.times(1 / m.total.Requests)
	var h hours
	for chunk := range slices.Chunk(m.d.Minutes, 60) {
		busiest := 0.0
		for _, minute := range chunk {
			n := minute.Requests
			if mean.Input > 0 {
				n = max(n, minute.Input/mean.Input)
			}
			if mean.Output > 0 {
				n = max(n, minute.Output/mean.Output)
			}
			busiest = max(busiest, n)
			h.mean += n / float64(len(m.d.Minutes))
		}
		h.need = append(h.need, busiest)
		h.stand = append(h.stand, float64(len(chunk))*m.d.stands()/60)
		h.peak = max(h.peak, busiest)
	}
	return h
}

// vms is how many VMs an hour needs.
func (at *machine) vms(need float64, p place) int {
	return max(p.fewest, int(math.Ceil(need/at.rate-1e-9)))
}

// own prices x times the demand on a VM size at a place, in every way.
func (m *market) own(at *machine, p place, x float64) []Option {
	base := Option{Kind: Own, SKU: at.vm.Name, Place: p.name, TP: at.tp, Refused: at.refused, Binds: slices.Clone(at.binds),
		Missing: slices.Concat(at.missing, p.missing), Notes: slices.Clone(at.notes)}
	named := func(mode, title string) Option {
		o := base
		o.ID = "own/" + p.name + "/" + at.vm.Name + "/" + mode
		o.Name = short(at.vm.Name) + " on " + p.title + title
		return o
	}
	if base.Refused != "" || len(base.Missing) > 0 {
		if p.name != m.where[0].name {
			return nil // the same everywhere: said once
		}
		base.Place, p.name, p.title = "", "any", "any place"
		return []Option{named("always", "")}
	}
	base.VMs = max(1, at.vms(m.by.peak*x, p))
	base.Replicas = base.VMs * at.replicas
	m.quota(&base, at, p)
	all := []Option{m.always(named("always", ", always on"), at, Hourly, at.hour, x)}
	if scaled := m.scaled(named("scaled", ", scaled by the hour"), at, p, Hourly, at.hour, x); scaled.Lines[0].Amount < all[0].Lines[0].Amount {
		all = append(all, scaled)
	}
	if p.name != "aks" {
		return all
	}
	if at.known[Yearly] {
		all = append(all, m.always(named("year", ", reserved for a year"), at, Yearly, at.year, x))
	}
	if at.known[Three] {
		all = append(all, m.always(named("three_years", ", reserved for three years"), at, Three, at.three, x))
	}
	if at.known[Spot] {
		o := m.scaled(named("spot", ", spot, scaled by the hour"), at, p, Spot, at.spot, x)
		o.Notes = append(o.Notes, "spot machines may be taken away at any time: keep another tier behind them")
		all = append(all, o)
	}
	return all
}

// short is a VM size without what all have.
func short(vm string) string {
	const prefix = "Standard_"
	if len(vm) > len(prefix) && vm[:len(prefix)] == prefix {
		return vm[len(prefix):]
	}
	return vm
}

func (m *market) always(o Option, at *machine, t Term, hour, x float64) Option {
	o.Term = t
	const hours = MinutesPerMonth / 60
	o.Utilisation = m.by.mean * x / (at.rate * float64(o.VMs))
	o.Lines = []Line{{fmt.Sprintf("%d VMs x %d hours x %s", o.VMs, hours, dollars(money(hour))), money(hour * hours * float64(o.VMs))}}
	return o
}

// scaled has as many VMs in every hour as its busiest minute needs.
func (m *market) scaled(o Option, at *machine, p place, t Term, hour, x float64) Option {
	o.Term = t
	total, starts := 0.0, 0.0
	last := at.vms(m.by.need[len(m.by.need)-1]*x, p)
	for i, need := range m.by.need {
		n := at.vms(need*x, p)
		total += float64(n) * m.by.stand[i]
		// What is to be there at the full hour starts before it.
		starts += float64(max(0, n-last)) * at.load.Hours() * m.d.stands()
		last = n
	}
	o.Utilisation = m.by.mean * x * MinutesPerMonth / 60 / (at.rate * total)
	o.Lines = []Line{{fmt.Sprintf("%.1f hours of VMs, up to %d at once x %s", total, o.VMs, dollars(money(hour))), money(hour * total)}}
	if starts > 0 {
		o.Lines = append(o.Lines, Line{fmt.Sprintf("%.1f hours of loading the model before they are needed", starts), money(hour * starts)})
	}
	return o
}

// quota says how many vCPUs the peak takes, and refuses what is beyond.
func (m *market) quota(o *Option, at *machine, p place) {
	vcpus := int(math.Ceil(p.factor*float64(o.VMs)-1e-9)) * at.vm.VCPUs
	family := at.vm.Family
	if family == "" {
		family = "the size's family (its name is not known)"
	}
	o.Notes = append(o.Notes, fmt.Sprintf("needs a quota of %d vCPUs of %s", vcpus, family))
	if p.factor > 1 {
		o.Notes = append(o.Notes, fmt.Sprintf("a managed endpoint takes %g times the vCPUs it uses from the quota; the rest is not billed", p.factor))
	}
	if at.tp > 1 && at.vm.Interconnect == price.PCIe {
		o.Notes = append(o.Notes, fmt.Sprintf("each replica spreads over %d GPUs that PCIe links", at.tp))
	}
	if q := m.d.Quota.VCPUs; q != nil && vcpus > *q {
		o.Refused = fmt.Sprintf("%d VMs take %d vCPUs of quota; it allows %d", o.VMs, vcpus, *q)
		o.Binds = append(o.Binds, Bind{BindsQuota, o.Refused})
	}
}
