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

func (m *market) payAsYouGo(o *offer, x float64) Option {
	opt := Option{ID: "payg/" + o.standard, Name: "pay as you go, " + o.name, Kind: PayAsYouGo, SKU: o.standard,
		Missing: o.rates.missing, Lines: o.rates.lines(m.total.times(x)), Estimated: o.rates.from}
	opt.Binds = append(opt.Binds, m.bindTPM(&opt, x)...)
	if m.d.SLO != (weir.SLO{}) {
		opt.Binds = append(opt.Binds, Bind{BindsLatency, "pay-as-you-go has no latency target"})
	}
	return opt
}

// bindTPM refuses tokens beyond the quota.
func (m *market) bindTPM(opt *Option, x float64) []Bind {
	q := m.d.Quota.TPM
	if q == nil {
		return nil
	}
	peak := 0.0
	for _, minute := range m.d.Minutes {
		peak = max(peak, minute.Tokens()*x)
	}
	if peak <= *q {
		return nil
	}
	opt.Refused = fmt.Sprintf("the busiest minute asks for %s tokens, the quota allows %s", words.Spelled(peak), words.Spelled(*q))
	return []Bind{{BindsQuota, opt.Refused}}
}

// provisioned is the PTUs the busiest minute needs.
func (m *market) provisioned(o *offer, r rent, x float64) Option {
	opt := Option{ID: "ptu/" + o.provisioned + "/" + string(r.term), Kind: Provisioned, SKU: o.provisioned, Term: r.term,
		Name: "PTU " + o.name + by(r.term), Missing: append(slices.Clone(o.ptu.missing), r.missing...), Estimated: o.ptu.from}
	if len(opt.Missing) > 0 {
		return opt
	}
	exact := o.load.peak() * x
	s := price.Steps{Minimum: o.ptu.steps.minimum, Increment: o.ptu.steps.increment}
	opt.PTUs = s.Round(exact)
	opt.Lines = append(opt.Lines, rented(opt.PTUs, r))
	if opt.PTUs > 0 {
		opt.Utilisation = o.load.mean() * x / float64(opt.PTUs)
	}
	opt.Refused = o.refused
	if opt.PTUs > o.ptu.steps.limit {
		opt.Refused = fmt.Sprintf("the busiest minute needs %.2f PTUs, sold as %d; %s", exact, opt.PTUs, m.ptuLimit(o))
		opt.Binds = append(opt.Binds, Bind{m.limitKind(o), opt.Refused})
	} else if float64(opt.PTUs) > math.Ceil(exact-1e-9) {
		opt.Binds = append(opt.Binds, Bind{BindsMinimum, fmt.Sprintf("%.2f PTUs are needed; they are sold from %d in steps of %d",
			exact, o.ptu.steps.minimum, o.ptu.steps.increment)})
	}
	opt.Binds = append(opt.Binds, m.bindSpeed(o, &opt)...)
	return opt
}

// spillover is the number of PTUs that costs least together with pay-as-you-go
// for the overflow.
func (m *market) spillover(o *offer, r rent, x float64) Option {
	opt := Option{ID: "ptu+spill/" + o.provisioned + "/" + string(r.term), Kind: Spillover, SKU: o.provisioned, Spill: o.standard,
		Term: r.term, Name: "PTU " + o.name + by(r.term) + ", rest pay as you go",
		Missing: slices.Concat(o.ptu.missing, r.missing, o.rates.missing), Estimated: cmp.Or(o.ptu.from, o.rates.from)}
	if len(opt.Missing) > 0 {
		return opt
	}
	opt.PTUs = o.load.cheapest(o.ptu.steps, r.month, x)
	if o.ptu.steps.count() == 0 {
		opt.Refused = "no deployment is possible: " + m.ptuLimit(o)
		opt.Binds = append(opt.Binds, Bind{m.limitKind(o), opt.Refused})
	} else if opt.PTUs == 0 {
		n := o.ptu.steps.minimum
		with := r.month*float64(n) + o.load.spilled(float64(n), x)
		opt.Refused = fmt.Sprintf("no number of PTUs pays off: with the minimum of %d and the rest as pay-as-you-go the bill would be %s, with pay-as-you-go alone %s",
			n, words.Dollars(money(with)), words.Dollars(money(o.payg*x)))
		opt.Binds = append(opt.Binds, Bind{BindsMinimum, opt.Refused})
	}
	if opt.Refused == "" {
		opt.Refused = o.refused
	}
	over := o.load.spilled(float64(opt.PTUs), x)
	if opt.PTUs > 0 {
		opt.Lines = append(opt.Lines, rented(opt.PTUs, r))
		opt.Utilisation = (o.load.mean()*x - o.load.over(float64(opt.PTUs), x)) / float64(opt.PTUs)
		opt.Binds = append(opt.Binds, m.bindSpeed(o, &opt)...)
	}
	if o.payg > 0 {
		opt.Spilled = over / (o.payg * x)
	}
	if rest := money(over); rest > 0 {
		if m.d.SLO != (weir.SLO{}) && opt.PTUs > 0 {
			opt.Notes = append(opt.Notes, "requests that spill over have no latency target")
		}
		opt.Lines = append(opt.Lines, Line{fmt.Sprintf("%.1f %% of the demand spills over to %s", 100*opt.Spilled, o.standard), rest})
	}
	return opt
}

func rented(n int, r rent) Line {
	return Line{fmt.Sprintf("%d PTUs x %s", n, r.how), money(r.month * float64(n))}
}

func by(t Term) string {
	return map[Term]string{Hourly: ", by the hour", Monthly: ", reserved by the month", Yearly: ", reserved by the year"}[t]
}

func (m *market) limitKind(o *offer) string {
	if o.ptu.steps.limit < maxPTUs {
		return BindsQuota
	}
	return BindsLimit
}

func (m *market) ptuLimit(o *offer) string {
	if o.ptu.steps.limit < maxPTUs {
		return fmt.Sprintf("the quota allows %d, the minimum is %d", o.ptu.steps.limit, o.ptu.steps.minimum)
	}
	return fmt.Sprintf("one deployment may have at most %d", maxPTUs)
}

// bindSpeed compares the latency target of provisioned throughput with the SLO.
func (m *market) bindSpeed(o *offer, opt *Option) []Bind {
	want := m.d.SLO.TPOT
	var lacks []string
	if want == 0 {
		return nil
	}
	speed := m.book.figure("tokens a second, latency target of provisioned "+o.ptu.of.Model, o.ptu.of.Speed, &lacks)
	if len(lacks) > 0 {
		return []Bind{{BindsLatency, "the latency target of provisioned " + o.ptu.of.Model + " is not known"}}
	}
	if tpot := time.Duration(float64(time.Second) / speed); tpot > want {
		opt.Refused = fmt.Sprintf("its latency target is %.0f tokens a second, %v a token; the SLO asks for %v", speed, tpot.Round(time.Millisecond), want)
		return []Bind{{BindsLatency, opt.Refused}}
	}
	return nil
}

// sizing is the PTUs that carry the busiest minute, of each class.
func (m *market) sizing() []Sizing {
	var all []Sizing
	for _, o := range m.offers {
		if o.ptu == nil || len(o.load.ptus) == 0 {
			continue
		}
		s := price.Steps{Minimum: o.ptu.steps.minimum, Increment: o.ptu.steps.increment}
		all = append(all, Sizing{SKU: o.provisioned, Exact: o.load.peak(), PTUs: s.Round(o.load.peak()), Minimum: s.Minimum, Increment: s.Increment})
	}
	return all
}

// breakEven is, for the demand's mix of tokens, the utilisation above which
// each kind of PTU is cheaper than pay-as-you-go.
func (m *market) breakEven() []BreakEven {
	var all []BreakEven
	for _, o := range m.offers {
		if o.ptu == nil || len(o.load.ptus) == 0 || len(o.rates.missing) > 0 || o.load.mean() == 0 {
			continue
		}
		// The mean load's cost at pay-as-you-go, per PTU.
		worth := o.payg / o.load.mean()
		if worth == 0 {
			continue // tokens are free: there is no break-even
		}
		for _, r := range o.ptu.rents {
			if len(r.missing) == 0 {
				all = append(all, BreakEven{SKU: o.provisioned, Term: r.term, PTUMonth: money(r.month), Worth: money(worth),
					Tokens: o.ptu.of.InputTPM.Value() * MinutesPerMonth, Utilisation: r.month / worth})
			}
		}
	}
	return all
}

// today is how well the demand would use n PTUs.
func (m *market) today(n int) *Today {
	for _, o := range m.offers {
		if len(o.load.ptus) == 0 {
			continue
		}
		t := &Today{PTUs: n}
		over := o.load.over(float64(n), 1)
		t.Utilisation = (o.load.mean() - over) / float64(n)
		if o.load.mean() > 0 {
			t.Over = over / o.load.mean()
		}
		t.Full = float64(o.load.exceed(float64(n), 1)) / float64(len(o.load.ptus))
		return t
	}
	return nil
}
