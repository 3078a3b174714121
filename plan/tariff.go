package plan

import (
	"fmt"

	"weir/price"
)

// kind is the weight of one token of each kind: micro-dollars per million, or
// input tokens on provisioned throughput.
type kind struct{ input, cached, written, output float64 }

func (k kind) times(x float64) kind {
	return kind{k.input * x, k.cached * x, k.written * x, k.output * x}
}

// tariff weighs the tokens of a minute by kind, in short and in long contexts.
type tariff struct {
	short, long kind
	longShare   float64 // of the requests
	writes      float64 // of the input that is not in the cache
}

// tariff is a tariff with the demand's shares, without weights.
func (m *market) tariff() tariff { return tariff{longShare: m.d.Long, writes: m.d.Writes} }

// fresh is the input neither cached nor written to the cache, and the written
// input.
func (t tariff) fresh(m Minute) (fresh, written float64) {
	written = (m.Input - m.Cached) * t.writes
	return m.Input - m.Cached - written, written
}

func (t tariff) of(m Minute) float64 {
	fresh, written := t.fresh(m)
	sum := func(k kind) float64 {
		return fresh*k.input + m.Cached*k.cached + written*k.written + m.Output*k.output
	}
	if t.longShare == 0 {
		return sum(t.short)
	}
	return (1-t.longShare)*sum(t.short) + t.longShare*sum(t.long)
}

// cost is the cost of a minute, in micro-dollars.
func (r rates) cost(m Minute) float64 { return r.of(m) / 1e6 }

// longer is the weight of tokens in long contexts. From gpt-6 on the weight of
// a kind of token is its price over that of input in a short context
// (Microsoft's sizing guide, 2026-09-23), so prices follow from weights: unit
// is the price of such input, or 1 for weights. For a model without weights of
// long contexts they count as short ones.
func (m *market) longer(model string, short kind, unit float64) kind {
	p, err := m.c.PTU(model)
	if err != nil || !p.LongInput.Known() {
		if m.d.Long > 0 {
			m.book.caveat(fmt.Sprintf("the catalogue has no price for long contexts of %s: their tokens count like the others", model))
		}
		return short
	}
	if m.d.Long == 0 {
		m.book.caveat(fmt.Sprintf("in long contexts a token of %s counts as %g of input and %g of output instead of 1 and %g; the demand states none (long)",
			model, p.LongInput.Value(), p.LongOutput.Value(), p.OutputWeight.Value()))
		return short
	}
	var lacks []string
	read := func(what string, f price.Figure, otherwise float64) float64 {
		if !f.Known() {
			return otherwise
		}
		return m.book.figure("input tokens one "+what+" token of "+model+" counts as in long contexts", f, &lacks) * unit
	}
	return kind{read("input", p.LongInput, short.input), read("cached", p.LongCached, short.cached),
		read("written", p.LongCacheWrite, short.written), read("output", p.LongOutput, short.output)}
}

// weights are the PTUs per token of provisioned throughput. Cache writes
// without their own weight count as input.
func (m *market) weights(p *ptu) tariff {
	t := m.tariff()
	of := p.of.Model
	perPTU := m.book.figure("input tokens a minute one PTU of "+of+" carries", p.of.InputTPM, &p.missing)
	t.short = kind{input: 1, written: 1,
		output: m.book.figure("input tokens one output token of "+of+" counts as on PTUs", p.of.OutputWeight, &p.missing),
		cached: m.book.figure("input tokens one cached token of "+of+" counts as on PTUs", p.of.CachedWeight, &p.missing)}
	if m.d.Writes > 0 && p.of.CacheWrite.Known() {
		t.short.written = m.book.figure("input tokens one token written to the cache of "+of+" counts as on PTUs", p.of.CacheWrite, &p.missing)
	}
	t.long = m.longer(of, t.short, 1)
	if perPTU > 0 {
		t.short, t.long = t.short.times(1/perPTU), t.long.times(1/perPTU)
	}
	return t
}
