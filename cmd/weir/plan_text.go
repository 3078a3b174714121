package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"weir"
	"weir/plan"
)

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// planText writes an answer for people.
type planText struct {
	strings.Builder
}

func writePlan(w io.Writer, a plan.Answer) error {
	var t planText
	t.demand(a.Demand)
	t.options(a)
	t.arithmetic(a)
	t.breakEven(a)
	t.figures(a)
	_, err := io.WriteString(w, t.String())
	return err
}

func (t *planText) linef(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// title begins a section.
func (t *planText) title(text string) {
	if t.Len() > 0 {
		t.linef("")
	}
	t.linef("%s", text)
}

// table aligns columns; cells are separated by tabs.
func (t *planText) table(rows ...string) {
	w := tabwriter.NewWriter(t, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, "  "+r) // to a strings.Builder: cannot fail
	}
	_ = w.Flush()
}

func (t *planText) demand(s plan.Summary) {
	t.title("Demand of a month")
	of := s.Model
	if s.OpenModel != "" {
		of = strings.TrimPrefix(of+" or "+s.OpenModel, " or ")
	}
	t.linef("  %s: %s requests, %s tokens in (%s of them cached), %s out", of, short(s.Requests), short(s.Input),
		percent(s.Cached, s.Input), short(s.Output))
	t.linef("  busiest minute: %s requests, %s tokens; counted over %s", short(s.PeakRPM), short(s.PeakTPM), count(s.Minutes, "minute"))
}

func (t *planText) options(a plan.Answer) {
	t.title("Alternatives")
	rows := []string{"a month\tper 1M tokens\tper request\tused\t"}
	for _, o := range a.Options {
		if o.Available() {
			rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s", dollars(o.Month), dollars(o.PerMillion), fine(o.PerRequest), used(o), name(o)))
		}
	}
	t.table(rows...)
	var out []string
	for _, o := range a.Options {
		switch {
		case len(o.Missing) > 0:
			out = append(out, name(o)+": no price, not known: "+strings.Join(o.Missing, "; "))
		case o.Refused != "":
			out = append(out, name(o)+": "+o.Refused)
		}
	}
	if len(out) > 0 {
		t.linef("Not to be had")
		for _, line := range out {
			t.linef("  %s", line)
		}
	}
}

// name is an alternative in a few words.
func name(o plan.Option) string {
	if o.PTUs > 0 {
		return fmt.Sprintf("%d %s", o.PTUs, o.Name)
	}
	return o.Name
}

func used(o plan.Option) string {
	if o.Utilisation == 0 {
		return "-"
	}
	return percent(o.Utilisation, 1)
}

func (t *planText) arithmetic(a plan.Answer) {
	best, ok := a.Best()
	if !ok {
		return
	}
	t.title("The cheapest: " + name(best))
	for _, l := range best.Lines {
		t.linef("  %s = %s", l.What, dollars(l.Amount))
	}
	for _, b := range best.Binds {
		t.linef("  %s binds: %s", b.What, b.Why)
	}
}

func (t *planText) breakEven(a plan.Answer) {
	if len(a.Sizing) == 0 {
		return
	}
	t.title("Provisioned throughput")
	for _, s := range a.Sizing {
		t.linef("  %s: the busiest minute needs %.2f, so %d PTUs (at least %d, by %d)", s.SKU, s.Exact, s.PTUs, s.Minimum, s.Increment)
	}
	for _, b := range a.BreakEven {
		verdict := fmt.Sprintf("cheaper than pay-as-you-go from %s use on", percent(b.Utilisation, 1))
		if b.Utilisation > 1 {
			verdict = fmt.Sprintf("never cheaper: it would have to be used %s", percent(b.Utilisation, 1))
		}
		t.linef("  %s by the %s: a PTU costs %s a month and, always full, carries what pay-as-you-go sells for %s: %s",
			b.SKU, b.Term, dollars(b.PTUMonth), dollars(b.Worth), verdict)
	}
	if d := a.Today; d != nil {
		t.linef("  Today's %d PTUs would be used %s; %s of the load does not fit them, and in %s of minutes they are full",
			d.PTUs, percent(d.Utilisation, 1), percent(d.Over, 1), percent(d.Full, 1))
	}
}

func (t *planText) figures(a plan.Answer) {
	t.title("Figures used")
	var rows []string
	for _, f := range a.Figures {
		date := f.Date
		if date == "" {
			date = "date not known"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s, %s", f.Name, f.Value, f.Source, date))
	}
	t.table(rows...)
	for _, line := range a.Stale {
		t.linef("  old: %s", line)
	}
	for _, name := range a.Missing {
		t.linef("  not known: %s", name)
	}
}

// dollars rounds to cents and groups thousands: "$12,345.68".
func dollars(m weir.Money) string {
	const cent = weir.Dollar / 100
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	m = (m + cent/2) / cent
	return fmt.Sprintf("%s$%s.%02d", sign, grouped(int64(m/100)), m%100)
}

// fine writes small amounts in full.
func fine(m weir.Money) string {
	if m >= weir.Dollar {
		return dollars(m)
	}
	return m.String()
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short writes a large number with four digits: "43.8M".
func short(n float64) string {
	for _, u := range []struct {
		name string
		from float64
	}{{"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e4}} {
		if n >= u.from {
			if u.name == "k" {
				u.from = 1e3
			}
			return strconv.FormatFloat(n/u.from, 'g', 4, 64) + u.name
		}
	}
	return strconv.FormatFloat(n, 'g', 4, 64)
}

func percent(part, whole float64) string {
	if whole == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.4g %%", 100*part/whole)
}
