package wire

import (
	"cmp"
	"fmt"
	"math"

	"weir"
	"weir/config"
	"weir/meter"
	"weir/price"
)

// Price is the token prices of a deployment and their source: the file's, and
// for those it omits the catalogue's, if it names a model there.
func Price(p config.Price) (meter.Rates, string, error) {
	var r meter.Rates
	source := "weir.yaml"
	if p.Catalogue != "" {
		catalogue, err := price.Default()
		if err != nil {
			return r, "", err
		}
		t, err := catalogue.Tokens(p.Catalogue, cmp.Or(p.SKU, "GlobalStandard"), "")
		if err != nil {
			return r, "", err
		}
		if r, err = meter.RatesOf(t, false); err != nil {
			return r, "", err
		}
		source = "catalogue " + p.Catalogue + " " + cmp.Or(p.SKU, "GlobalStandard") + ", " + t.Input.From().String()
	}
	said := false
	set := func(rate *weir.Money, said1 bool, to weir.Money) {
		if said1 {
			*rate, said = to, true
		}
	}
	for _, c := range [...]struct {
		rate *weir.Money
		to   config.TokenPrice
	}{{&r.Prompt, p.Prompt}, {&r.Completion, p.Completion}, {&r.Written, p.CacheWrite}, {&r.WrittenHour, p.CacheWriteHour}, {&r.Reasoning, p.Reasoning},
		{&r.AudioPrompt, p.AudioPrompt}, {&r.AudioAnswer, p.AudioCompletion}} {
		set(c.rate, c.to > 0, weir.Money(c.to))
	}
	switch {
	case p.Cached != nil:
		set(&r.Cached, true, weir.Money(*p.Cached))
	case p.Catalogue == "":
		r.Cached = r.Prompt
	}
	set(&r.Request, p.Request > 0, weir.Money(p.Request))
	r.Priority, r.Flex = int64(math.Round(float64(p.Priority))), int64(math.Round(float64(p.Flex)))
	if p.Catalogue != "" && (said || r.Priority > 0 || r.Flex > 0) {
		source += ", and weir.yaml"
	}
	if r == (meter.Rates{}) {
		return r, "", nil
	}
	return r, r.String() + " (" + source + ")", nil
}

// Rates are the prices alone; zero if the catalogue does not know them (Price
// returns that error).
func Rates(p config.Price) meter.Rates {
	r, _, err := Price(p)
	if err != nil {
		return meter.Rates{}
	}
	return r
}

// Unpriced are the deployments whose prices the catalogue lacks.
func Unpriced(c *config.Config) (faults config.Faults) {
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			if _, _, err := Price(d.Price); err != nil {
				faults = append(faults, c.Fault(fmt.Sprintf("models[%d].deployments[%d].price.catalogue", i, k), err.Error(), "weir price list tokens names what it has"))
			}
		}
	}
	return faults
}
