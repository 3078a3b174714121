package plan

import (
	"slices"
	"strconv"
	"strings"

	"weir"
	"weir/price"
)

// book keeps what a plan took from the catalogue.
type book struct {
	trail   price.Trail
	used    []Figure
	missing []string
	caveats []string // prices that are known and not counted
	noted   map[string]bool
}

// price reads an amount in micro-dollars. When it is not known the name is
// added to lacks.
func (b *book) price(name string, p price.Price, lacks *[]string) float64 {
	amount, known := b.trail.Price(p)
	if !known {
		return b.lack(name, lacks)
	}
	b.note(name, dollars(amount), p.From())
	return float64(amount)
}

// figure reads a number likewise.
func (b *book) figure(name string, f price.Figure, lacks *[]string) float64 {
	v, known := b.trail.Figure(f)
	if !known {
		return b.lack(name, lacks)
	}
	b.note(name, strconv.FormatFloat(v, 'f', -1, 64), f.From())
	return v
}

func (b *book) lack(name string, lacks *[]string) float64 {
	if !slices.Contains(b.missing, name) {
		b.missing = append(b.missing, name)
	}
	if !slices.Contains(*lacks, name) {
		*lacks = append(*lacks, name)
	}
	return 0
}

func (b *book) note(name, value string, from price.Source) {
	if b.noted == nil {
		b.noted = map[string]bool{}
	}
	if b.noted[name] {
		return
	}
	b.noted[name] = true
	b.used = append(b.used, Figure{Name: name, Value: value, Source: from.What, Date: from.Date})
}

func (b *book) stale(now weir.Instant) []string { return b.trail.Stale(now) }

func (b *book) caveat(text string) {
	if !slices.Contains(b.caveats, text) {
		b.caveats = append(b.caveats, text)
	}
}

// dollars writes an amount without needless zeros: "$2.50", "$0.075",
// "$12,345.60".
func dollars(m weir.Money) string {
	s := m.String() // to the cent at least
	for at := strings.IndexByte(s, '.') - 3; at > strings.IndexByte(s, '$')+1; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	for s[len(s)-1] == '0' && s[len(s)-3] != '.' { // two decimals stay
		s = s[:len(s)-1]
	}
	return s
}
