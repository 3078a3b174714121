package plan

import (
	"fmt"
	"slices"

	"weir"
	"weir/report/words"
)

// Measure makes the demand cheaper to serve; Saves is its worth.
type Measure struct {
	Name    string     `json:"name"` // one of the Measures constants
	Share   float64    `json:"share"`
	Saves   weir.Money `json:"saves_dollars"` // per month, alone, against the cheapest without it; below 0: it costs
	Why     string     `json:"why"`
	Missing []string   `json:"missing,omitempty"`
}

// Measures.
const (
	MeasureCache   = "response_cache"
	MeasureBatch   = "batch"
	MeasureSmaller = "smaller_model"
)

// Mix is a whole recommendation: the measures that reduce the demand, and the
// cheapest alternative for the rest.
type Mix struct {
	Measures []string   `json:"measures,omitempty"`
	Rest     float64    `json:"rest_share"` // of the demand, served by Option
	Option   *Option    `json:"option,omitempty"`
	Lines    []Line     `json:"lines"`
	Month    weir.Money `json:"month_dollars"`
	Million  weir.Money `json:"per_million_tokens_dollars"` // of all tokens of the demand
	Request  weir.Money `json:"per_request_dollars"`
}

// use says which measures are taken.
type use struct{ cache, batch, smaller bool }

// part is tokens that go to another deployment, with its rates.
type part struct {
	model, sku string
	rates      rates
	factor     float64 // of the rates
}

// batchPart is the cheapest batch deployment of the model.
func (m *market) batchPart() (part, []string) {
	best, lacks := part{}, []string{}
	for i := range m.offers {
		o := &m.offers[i]
		lacks = append(lacks, o.rates.missing...)
		if len(o.rates.missing) > 0 {
			continue
		}
		if o.rates.batch == 0 {
			lacks = append(lacks, o.rates.noBatch...)
			continue
		}
		p := part{m.d.Model, o.standard, o.rates, o.rates.batch}
		if best.sku == "" || p.cost(m.total) < best.cost(m.total) {
			best = p
		}
	}
	if best.sku != "" {
		return best, nil
	}
	return best, lacks
}

// smallerPart is the cheapest pay-as-you-go of the smaller model.
func (m *market) smallerPart() (part, []string) {
	best, lacks := part{}, []string{}
	for _, cl := range classes {
		if _, _, err := m.tokens(m.d.Smaller.Model, cl.standard); err != nil {
			lacks = append(lacks, "token prices of "+m.d.Smaller.Model+" "+cl.standard)
			continue
		}
		r := m.readRates(m.d.Smaller.Model, cl.standard)
		if len(r.missing) > 0 {
			lacks = append(lacks, r.missing...)
			continue
		}
		p := part{m.d.Smaller.Model, cl.standard, r, 1}
		if best.sku == "" || p.cost(m.total) < best.cost(m.total) {
			best = p
		}
	}
	if best.sku != "" {
		return best, nil
	}
	return best, lacks
}

func (p part) cost(of Minute) float64 { return p.rates.cost(of) * p.factor }

// readParts finds the targets of batch and of the smaller model.
func (m *market) readParts() {
	if m.d.Batch > 0 {
		m.batch, m.lacksBatch = m.batchPart()
	}
	if m.d.Smaller.Share > 0 {
		m.smaller, m.lacksSmaller = m.smallerPart()
	}
}

// mix is the cost of x times the demand with some measures; false if no
// available option serves the rest.
func (m *market) mix(x float64, u use) (Mix, bool) {
	mix := Mix{Rest: 1}
	if u.cache {
		mix.Measures = append(mix.Measures, MeasureCache)
		mix.Rest *= 1 - m.d.Answers
	}
	take := func(name string, share float64, p part, what string) {
		of := m.total.times(x * mix.Rest * share)
		mix.Rest *= 1 - share
		mix.Measures = append(mix.Measures, name)
		mix.Lines = append(mix.Lines, Line{fmt.Sprintf("%s tokens %s", words.Spelled(of.Tokens()), what), money(p.cost(of))})
	}
	if u.batch {
		take(MeasureBatch, m.d.Batch, m.batch, fmt.Sprintf("in batches, at %.0f %% of %s", 100*m.batch.factor, m.batch.sku))
	}
	if u.smaller {
		take(MeasureSmaller, m.d.Smaller.Share, m.smaller, fmt.Sprintf("by %s, %s", m.smaller.model, m.smaller.sku))
	}
	if mix.Rest > 0 {
		o, ok := best(m.options(x * mix.Rest))
		if !ok {
			return mix, false
		}
		mix.Option = &o
		mix.Lines = append(slices.Clone(o.Lines), mix.Lines...)
	}
	for _, l := range mix.Lines {
		mix.Month += l.Amount
	}
	if t := m.total.Tokens() * x; t > 0 {
		mix.Million = money(float64(mix.Month) / t * 1e6)
	}
	mix.Request = money(float64(mix.Month) / (m.total.Requests * x))
	return mix, true
}

// cheapestMix tries every combination of the measures the demand allows.
func (m *market) cheapestMix(x float64) (Mix, bool) {
	var found Mix
	ok := false
	for i := range 8 {
		u := use{cache: i&1 != 0, batch: i&2 != 0, smaller: i&4 != 0}
		if u.cache && m.d.Answers == 0 || u.batch && m.batch.sku == "" || u.smaller && m.smaller.sku == "" {
			continue
		}
		if mix, can := m.mix(x, u); can && (!ok || mix.Month < found.Month) {
			found, ok = mix, true
		}
	}
	return found, ok
}

// measures is the worth of each measure of the demand alone.
func (m *market) measures() []Measure {
	var all []Measure
	plain, ok := m.mix(1, use{})
	for _, c := range []struct {
		name  string
		share float64
		u     use
		lacks []string
		why   string
	}{
		{MeasureCache, m.d.Answers, use{cache: true}, nil, "requests answered by a response cache reach no model"},
		{MeasureBatch, m.d.Batch, use{batch: true}, m.lacksBatch, fmt.Sprintf("batch costs %.0f %% of the token price and answers within a day", 100*m.batch.factor)},
		{MeasureSmaller, m.d.Smaller.Share, use{smaller: true}, m.lacksSmaller, m.smallerWhy()},
	} {
		if c.share == 0 {
			continue
		}
		measure := Measure{Name: c.name, Share: c.share, Why: c.why, Missing: c.lacks}
		with, can := Mix{}, false
		if len(c.lacks) == 0 {
			with, can = m.mix(1, c.u)
		}
		if ok && can {
			measure.Saves = plain.Month - with.Month
		}
		all = append(all, measure)
	}
	return all
}

// smallerWhy is how much less the smaller model costs per token.
func (m *market) smallerWhy() string {
	if m.smaller.sku == "" {
		return ""
	}
	for _, o := range m.offers {
		if cost := m.smaller.cost(m.total); o.standard == m.smaller.sku && o.payg > 0 && cost > 0 {
			return fmt.Sprintf("%s costs 1/%.1f of %s for the same tokens", m.smaller.model, o.payg/cost, m.d.Model)
		}
	}
	return m.smaller.model + " costs less per token"
}
