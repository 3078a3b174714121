package plan

import (
	"fmt"

	"weir/price"
)

// readRegions writes the regions of the demand as the catalogue does, and
// refuses those it does not have: a name nobody sells in has no prices, and what
// is left would pass for the cheapest.
func (m *market) readRegions() error {
	for _, name := range []*string{&m.d.Region, &m.d.Estimate} {
		if *name == "" {
			continue
		}
		r, err := m.c.Region(*name)
		if err != nil {
			return fmt.Errorf("plan: %w", err)
		}
		*name = r.Name
	}
	return nil
}

// tokens finds token prices in the region of the demand; where there are none,
// in the region that stands in for it, whose name is returned then.
func (m *market) tokens(model, sku string) (price.Tokens, string, error) {
	t, err := m.c.Tokens(model, sku, m.d.Region)
	if err == nil || m.d.Estimate == "" {
		return t, "", err
	}
	if t, err = m.c.Tokens(model, sku, m.d.Estimate); err != nil {
		return t, "", err
	}
	return t, m.d.Estimate, nil
}

// ptuPrice finds the price of a PTU likewise.
func (m *market) ptuPrice(sku string) (price.PTUPrice, string, error) {
	p, err := m.c.PTUPrice(sku, m.d.Region)
	if err == nil || m.d.Estimate == "" {
		return p, "", err
	}
	if p, err = m.c.PTUPrice(sku, m.d.Estimate); err != nil {
		return p, "", err
	}
	return p, m.d.Estimate, nil
}

// vmPrice finds the price of a VM size likewise. An entry without the price of
// an hour is as good as none.
func (m *market) vmPrice(size string) (price.VMPrice, string, error) {
	p, err := m.c.VMPrice(size, m.d.Region)
	if err == nil && p.Hour.Known() || m.d.Estimate == "" {
		return p, "", err
	}
	other, otherErr := m.c.VMPrice(size, m.d.Estimate)
	if otherErr != nil || !other.Hour.Known() {
		return p, "", err
	}
	return other, m.d.Estimate, nil
}
