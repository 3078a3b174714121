package plan

import (
	"fmt"
	"math"

	"weir"
	"weir/price"
	"weir/report/words"
)

// class is where Azure OpenAI may process the data: the deployment type of
// tokens, and that of the provisioned throughput that spills to it.
type class struct {
	name        string
	standard    string
	provisioned string
}

var classes = []class{
	{"global", "GlobalStandard", price.GlobalProvisioned},
	{"data zone", "DataZoneStandard", price.DataZoneProvisioned},
	{"regional", "Standard", price.RegionalProvisioned},
}

// rates are token prices, in micro-dollars per million.
type rates struct {
	tariff
	from    string  // region of these prices; "": the demand's own
	batch   float64 // batch price as a share of these
	missing []string
	noBatch []string // prices missing for batch
}

// readRates reads the token prices of a model from the catalogue. The price of
// cached tokens is needed only if there are any.
func (m *market) readRates(model, sku string) rates {
	r := rates{tariff: m.tariff()}
	b := m.book
	t, from, err := m.tokens(model, sku)
	of := " of " + model + " " + sku + in(from)
	r.from = from
	if err != nil {
		b.lack("token prices"+of, &r.missing)
		return r
	}
	r.short.input = b.price("input tokens"+of+", per million", t.Input, &r.missing)
	r.short.written = r.short.input
	if !t.Embedding {
		r.short.output = b.price("output tokens"+of+", per million", t.Output, &r.missing)
	}
	if m.total.Cached > 0 && !t.Embedding {
		r.short.cached = b.price("cached tokens"+of+", per million", t.Cached, &r.missing)
	}
	if t.CacheWrite.Known() {
		if m.d.Writes > 0 {
			r.short.written = b.price("tokens written to the prompt cache"+of+", per million", t.CacheWrite, &r.missing)
		} else if m.total.Cached > 0 {
			b.caveat(fmt.Sprintf("tokens written to the prompt cache of %s cost %s per million instead of %s; the demand states none (cache_writes)",
				model, words.Exact(t.CacheWrite.Amount()), words.Exact(t.Input.Amount())))
		}
	}
	r.long = m.longer(model, r.short, r.short.input)
	if v, err := t.BatchPercent.Get(); err == nil {
		r.batch = v / 100
	} else if !t.Embedding {
		r.noBatch = append(r.noBatch, "batch price"+of)
	}
	return r
}

// lines is the bill of m.
func (r rates) lines(m Minute) []Line {
	var lines []Line
	for _, c := range []struct {
		name  string
		share float64
		k     kind
	}{{"", 1 - r.longShare, r.short}, {" in long contexts", r.longShare, r.long}} {
		fresh, written := r.fresh(m)
		for _, k := range []struct {
			name         string
			tokens, rate float64
		}{{"input", fresh, c.k.input}, {"cached input", m.Cached, c.k.cached}, {"input written to the cache", written, c.k.written}, {"output", m.Output, c.k.output}} {
			if tokens := k.tokens * c.share; tokens > 0 {
				lines = append(lines, Line{
					What:   fmt.Sprintf("%s tokens of %s%s x %s per million", words.Spelled(tokens), k.name, c.name, words.Exact(weir.Money(k.rate))),
					Amount: money(tokens * k.rate / 1e6)})
			}
		}
	}
	return lines
}

// money rounds micro-dollars to whole ones.
func money(microdollars float64) weir.Money { return weir.Money(math.Round(microdollars)) }
