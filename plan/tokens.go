package plan

import (
	"fmt"
	"math"

	"weir"
	"weir/price"
)

// class is where Azure OpenAI may process the data: the deployment type of
// tokens, and that of provisioned throughput whose overflow spills there.
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

// rates are what tokens cost, in micro-dollars per million.
type rates struct {
	input, cached, output float64
	batch                 float64 // what batch costs of these, as a share
	missing               []string
	noBatch               []string // what lacks for batch
}

// readRates takes the token prices of a model from the catalogue. The price of
// cached tokens is needed only where there are some.
func readRates(c *price.Catalogue, b *book, model, sku, region string, cached bool) rates {
	var r rates
	of := " of " + model + " " + sku
	t, err := c.Tokens(model, sku, region)
	if err != nil {
		b.lack("token prices"+of, &r.missing)
		return r
	}
	r.input = b.price("input tokens"+of+", per million", t.Input, &r.missing)
	if t.Embedding {
		return r
	}
	r.output = b.price("output tokens"+of+", per million", t.Output, &r.missing)
	if cached {
		r.cached = b.price("cached tokens"+of+", per million", t.Cached, &r.missing)
		if t.CacheWrite.Known() {
			b.caveat(fmt.Sprintf("writing to the prompt cache of %s costs %s per million tokens on top; how often that happens was not said", model, dollars(t.CacheWrite.Amount())))
		}
	}
	if v, err := t.BatchPercent.Get(); err == nil {
		r.batch = v / 100
	} else {
		r.noBatch = append(r.noBatch, "batch price"+of)
	}
	return r
}

// of is what m costs, in micro-dollars.
func (r rates) of(m Minute) float64 {
	return ((m.Input-m.Cached)*r.input + m.Cached*r.cached + m.Output*r.output) / 1e6
}

// lines is the bill of m.
func (r rates) lines(m Minute) []Line {
	var lines []Line
	for _, k := range []struct {
		name         string
		tokens, rate float64
	}{{"input", m.Input - m.Cached, r.input}, {"cached input", m.Cached, r.cached}, {"output", m.Output, r.output}} {
		if k.tokens > 0 {
			lines = append(lines, Line{
				What:   fmt.Sprintf("%s tokens of %s x %s per million", amount(k.tokens), k.name, dollars(weir.Money(k.rate))),
				Amount: money(k.tokens * k.rate / 1e6)})
		}
	}
	return lines
}

// money rounds micro-dollars to whole ones.
func money(microdollars float64) weir.Money { return weir.Money(math.Round(microdollars)) }

// amount writes a count of tokens for people: "8.76 billion".
func amount(n float64) string {
	for _, u := range []struct {
		name string
		from float64
	}{{" trillion", 1e12}, {" billion", 1e9}, {" million", 1e6}, {" thousand", 1e4}} {
		if n >= u.from {
			if u.from == 1e4 {
				return fmt.Sprintf("%.4g", n/1e3) + u.name
			}
			return fmt.Sprintf("%.4g", n/u.from) + u.name
		}
	}
	return fmt.Sprintf("%.4g", n)
}
