package price

import (
	"fmt"
	"slices"
	"time"

	"weir"
)

// Trail collects the figures a calculation took from the catalogue: its answer
// can then name every source, the old ones and the missing figures. The zero
// value is ready.
type Trail struct {
	sources []Source
	missing []string
}

// Figure returns the number and notes its source; if it is unknown, false and a
// note of the missing figure.
func (t *Trail) Figure(f Figure) (float64, bool) {
	t.note(f.known, f.name, f.from)
	return f.value, f.known
}

// Price returns the amount and notes its source; if it is unknown, false and a
// note of the missing price.
func (t *Trail) Price(p Price) (weir.Money, bool) {
	t.note(p.known, p.name, p.from)
	return p.amount, p.known
}

func (t *Trail) note(known bool, name string, from *Source) {
	switch {
	case !known:
		if !slices.Contains(t.missing, name) {
			t.missing = append(t.missing, name)
		}
	case from != nil && !slices.Contains(t.sources, *from):
		t.sources = append(t.sources, *from)
	}
}

// Missing lists the unknown figures that were asked for.
func (t *Trail) Missing() []string { return slices.Clone(t.missing) }

// Stale lists, one line each, the used sources that are older than StaleAfter
// or of unknown age, and whether an update renews them.
func (t *Trail) Stale(now weir.Instant) []string { return stale(t.sources, now) }

// Stale lists the same for the whole catalogue.
func (c *Catalogue) Stale(now weir.Instant) []string { return stale(c.Sources(), now) }

func stale(sources []Source, now weir.Instant) []string {
	var lines []string
	for _, s := range sources {
		if !s.Stale(now) {
			continue
		}
		if at, known := s.AsOf(); known {
			days := int(now.Sub(at) / (24 * time.Hour))
			lines = append(lines, fmt.Sprintf("%s is %d days old (%s: %s); %s", s.ID, days, s.Date, s.What, s.renewal()))
		} else {
			lines = append(lines, fmt.Sprintf("%s is of unknown age (%s); %s", s.ID, s.What, s.renewal()))
		}
	}
	return lines
}
