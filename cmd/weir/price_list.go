package main

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir"
	"weir/price"
)

// kinds of the catalogue, as `weir price list` names them, with the entries of
// each.
var kinds = []struct {
	name, what string
	entries    func(*price.Catalogue) []any
}{
	{"gpus", "accelerators", func(c *price.Catalogue) []any { return anys(c.GPUs()) }},
	{"vms", "Azure VM sizes with GPUs", func(c *price.Catalogue) []any { return anys(c.VMs()) }},
	{"vm-prices", "what a size costs in a region", func(c *price.Catalogue) []any { return anys(c.VMPrices()) }},
	{"models", "shapes of open models", func(c *price.Catalogue) []any { return anys(c.Models()) }},
	{"tokens", "token prices of Azure OpenAI", func(c *price.Catalogue) []any { return anys(c.AllTokens()) }},
	{"ptus", "what a PTU carries", func(c *price.Catalogue) []any { return anys(c.PTUs()) }},
	{"ptu-prices", "what a PTU costs", func(c *price.Catalogue) []any { return anys(c.PTUPrices()) }},
	{"services", "Azure services that run models", func(c *price.Catalogue) []any { return anys(c.Services()) }},
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
there are of each. Empty cells are figures nobody knows.`,
		Example: `  weir price list
  weir price list vm-prices
  weir price list tokens --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := catalogue(prices)
			if err != nil {
				return configError{err}
			}
			if len(args) == 0 {
				return listKinds(cmd.OutOrStdout(), c)
			}
			i := slices.IndexFunc(kinds, func(k struct {
				name, what string
				entries    func(*price.Catalogue) []any
			}) bool {
				return k.name == args[0]
			})
			if i < 0 || len(args) > 1 {
				return usageError{cmd.CommandPath(), fmt.Errorf("unknown kind %q: one of %s", strings.Join(args, " "), kindNames())}
			}
			return listEntries(cmd.OutOrStdout(), kinds[i].entries(c), asJSON)
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
		fmt.Fprintf(w, "%s\t%d\t%s\n", k.name, len(k.entries(c)), k.what)
	}
	return w.Flush()
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
				c.value = trimmed(f.Amount())
			}
		case price.Steps:
			if f.Increment > 0 {
				c.value = fmt.Sprintf("%d by %d", f.Minimum, f.Increment)
			}
		case []string:
			c.value = strings.Join(f, " ")
		default:
			if !v.Field(i).IsZero() {
				c.value = fmt.Sprint(f)
			}
		}
		all = append(all, c)
	}
	return all
}

// trimmed writes an amount in dollars without needless zeros.
func trimmed(m weir.Money) string {
	s := m.String()
	for s[len(s)-1] == '0' && s[len(s)-3] != '.' {
		s = s[:len(s)-1]
	}
	return s
}

func listEntries(out io.Writer, entries []any, asJSON bool) error {
	var rows [][]cell
	for _, e := range entries {
		rows = append(rows, cells(e))
	}
	if asJSON {
		objects := []map[string]string{}
		for _, row := range rows {
			o := map[string]string{}
			for _, c := range row {
				if c.value != "" {
					o[c.name] = c.value
				}
			}
			objects = append(objects, o)
		}
		return writeJSON(out, objects)
	}
	if len(rows) == 0 {
		return nil
	}
	var text planText
	var lines []string
	for n := range len(rows) + 1 {
		var line []string
		for i, head := range rows[0] {
			if head.name == "note" || head.name == "also" || !slices.ContainsFunc(rows, func(r []cell) bool { return r[i].value != "" }) {
				continue // long, or empty in all
			}
			if n == 0 {
				line = append(line, head.name)
			} else {
				line = append(line, rows[n-1][i].value)
			}
		}
		lines = append(lines, strings.Join(line, "\t"))
	}
	text.table(lines...)
	_, err := io.WriteString(out, text.String())
	return err
}
