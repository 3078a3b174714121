package wire

import (
	"weir/cheaper"
	"weir/config"
	"weir/gateway"
)

// cheaperOf says which requests to a model are tried on a smaller one; nil: none.
func cheaperOf(c *config.Cheaper) *gateway.Cheaper {
	if c == nil {
		return nil
	}
	g := &gateway.Cheaper{Model: c.Model, Within: c.Cascade.Within}
	g.Cascade = cheaper.Cascade{MinConfidence: c.Cascade.MinConfidence.Fraction(), Phrases: c.Cascade.Phrases}
	for _, r := range c.Rules {
		rule := cheaper.Rule{Share: r.Share.Fraction(), Tag: r.Tag, MaxPrompt: r.MaxPrompt, Tools: r.Tools}
		if r.How == "move" {
			rule.How = cheaper.Moved
		}
		if r.Class != "" {
			of := class(r.Class)
			rule.Class = &of
		}
		g.Rules = append(g.Rules, rule)
	}
	return g
}
