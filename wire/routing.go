package wire

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"net/textproto"

	"weir/canary"
	"weir/config"
	"weir/dispatch"
	"weir/gateway"
	"weir/meter"
	"weir/price"
)

// This file turns the versions and copies of weir.yaml into the gateway's
// options.

func hedge(h *config.Hedge) dispatch.Hedge {
	if h == nil {
		return dispatch.Hedge{}
	}
	return dispatch.Hedge{Share: h.Share.Fraction()}
}

func sticky(s config.Split) gateway.Sticky {
	switch s.Sticky {
	case "key":
		return gateway.Sticky{By: gateway.StickyKey}
	case "header":
		return gateway.Sticky{By: gateway.StickyHeader, Header: textproto.CanonicalMIMEHeaderKey(s.Header)}
	}
	return gateway.Sticky{}
}

// Canary is a deployment's canary; nil if it has none.
func Canary(d *config.Deployment, upstreamModel string, addrs []string) *gateway.Canary {
	c := d.Canary
	if c == nil {
		return nil
	}
	p := canary.Plan{
		MinRequests: c.MinRequests, MinTime: c.MinTime,
		FalseAlarm: c.FalseAlarm.Fraction(), Slower: c.Slower.Fraction(),
	}
	for _, s := range c.Steps {
		p.Steps = append(p.Steps, int(math.Round(s.Fraction()*canary.Whole)))
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %v %q %q", c.Version, c.Of, p.Steps, upstreamModel, addrs)
	if o, ok := ownOf(d); ok {
		fmt.Fprintf(h, " %q", o.Command)
	}
	if k := d.Kubernetes; k != nil {
		fmt.Fprintf(h, " %q", []string{k.APIVersion, k.Kind, k.Namespace, k.Name})
	}
	if a := d.AzureML; a != nil {
		fmt.Fprintf(h, " %q", []string{a.ResourceGroup, a.Workspace, a.Endpoint, a.Deployment})
	}
	if a := d.ACI; a != nil {
		fmt.Fprintf(h, " %q %q", append([]string{a.ResourceGroup, a.Owner, a.Image}, a.Command...), a.Environment) // fmt sorts a map
	}
	p.Trial = fmt.Sprintf("%016x", h.Sum64())
	return &gateway.Canary{Of: c.Of, Plan: p}
}

func mirror(d *config.Deployment) *gateway.Mirror {
	if d.Mirror == nil {
		return nil
	}
	return &gateway.Mirror{Share: d.Mirror.Share.Fraction(), MaxConcurrent: d.Mirror.MaxConcurrent}
}

// Spillover is the spillover Azure itself does for a full provisioned
// deployment, and its price: the file's, else the catalogue's for the global
// standard deployment of the same model. A model without a price there keeps
// the deployment's own price; an error only where the file asks for spillover.
func Spillover(m *config.Model, a *config.AzureOpenAI) (gateway.Spillover, error) {
	var s gateway.Spillover
	if a.PTU == 0 {
		return s, nil
	}
	if a.Spillover != nil {
		s.To = a.Spillover.Deployment
		if p := a.Spillover.Price; p != nil {
			r, text, err := Price(*p)
			if err != nil {
				return s, err
			}
			s.Rates, s.Price = &r, text
			return s, nil
		}
	}
	catalogue, err := price.Default()
	if err != nil {
		return s, err
	}
	tokens, err := catalogue.Tokens(cmp.Or(a.PTUModel, m.Name), "GlobalStandard", "")
	if err == nil {
		var r meter.Rates
		if r, err = meter.RatesOf(tokens, false); err == nil {
			s.Rates = &r
			s.Price = r.String() + " (catalogue " + tokens.Model + " " + tokens.SKU + ", " + tokens.Input.From().String() + ")"
			return s, nil
		}
	}
	if a.Spillover != nil {
		return s, fmt.Errorf("%w; say what tokens cost there with spillover.price", err)
	}
	return s, nil
}
