package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Compared counts the alternatives the recommendation was compared with, and
// those it could not be compared with.
type Compared struct {
	Priced    int      `json:"priced"`             // available, at a known price
	Estimated int      `json:"estimated"`          // of Priced, at prices of another region
	Refused   int      `json:"refused"`            // not available, or not worthwhile
	Unpriced  int      `json:"unpriced"`           // without a known price
	Sizes     []string `json:"unpriced_sizes"`     // GPU sizes among them
	Lacks     []string `json:"lacks,omitempty"`    // missing prices of the others
	Reads     bool     `json:"update_reads"`       // `weir price update` reads some of these prices
	From      string   `json:"estimate,omitempty"` // region with prices of most of Sizes; "": none has any
	Estimable int      `json:"estimable"`          // Sizes that have a price there
}

// compared counts the alternatives of the whole demand.
func (m *market) compared(options []Option) Compared {
	c := Compared{Sizes: []string{}}
	for _, o := range options {
		switch {
		case len(o.Missing) > 0:
			c.Unpriced++
			m.lacks(&c, o)
		case o.Refused != "":
			c.Refused++
		default:
			c.Priced++
			if o.Estimated != "" {
				c.Estimated++
			}
		}
	}
	c.From, c.Estimable = m.standIn(c.Sizes)
	return c
}

func (m *market) lacks(c *Compared, o Option) {
	if o.Kind == Own {
		c.Reads = true // an update reads every size
		c.Sizes = append(c.Sizes, short(o.SKU))
		return
	}
	for _, sku := range []string{o.SKU, o.Spill} {
		c.Reads = c.Reads || m.c.AsksTokens(m.d.Model, sku)
	}
	for _, name := range o.Missing {
		if !slices.Contains(c.Lacks, name) {
			c.Lacks = append(c.Lacks, name)
		}
	}
}

// standIn is the region with prices for most of the sizes, and their number.
func (m *market) standIn(sizes []string) (string, int) {
	priced := map[string]int{}
	for _, p := range m.c.VMPrices() {
		if p.Hour.Known() && p.Region != m.d.Region && slices.Contains(sizes, short(p.VM)) {
			priced[p.Region]++
		}
	}
	if len(priced) == 0 {
		return "", 0
	}
	best := slices.MinFunc(slices.Sorted(maps.Keys(priced)), func(a, b string) int { return cmp.Compare(priced[b], priced[a]) })
	return best, priced[best]
}

// lead begins the recommendation: the alternatives it is the cheapest of.
func (c Compared) lead() string {
	switch {
	case c.Unpriced == 0 && c.Priced == 1:
		return "The only alternative: "
	case c.Unpriced == 0:
		return fmt.Sprintf("Cheapest of %d alternatives: ", c.Priced)
	case c.Priced == 1:
		return fmt.Sprintf("The only one of %d alternatives with a known price: ", 1+c.Unpriced)
	}
	return fmt.Sprintf("Cheapest of the %d alternatives with a known price: ", c.Priced)
}

// unpriced names the alternatives without a price, and says how to get one.
func (m *market) unpriced(c Compared) string {
	if c.Unpriced == 0 {
		return ""
	}
	what, have := "alternatives have", "any of them may"
	if c.Unpriced == 1 {
		what, have = "alternative has", "it may"
	}
	var names []string
	if len(c.Sizes) > 0 {
		names = append(names, fmt.Sprintf("GPU sizes%s (%s)", in(m.d.Region), strings.Join(c.Sizes, ", ")))
	}
	text := fmt.Sprintf("Not compared: %d more %s no known price, and %s cost less: %s.", c.Unpriced, what, have,
		strings.Join(append(names, c.Lacks...), "; "))
	if c.Reads {
		text += " Read prices with \"weir price update"
		if m.d.Region != "" {
			text += " --region " + m.d.Region
		}
		text += "\", or state yours in a price file."
	} else {
		text += " State them in a price file: weir price update does not read them."
	}
	if c.From != "" && m.d.Estimate == "" {
		text += fmt.Sprintf(" --estimate-from %s estimates %d of the sizes.", c.From, c.Estimable)
	}
	return text
}

func in(region string) string {
	if region == "" {
		return ""
	}
	return " in " + region
}

// estimated names the alternatives at prices of another region.
func (m *market) estimated(c Compared) string {
	if c.Estimated == 0 {
		return ""
	}
	return fmt.Sprintf("Estimated: %d of the alternatives are at prices of %s, because those of %s are not known.", c.Estimated, m.d.Estimate, m.d.Region)
}
