package plan

import (
	"fmt"

	"weir/price"
)

// readRegions spells the demand's regions as the catalogue does, and refuses
// unknown ones: they have no prices, and the remaining alternatives would look
// like the cheapest.
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

// tokens finds token prices in the demand's region; if there are none, in the
// region that replaces it, and returns that region's name.
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

// ptuPrice finds the price of a PTU in the same way.
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

// vmPrice finds the price of a VM size in the same way. An entry without an
// hourly price counts as none.
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
