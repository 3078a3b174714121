package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"weir"
	"weir/price"
	"weir/report/words"
)

// Default latency targets for replicas, if the demand states none.
const (
	DefaultTTFT = 2 * time.Second
	DefaultTPOT = 100 * time.Millisecond
)

// place is a service that runs own replicas.
type place struct {
	name, title string
	zero        bool    // can have no replicas
	factor      float64 // of quota
	fewest      int
	missing     []string
}

// places are the catalogue's services with GPUs for real-time inference.
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
			at.fewest = int(m.book.figure("fewest instances, "+s.What, s.MinInstances, &at.missing))
		}
		at.zero = at.fewest == 0
		all = append(all, at)
	}
	return all
}

// slo is the SLO for sizing replicas, and the defaults in it, if any.
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
		assumed = "no latency target was given for" + assumed[1:] + ": own replicas are sized for these"
	}
	return s, assumed
}

// price reads the VM's prices; the hourly price is required, the others are
// used if known.
func (m *market) price(at *machine) {
	if at.refused != "" {
		return // whatever it costs
	}
	p, from, err := m.vmPrice(at.vm.Name)
	at.from = from
	of := at.vm.Name + ", " + cmp.Or(from, m.d.Region)
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

// hours are the periods for counting replicas, of at most an hour each: the
// need of its busiest minute, and the hours of the month it represents.
type hours struct {
	need  []float64 // requests a minute
	stand []float64
	peak  float64
	mean  float64
}

// hours counts a minute with longer requests than average as more requests.
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
		Estimated: at.from, Missing: slices.Concat(at.missing, p.missing), Notes: slices.Clone(at.notes)}
	named := func(mode, title string) Option {
		o := base
		o.ID = "own/" + p.name + "/" + at.vm.Name + "/" + mode
		o.Name = short(at.vm.Name) + " on " + p.title + title
		return o
	}
	if base.Refused != "" || len(base.Missing) > 0 {
		if p.name != m.where[0].name {
			return nil // the same everywhere: reported once
		}
		base.Place, p.name, p.title = "", "any", "any place"
		return []Option{named("always", "")}
	}
	base.VMs = max(1, at.vms(m.by.peak*x, p))
	base.Replicas = base.VMs * at.replicas
	base.Rate = at.rate / 60 / float64(at.replicas)
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
		o.Notes = append(o.Notes, "spot machines may be evicted at any time: keep another tier as failover")
		all = append(all, o)
	}
	return all
}

// short is a VM size without the common prefix.
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
	o.Lines = []Line{{fmt.Sprintf("%d VMs x %d hours x %s", o.VMs, hours, words.Exact(money(hour))), money(hour * hours * float64(o.VMs))}}
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
		// VMs for the full hour start before it.
		starts += float64(max(0, n-last)) * at.load.Hours() * m.d.stands()
		last = n
	}
	o.Utilisation = m.by.mean * x * MinutesPerMonth / 60 / (at.rate * total)
	o.Lines = []Line{{fmt.Sprintf("%.1f VM hours, up to %d VMs at once, x %s", total, o.VMs, words.Exact(money(hour))), money(hour * total)}}
	if starts > 0 {
		o.Lines = append(o.Lines, Line{fmt.Sprintf("%.1f VM hours of loading the model before the load arrives", starts), money(hour * starts)})
	}
	return o
}

// quota computes the peak's vCPUs, and refuses an option beyond the quota.
func (m *market) quota(o *Option, at *machine, p place) {
	factor := p.factor
	if own := at.vm.MLQuotaFactor; factor > 1 && own.Known() { // by size, some are exempt
		factor = m.book.figure("vCPUs of quota per vCPU used, "+at.vm.Name, own, &o.Missing)
	}
	vcpus := int(math.Ceil(factor*float64(o.VMs)-1e-9)) * at.vm.VCPUs
	family := at.vm.Family
	if family == "" {
		family = "the size's family (its name is not known)"
	}
	o.Notes = append(o.Notes, fmt.Sprintf("needs a quota of %d vCPUs of %s", vcpus, family))
	if factor > 1 {
		o.Notes = append(o.Notes, fmt.Sprintf("a managed endpoint takes %g times its vCPUs from the quota; only those it uses are billed", factor))
	}
	if at.tp > 1 && at.vm.Interconnect == price.PCIe {
		o.Notes = append(o.Notes, fmt.Sprintf("each replica spans %d GPUs linked by PCIe", at.tp))
	}
	if q := m.d.Quota.VCPUs; q != nil && vcpus > *q {
		o.Refused = fmt.Sprintf("%d VMs need %d vCPUs of quota, which allows %d", o.VMs, vcpus, *q)
		o.Binds = append(o.Binds, Bind{BindsQuota, o.Refused})
	}
}
