package report

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"weir/price"
	"weir/report/words"
)

// kind is one kind of entry in the catalogue.
type kind struct {
	name, what string
	entries    func(*price.Catalogue) []any
}

// ownPrices is the usual name of a user's own prices file.
const ownPrices = "prices.yaml"

var kinds = []kind{
	{"gpus", "accelerators", func(c *price.Catalogue) []any { return anys(c.GPUs()) }},
	{"vms", "Azure VM sizes with GPUs", func(c *price.Catalogue) []any { return anys(c.VMs()) }},
	{"vm-prices", "prices of VM sizes by region", func(c *price.Catalogue) []any { return anys(c.VMPrices()) }},
	{"regions", "Azure regions", func(c *price.Catalogue) []any { return anys(c.Regions()) }},
	{"models", "shapes of open models", func(c *price.Catalogue) []any { return anys(c.Models()) }},
	{"tokens", "token prices of Azure OpenAI", func(c *price.Catalogue) []any { return anys(c.AllTokens()) }},
	{"ptus", "tokens a PTU carries", func(c *price.Catalogue) []any { return anys(c.PTUs()) }},
	{"ptu-prices", "prices of a PTU", func(c *price.Catalogue) []any { return anys(c.PTUPrices()) }},
	{"services", "Azure services that run models", func(c *price.Catalogue) []any { return anys(c.Services()) }},
	{"online-endpoints", "managed online endpoints of Azure ML", func(c *price.Catalogue) []any { return anys(c.OnlineEndpoints()) }},
	{"batch-endpoints", "batch endpoints of Azure ML", func(c *price.Catalogue) []any { return anys(c.BatchEndpoints()) }},
	{"container-instances", "serverless containers", func(c *price.Catalogue) []any { return anys(c.ContainerInstances()) }},
	{"redis", "Azure's managed Redis", func(c *price.Catalogue) []any { return anys(c.Redises()) }},
	{"redis-sizes", "sizes and prices of Redis", func(c *price.Catalogue) []any { return anys(c.RedisSizes()) }},
	{"sources", "where figures come from, with dates", func(c *price.Catalogue) []any { return anys(c.Sources()) }},
}

func anys[T any](list []T) []any {
	all := make([]any, len(list))
	for i := range list {
		all[i] = list[i]
	}
	return all
}

// PriceKinds names the kinds of the catalogue, in the order of the list.
func PriceKinds() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// PriceList writes the number of entries of each kind, and of their unknown
// figures.
func PriceList(out io.Writer, c *price.Catalogue) error {
	w := columns(out)
	for _, k := range kinds {
		entries, missing := rows(k.entries(c)), 0
		for _, row := range entries {
			for _, c := range row {
				if c.missing() {
					missing++
				}
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", k.name, len(entries), k.what, lacks(len(entries), missing))
	}
	return w.Flush()
}

// lacks is the number of unknown figures, in words.
func lacks(entries, missing int) string {
	switch {
	case entries == 0:
		return "none known"
	case missing > 0:
		return words.Count(missing, "figure") + " not known"
	}
	return ""
}

// cell is one field of an entry.
type cell struct {
	name, value string
	from        price.Source // of a figure
	known       bool
	figure      bool
}

// cells are the fields of an entry, in its own order.
func cells(entry any) []cell {
	v := reflect.ValueOf(entry)
	var all []cell
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "-" {
			name = "id"
		}
		c := cell{name: name}
		switch f := v.Field(i).Interface().(type) {
		case price.Figure:
			c.figure, c.known, c.from = true, f.Known(), f.From()
			if c.known {
				c.value = fmt.Sprintf("%v", f.Value())
			}
		case price.Price:
			c.figure, c.known, c.from = true, f.Known(), f.From()
			if c.known {
				c.value = f.Amount().String()
			}
		case price.Steps:
			if f.Increment > 0 {
				c.value = fmt.Sprintf("%d by %d", f.Minimum, f.Increment)
			}
		case []string:
			c.value = strings.Join(f, ", ")
		default:
			if !v.Field(i).IsZero() {
				c.value = fmt.Sprint(f)
			}
		}
		all = append(all, c)
	}
	return all
}

// notMapped names the entries whose prices no update can read.
func notMapped(rows [][]cell) []string {
	var names []string
	for _, row := range rows {
		if slices.ContainsFunc(row, func(c cell) bool { return c.name == "retail" && c.value == string(price.RetailNotMapped) }) {
			names = append(names, row[0].value)
		}
	}
	return names
}

// missing says whether no source has the figure.
func (c cell) missing() bool { return c.figure && !c.known }

// entriesOf are the rows of a kind.
func entriesOf(c *price.Catalogue, name string) [][]cell {
	for _, k := range kinds {
		if k.name == name {
			return rows(k.entries(c))
		}
	}
	return nil
}

func rows(entries []any) [][]cell {
	all := make([][]cell, len(entries))
	for i, e := range entries {
		all[i] = cells(e)
	}
	return all
}

// PricesJSON writes the entries of one kind of PriceKinds as objects; unknown
// figures are null.
func PricesJSON(out io.Writer, c *price.Catalogue, kind string) error {
	rows := entriesOf(c, kind)
	objects := []map[string]any{}
	for _, row := range rows {
		o := map[string]any{}
		for _, c := range row {
			switch {
			case c.missing():
				o[c.name] = nil
			case c.value != "":
				o[c.name] = c.value
			}
		}
		objects = append(objects, o)
	}
	return JSON(out, objects, "  ")
}

// Prices writes a table of the entries of one kind of PriceKinds: a row per
// entry, without columns that are long or completely empty.
func Prices(out io.Writer, c *price.Catalogue, kind string) error {
	rows := entriesOf(c, kind)
	var text text
	if len(rows) == 0 {
		text.linef("No entries: state yours under %s in your %s.", strings.ReplaceAll(kind, "-", "_"), ownPrices)
		return text.to(out)
	}
	lines := make([]string, len(rows)+1)
	var unknown []string
	for i, head := range rows[0] {
		if head.name == "note" || head.name == "also" {
			continue
		}
		if !slices.ContainsFunc(rows, func(r []cell) bool { return r[i].value != "" }) {
			if head.figure {
				unknown = append(unknown, head.name)
			}
			continue
		}
		lines[0] += head.name + "\t"
		for n, row := range rows {
			lines[n+1] += row[i].value + "\t"
		}
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\t")
	}
	text.table(lines...)
	if len(unknown) > 0 {
		text.linef("Unknown for all: %s.", strings.Join(unknown, ", "))
	}
	if names := notMapped(rows); len(names) > 0 {
		text.linef("weir price update does not read prices of %s: their meters are not mapped.", strings.Join(names, ", "))
	}
	return text.to(out)
}
