package plan

import (
	"slices"
	"strconv"

	"weir"
	"weir/price"
	"weir/report/words"
)

// book records the figures a plan took from the catalogue.
type book struct {
	trail   price.Trail
	used    []Figure
	missing []string
	caveats []string // known prices that are not counted
	noted   map[string]bool
}

// price reads an amount in micro-dollars. The name of an unknown one is added
// to lacks.
func (b *book) price(name string, p price.Price, lacks *[]string) float64 {
	amount, known := b.trail.Price(p)
	if !known {
		return b.lack(name, lacks)
	}
	b.note(name, words.Exact(amount), p.From())
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
