package report

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"weir/fit"
	"weir/report/words"
)

// Search is the result of a search for a load.
type Search struct {
	Model    string       `json:"model"`
	Region   string       `json:"region"`
	Options  []fit.Option `json:"options"`
	Rejected []string     `json:"rejected"`
}

// FitSearch writes a table of the options for a load: the first top of them, or
// all with 0.
func FitSearch(out io.Writer, s Search, load fit.Load, top int) error {
	fmt.Fprintf(out, "%s: %g requests a second of %d tokens in, %d out, prices of %s\n\n", s.Model, load.Rate, load.In, load.Out, s.Region)
	shown := s.Options
	if top > 0 && len(shown) > top {
		shown = shown[:top]
	}
	tab := columns(out)
	if len(shown) > 0 {
		fmt.Fprintln(tab, "\tSIZE\tTP\tPP\tREPLICAS\tVMS\tUSED\tTTFT\tTPOT\tPER HOUR\tPER M TOKENS\tBINDS")
	}
	for i, o := range shown {
		hour, million := "not known", "not known"
		if o.Known {
			hour, million = words.Dollars(o.Hour), words.Dollars(o.Million)
		}
		fmt.Fprintf(tab, "%d\t%s\t%d\t%d\t%d\t%d\t%.0f %%\t%.2f s\t%.0f ms\t%s\t%s\t%s\n", i+1, strings.TrimPrefix(o.VM, "Standard_"), o.TP, o.PP, o.Replicas, o.VMs,
			100*o.Used, o.TTFT, 1000*o.TPOT, hour, million, cmp.Or(o.Binds, "-"))
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	writeNotes(out, shown, func(o fit.Option) []string { return o.Warnings })
	writeNotes(out, shown, func(o fit.Option) []string { return o.About })
	if len(s.Options) == 0 {
		fmt.Fprintln(out, "No size meets that:")
		for _, r := range s.Rejected {
			fmt.Fprintln(out, "  "+r)
		}
	} else if n := len(s.Options) - len(shown); n > 0 || len(s.Rejected) > 0 {
		fmt.Fprintf(out, "\n%d more meet it (--top 0), %d do not; --json says why.\n", n, len(s.Rejected))
	}
	return nil
}

// writeNotes writes each note once, with the numbers of its options.
func writeNotes(out io.Writer, shown []fit.Option, of func(fit.Option) []string) {
	about := map[string][]string{}
	var order []string
	for i, o := range shown {
		for _, w := range of(o) {
			if about[w] == nil {
				order = append(order, w)
			}
			about[w] = append(about[w], strconv.Itoa(i+1))
		}
	}
	if len(order) > 0 {
		fmt.Fprintln(out)
	}
	for _, w := range order {
		fmt.Fprintf(out, "%s: %s\n", strings.Join(about[w], ", "), w)
	}
}
