package main

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/price"
	"weir/report/words"
)

// kind is one of the catalogue, as `weir price list` names it.
type kind struct {
	name, what string
	entries    func(*price.Catalogue) []any
}

var kinds = []kind{
	{"gpus", "accelerators", func(c *price.Catalogue) []any { return anys(c.GPUs()) }},
	{"vms", "Azure VM sizes with GPUs", func(c *price.Catalogue) []any { return anys(c.VMs()) }},
	{"vm-prices", "what a size costs in a region", func(c *price.Catalogue) []any { return anys(c.VMPrices()) }},
	{"regions", "Azure regions", func(c *price.Catalogue) []any { return anys(c.Regions()) }},
	{"models", "shapes of open models", func(c *price.Catalogue) []any { return anys(c.Models()) }},
	{"tokens", "token prices of Azure OpenAI", func(c *price.Catalogue) []any { return anys(c.AllTokens()) }},
	{"ptus", "what a PTU carries", func(c *price.Catalogue) []any { return anys(c.PTUs()) }},
	{"ptu-prices", "what a PTU costs", func(c *price.Catalogue) []any { return anys(c.PTUPrices()) }},
	{"services", "Azure services that run models", func(c *price.Catalogue) []any { return anys(c.Services()) }},
	{"online-endpoints", "managed online endpoints of Azure ML", func(c *price.Catalogue) []any { return anys(c.OnlineEndpoints()) }},
	{"batch-endpoints", "batch endpoints of Azure ML", func(c *price.Catalogue) []any { return anys(c.BatchEndpoints()) }},
	{"container-instances", "containers without machines", func(c *price.Catalogue) []any { return anys(c.ContainerInstances()) }},
	{"redis", "Redis that Azure runs", func(c *price.Catalogue) []any { return anys(c.Redises()) }},
	{"redis-sizes", "sizes of a Redis and what they cost", func(c *price.Catalogue) []any { return anys(c.RedisSizes()) }},
	{"sources", "who says so, and when", func(c *price.Catalogue) []any { return anys(c.Sources()) }},
}

func anys[T any](list []T) []any {
	all := make([]any, len(list))
	for i := range list {
		all[i] = list[i]
	}
	return all
}

func newPriceList() *cobra.Command {
	var prices string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [KIND]",
		Short: "List the catalogue, or one kind of it",
		Long: `List prints every entry of one kind of the catalogue; without a kind, how many
there are of each and how many of their figures are not known. Empty cells are
figures nobody knows; in JSON they are null.`,
		Example: `  weir price list
  weir price list vm-prices
  weir price list tokens --json`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return strings.Split(kindNames(), ", "), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := catalogue(prices)
			if err != nil {
				return configError{err}
			}
			if len(args) == 0 {
				return listKinds(cmd.OutOrStdout(), c)
			}
			i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == args[0] })
			if i < 0 || len(args) > 1 {
				return usageError{cmd.CommandPath(), fmt.Errorf("unknown kind %q: one of %s", strings.Join(args, " "), kindNames())}
			}
			if asJSON {
				return listJSON(cmd.OutOrStdout(), rows(kinds[i].entries(c)))
			}
			return listEntries(cmd.OutOrStdout(), kinds[i].name, rows(kinds[i].entries(c)))
		},
	}
	cmd.Flags().StringVar(&prices, "prices", "", "`file` of prices over the catalogue (default: those in your folder)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func kindNames() string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return strings.Join(names, ", ")
}

func listKinds(out io.Writer, c *price.Catalogue) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
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

// lacks says how many figures are not known.
func lacks(entries, missing int) string {
	switch {
	case entries == 0:
		return "none is known"
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

// missing reports a figure no source states.
func (c cell) missing() bool { return c.figure && !c.known }

func rows(entries []any) [][]cell {
	all := make([][]cell, len(entries))
	for i, e := range entries {
		all[i] = cells(e)
	}
	return all
}

func listJSON(out io.Writer, rows [][]cell) error {
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
	return writeJSON(out, objects)
}

// listEntries prints a table: a row per entry, without columns that are long or
// empty in all.
func listEntries(out io.Writer, name string, rows [][]cell) error {
	var text planText
	if len(rows) == 0 {
		text.linef("None is known: state yours under %s in your %s.", strings.ReplaceAll(name, "-", "_"), ownPrices)
		_, err := io.WriteString(out, text.String())
		return err
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
		text.linef("Not known of any: %s.", strings.Join(unknown, ", "))
	}
	if names := notMapped(rows); len(names) > 0 {
		text.linef("weir price update asks for no price of %s: the meters are not mapped.", strings.Join(names, ", "))
	}
	_, err := io.WriteString(out, text.String())
	return err
}
