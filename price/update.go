package price

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"weir"
)

// Update gathers rows of the Azure Retail Prices API into a price file.
type Update struct {
	c       *Catalogue
	date    string // of the answers, "2026-11-23"
	found   map[cell]quote
	unknown map[string]bool   // token meters of unknown meaning
	faults  map[string]string // unreadable rows, by meter
}

// cell is one figure of the file.
type cell struct {
	section string // vm_prices, tokens or ptu_prices
	name    string // VM size or deployment type
	model   string // of tokens
	region  string
	field   string
}

// quote is a price and the date it holds from; of several the newest counts.
type quote struct {
	amount weir.Money
	since  string
}

// NewUpdate begins an update of the prices the catalogue needs; date is the day
// of the answers, as 2026-11-23.
func NewUpdate(c *Catalogue, date string) (*Update, error) {
	if _, err := parseDate(date); err != nil {
		return nil, fmt.Errorf("price: date %q is not a date: write 2026-09-23", date)
	}
	return &Update{c: c, date: date, found: map[cell]quote{}, unknown: map[string]bool{}, faults: map[string]string{}}, nil
}

// Add takes the rows of one page; unneeded rows are passed over.
func (u *Update) Add(items []RetailItem) {
	for _, it := range items {
		if !it.current() {
			continue
		}
		var err error
		switch {
		case it.Service == "Virtual Machines":
			err = u.addVM(it)
		case strings.Contains(it.Product, "OpenAI"):
			err = u.addOpenAI(it)
		}
		if err != nil {
			u.faults[it.Meter] = err.Error()
		}
	}
}

func (u *Update) addVM(it RetailItem) error {
	v, err := u.c.VM(it.ArmSKU)
	if err != nil || strings.Contains(it.Product, "Windows") || strings.Contains(it.SKU+it.Meter, "Low Priority") ||
		strings.Contains(it.Product, "CloudServices") || strings.Contains(it.Product, "Cloud Services") {
		return nil // not ours, or not what a plain Linux VM costs
	}
	at := cell{section: "vm_prices", name: v.Name, region: it.Region}
	if it.Type == "Reservation" {
		hours := termHours[it.Term]
		if hours == 0 {
			return nil
		}
		at.field = map[string]string{"1 Year": "year", "3 Years": "three_years"}[it.Term]
		amount, err := it.scaled(1, hours)
		return u.set(at, amount, it.Start, err)
	}
	if it.Unit != "1 Hour" {
		return fmt.Errorf("unit %q is not 1 Hour", it.Unit)
	}
	at.field = "hour"
	if strings.Contains(it.SKU+it.Meter, "Spot") {
		at.field = "spot"
	}
	amount, err := it.scaled(1, 1)
	return u.set(at, amount, it.Start, err)
}

// ptuSKUs maps the skuName of provisioned throughput to the deployment type.
var ptuSKUs = map[string]string{
	"Provisioned Managed Global":    GlobalProvisioned,
	"Provisioned Managed Data Zone": DataZoneProvisioned,
	"Provisioned Managed Regional":  RegionalProvisioned,
}

func (u *Update) addOpenAI(it RetailItem) error {
	if sku := ptuSKUs[it.SKU]; sku != "" {
		return u.addPTU(it, sku)
	}
	m, err := u.c.meters.find("meter", it.Meter)
	if err != nil || m.Meter != it.Meter {
		if strings.Contains(it.Meter, "Tokens") {
			u.unknown[it.Meter] = true
		}
		return nil
	}
	if m.Kind == PTUMeter {
		return u.addPTU(it, m.SKU)
	}
	amount, err := it.perMillion()
	return u.set(cell{"tokens", m.SKU, m.Model, it.Region, string(m.Kind)}, amount, it.Start, err)
}

func (u *Update) addPTU(it RetailItem, sku string) error {
	at := cell{section: "ptu_prices", name: sku, region: it.Region, field: "hour"}
	if it.Type == "Reservation" {
		at.field = map[string]string{"1 Month": "month", "1 Year": "year"}[it.Term]
		if at.field == "" {
			return nil
		}
	} else if it.Unit != "1 Hour" && it.Unit != "1/Hour" {
		return fmt.Errorf("unit %q is not 1 Hour", it.Unit)
	}
	amount, err := it.scaled(1, 1)
	return u.set(at, amount, it.Start, err)
}

func (u *Update) set(at cell, amount weir.Money, since string, err error) error {
	if err != nil {
		return err
	}
	if was, ok := u.found[at]; !ok || since >= was.since {
		u.found[at] = quote{amount, since}
	}
	return nil
}

// Unmapped lists token meters the catalogue does not know: with an entry under
// meters in a price file their prices are read.
func (u *Update) Unmapped() []string { return slices.Sorted(maps.Keys(u.unknown)) }

// Faults lists unreadable rows, with the reason.
func (u *Update) Faults() []string {
	var lines []string
	for _, meter := range slices.Sorted(maps.Keys(u.faults)) {
		lines = append(lines, meter+": "+u.faults[meter])
	}
	return lines
}

// regional deployment types are priced by region. The others have one price: if
// it is the same in every region seen, it is the price everywhere.
var regional = map[string]bool{"Standard": true, RegionalProvisioned: true}

// File is the price file, as Override takes it. The same rows give the same
// bytes.
func (u *Update) File() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Prices read from the Azure Retail Prices API on %s. Written by weir price update.\n\n"+
		"sources:\n  azure-retail: {what: \"Azure Retail Prices API\", url: %q, date: %q}\n", u.date, RetailHost, u.date)
	rows := u.rows()
	for _, section := range []string{"vm_prices", "tokens", "ptu_prices"} {
		written := false
		for _, r := range rows {
			if r.at.section != section {
				continue
			}
			if !written {
				fmt.Fprintf(&b, "\n%s:\n", section)
				written = true
			}
			r.write(&b)
		}
	}
	return []byte(b.String())
}

// row is one entry of the file: cells that differ only in the field.
type row struct {
	at     cell // without field
	fields map[string]weir.Money
}

func (u *Update) rows() []row {
	differs := u.differs()
	byPlace := map[cell]map[string]weir.Money{}
	for at, q := range u.found {
		place := at
		place.field = ""
		if !differs[place.everywhere()] {
			place.region = ""
		}
		if byPlace[place] == nil {
			byPlace[place] = map[string]weir.Money{}
		}
		byPlace[place][at.field] = q.amount
	}
	var rows []row
	for at, fields := range byPlace {
		rows = append(rows, row{at, fields})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.at.model, b.at.model), cmp.Compare(a.at.name, b.at.name), cmp.Compare(a.at.region, b.at.region))
	})
	return rows
}

// everywhere is the cell without region and field.
func (c cell) everywhere() cell {
	c.region, c.field = "", ""
	return c
}

// differs are the entries to write by region: those priced by region, and those
// with a figure that was not the same in all regions seen.
func (u *Update) differs() map[cell]bool {
	differs := map[cell]bool{}
	first := map[cell]weir.Money{}
	for at, q := range u.found {
		if at.section == "vm_prices" || regional[at.name] {
			differs[at.everywhere()] = true
		}
		figure := at
		figure.region = ""
		if amount, seen := first[figure]; seen && amount != q.amount {
			differs[at.everywhere()] = true
		} else if !seen {
			first[figure] = q.amount
		}
	}
	return differs
}

func (r row) write(b *strings.Builder) {
	switch r.at.section {
	case "vm_prices":
		fmt.Fprintf(b, "- {vm: %q", r.at.name)
	case "tokens":
		fmt.Fprintf(b, "- {model: %q, sku: %q", r.at.model, r.at.name)
	default:
		fmt.Fprintf(b, "- {sku: %q", r.at.name)
	}
	if r.at.region != "" {
		fmt.Fprintf(b, ", region: %q", r.at.region)
	}
	b.WriteString(", source: azure-retail")
	for _, f := range slices.Sorted(maps.Keys(r.fields)) {
		fmt.Fprintf(b, ", %s: %s", f, decimal(r.fields[f]))
	}
	b.WriteString("}\n")
}

// decimal writes an amount in dollars without needless zeros.
func decimal(m weir.Money) string {
	s := strconv.FormatInt(int64(m/weir.Dollar), 10)
	if rest := m % weir.Dollar; rest != 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%06d", rest), "0")
	}
	return s
}
