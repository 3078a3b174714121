package price

import "strings"

// Renewed says whether `weir price update` reads the figures of this source
// again: it reads the Azure Retail Prices API and nothing else.
func (s Source) Renewed() bool { return strings.HasPrefix(s.URL, RetailHost) }

// renewal says how to renew an old figure of the source.
func (s Source) renewal() string {
	if s.Renewed() {
		return "run weir price update"
	}
	return "weir price update does not read it: look it up, and state it in your price file"
}

// AsksTokens says whether an update reads token prices of a model and
// deployment type: a meter must be known for them.
func (c *Catalogue) AsksTokens(model, sku string) bool {
	for _, m := range c.meters.list {
		if m.Kind != PTUMeter && strings.EqualFold(m.Model, model) && m.SKU == sku {
			return true
		}
	}
	return false
}
