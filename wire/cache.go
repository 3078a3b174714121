package wire

import (
	"bytes"

	"weir"
	"weir/cache"
	"weir/config"
	"weir/gateway"
)

// meaningOf says which stored answers of a model are given to other words; nil: none.
func meaningOf(c *config.ModelCache) *gateway.Meaning {
	if c == nil || c.Semantic == nil {
		return nil
	}
	s := c.Semantic
	return &gateway.Meaning{Embed: s.Embed, Judge: s.Judge, MaxError: s.MaxError.Fraction(), Shadow: s.Shadow, Within: s.Within, Alike: s.Alike.Fraction()}
}

// cachePolicy says which answers of a model are stored; nil: none.
func cachePolicy(c *config.ModelCache) *cache.Policy {
	if c == nil {
		return nil
	}
	p := &cache.Policy{TTL: c.TTL, Shared: c.Shared, Version: c.Version, Normalise: c.Normalise,
		AnyTemperature: c.AnyTemperature, Tools: c.Tools, Stored: c.Stored, SingleFlight: c.SingleFlight}
	for i := range c.Rules {
		r := &c.Rules[i]
		rule := cache.Rule{TTL: r.TTL, Tag: r.Tag, Contains: cache.QuoteContains(r.Contains, c.Normalise)}
		if exact := cache.QuoteContains(r.Contains, false); !bytes.Equal(exact, rule.Contains) {
			rule.Exact = exact
		}
		for op := range weir.Ops() {
			if op.String() == r.Operation {
				rule.Ops = []weir.Op{op}
			}
		}
		if r.Class != "" {
			of := class(r.Class)
			rule.Class = &of
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}
