// Package bill compares the ledger's bookings with a provider's bill: day by
// day, model by model, meter by meter.
//
// It reads two kinds of export. Azure's "cost and usage details", the actual
// costs of Cost Management as CSV (Microsoft, "Understand cost details fields",
// learn.microsoft.com/azure/cost-management-billing/automate/understand-usage-details-fields):
// the columns Date, MeterName, Quantity, UnitOfMeasure, CostInBillingCurrency
// and BillingCurrencyCode, or costInUsd, in any case; and OpenAI's pages of GET
// /v1/organization/usage/completions?group_by=model and of GET
// /v1/organization/costs?group_by=line_item as JSON (OpenAI, API reference,
// "Usage"). It is pure: its caller reads the bytes and the rows. It knows no
// database and no command line.
package bill

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"weir"
	"weir/meter"
)

// Kind is the kind of usage a line counts. The words are those of
// price.MeterKind.
type Kind string

const (
	Input    Kind = "input" // prompt tokens that are of no other kind
	Cached   Kind = "cached"
	Write    Kind = "cache_write"
	Output   Kind = "output"
	AudioIn  Kind = "audio_prompt"
	AudioOut Kind = "audio_completion"
	Requests Kind = "requests"
	Cost     Kind = "cost" // of a model, all its meters together
)

// Line is the usage of one meter of a model on one day.
type Line struct {
	Day    string // 2026-11-30, UTC
	Model  string // "" if the export's meter is unknown
	Meter  string // its name in the export
	Kind   Kind   // "" if unknown
	Tokens int64  // or requests
	Cost   weir.Money
	Priced bool // Cost is given
}

// Meters gives the meaning of a provider's meter, by its exact name.
type Meters func(name string) (model string, kind Kind, ok bool)

// Difference is a difference between ledger and export.
type Difference struct {
	Day    string `json:"day"`
	Model  string `json:"model"`
	Meter  string `json:"meter"`
	Ledger int64  `json:"-"` // tokens, requests, or micro-dollars of Cost
	Export int64  `json:"-"`
	Why    string `json:"why"`
}

// Result is the outcome of a comparison.
type Result struct {
	Compared    int // figures
	Differences []Difference
	From, To    string // the days of the export
	// EstimatedRequests of the ledger on those days: their tokens are Weir's own count.
	EstimatedRequests int64
}

// Compare compares rows of the ledger, a day each, with the lines of an export,
// on the days and for the models the export has. Figures that differ by no more
// than tolerance, a share such as 0.01, agree. names maps a model of the ledger
// to its name in the export, if that is different.
func Compare(rows []meter.Row, lines []Line, tolerance float64, names map[string]string) Result {
	var r Result
	billed, unknown := gather(lines)
	for _, l := range lines {
		if r.From == "" || l.Day < r.From {
			r.From = l.Day
		}
		r.To = max(r.To, l.Day)
	}
	booked := map[place]int64{}
	known := models(lines)
	for _, row := range rows {
		day := time.Unix(row.Minute*60, 0).UTC().Format(time.DateOnly)
		if day < r.From || day > r.To {
			continue
		}
		r.EstimatedRequests += row.Estimated
		book(booked, day, plain(cmp.Or(names[row.Model], row.Model)), row)
	}
	kinds := kindsOf(billed)
	for p := range booked {
		if _, ok := billed[p]; !ok && booked[p] != 0 && kinds[p.kind] && (p.kind != Cost || len(known) > 0) {
			billed[p] = 0
		}
	}
	for p, export := range billed {
		r.Compared++
		ledger := booked[p]
		if agree(ledger, export, tolerance) {
			continue
		}
		r.Differences = append(r.Differences, Difference{p.day, p.model, string(p.kind), ledger, export, why(booked, p, ledger, export)})
	}
	r.Differences = append(r.Differences, unknown...)
	slices.SortFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Meter, b.Meter))
	})
	return r
}

// place is one figure of both sides.
type place struct {
	day, model string
	kind       Kind
}

// gather sums lines; those of meters nobody knows are differences of their own.
func gather(lines []Line) (map[place]int64, []Difference) {
	billed := map[place]int64{}
	strange := map[place]*Difference{}
	for _, l := range lines {
		if l.Model == "" {
			p := place{l.Day, "", Kind(l.Meter)}
			if strange[p] == nil {
				strange[p] = &Difference{Day: l.Day, Meter: l.Meter, Why: "the meter is not known: give its model and kind in a price file (weir price update)"}
			}
			strange[p].Export += int64(l.Cost)
			continue
		}
		if l.Kind != "" && l.Kind != Cost {
			billed[place{l.Day, plain(l.Model), l.Kind}] += l.Tokens
		}
		if l.Priced {
			billed[place{l.Day, plain(l.Model), Cost}] += int64(l.Cost)
		}
	}
	var unknown []Difference
	for _, d := range strange {
		unknown = append(unknown, *d)
	}
	return billed, unknown
}

func models(lines []Line) map[string]bool {
	known := map[string]bool{}
	for _, l := range lines {
		known[plain(l.Model)] = true
	}
	return known
}

func kindsOf(billed map[place]int64) map[Kind]bool {
	kinds := map[Kind]bool{}
	for p := range billed { // order does not show
		kinds[p.kind] = true
	}
	return kinds
}

// book adds a row of the ledger to its figures.
func book(booked map[place]int64, day, model string, r meter.Row) {
	add := func(k Kind, n int64) { booked[place{day, model, k}] += n }
	add(Input, r.Prompt-r.Cached-r.Written-r.WrittenHour-r.AudioPrompt)
	add(Cached, r.Cached)
	add(Write, r.Written+r.WrittenHour)
	add(AudioIn, r.AudioPrompt)
	add(Output, r.Completion-r.AudioAnswer)
	add(AudioOut, r.AudioAnswer)
	add(Requests, r.Completed)
	add(Cost, int64(r.Cost))
}

// agree says whether two figures differ by no more than a share of the larger,
// or by one.
func agree(a, b int64, tolerance float64) bool {
	d := max(a, b) - min(a, b)
	return d <= 1 || float64(d) <= tolerance*float64(max(a, b))
}

// why suggests the cause of a difference.
func why(booked map[place]int64, p place, ledger, export int64) string {
	switch {
	case ledger == 0:
		return "the ledger has none: used without Weir, or the model has another name there"
	case export == 0:
		return "the export has none: another account, or not billed yet"
	case p.kind == Cost && ledger < export:
		return "booked for less: see by=price for the prices it was booked at"
	case p.kind == Cost:
		return "booked for more: see by=price for the prices it was booked at"
	case ledger < export:
		return "fewer in the ledger: some used without Weir, or not all usage was reported"
	}
	return "more in the ledger: another account serves some of it, or some is not billed yet"
}

// plain is a model's name without the date of its version: gpt-4o-2024-08-06 is
// gpt-4o.
func plain(model string) string {
	const date = len("-2006-01-02")
	if n := len(model) - date; n > 0 && model[n] == '-' {
		if _, err := time.Parse(time.DateOnly, model[n+1:]); err == nil {
			return model[:n]
		}
	}
	return strings.TrimSpace(model)
}
