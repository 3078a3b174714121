// Package plan finds the cheapest way to serve a demand: pay-as-you-go tokens,
// provisioned throughput with and without spillover, one's own replicas, and
// the savings of batch, a smaller model and a response cache on top.
//
// It is arithmetic over the price catalogue and over engine's figures for a
// replica: values in, an Answer out. It reads no file, knows no clock and calls
// no cloud. The catalogue gives each figure and its age. A missing figure is
// named, not invented: the alternatives that need it are in the answer without
// a price.
//
// All amounts are for a month of MinutesPerMonth.
package plan

import (
	"weir"
	"weir/price"
)

// Plan compares everything that can serve the demand. now decides which prices
// are old. Errors name every fault of the demand, and wrap price.ErrUnknown for
// a model or region that the catalogue lacks.
func Plan(c *price.Catalogue, d Demand, now weir.Instant) (Answer, error) {
	if err := d.Validate(); err != nil {
		return Answer{}, err
	}
	m, err := newMarket(c, d)
	if err != nil {
		return Answer{}, err
	}
	a := m.advise()
	a.Measures = m.measures()
	a.Curve = m.curve()
	if a.Cases, err = m.sensitivity(); err != nil {
		return Answer{}, err
	}
	a.BreakEven = m.breakEven()
	a.Bills = m.bills()
	if d.Today > 0 {
		a.Today = m.today(d.Today)
	}
	a.Sizing = m.sizing()
	a.Services = m.services(a)
	a.Words = m.words(a)
	a.Assumed = m.assumed()
	a.Figures = m.book.used
	a.Missing = m.book.missing
	a.Stale = m.book.stale(now)
	return a, nil
}

// advise is the recommendation and its comparison, without the outlook on other
// demands.
func (m *market) advise() Answer {
	a := Answer{Demand: describe(m.d), Options: m.options(1)}
	a.Advice, _ = m.cheapestMix(1)
	a.Plain, _ = m.mix(1, use{})
	a.Compared = m.compared(a.Options)
	return a
}
