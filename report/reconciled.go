package report

import (
	"fmt"
	"io"

	"weir"
	"weir/bill"
)

// reconciledView is a comparison in JSON.
type reconciledView struct {
	From        string           `json:"from"`
	To          string           `json:"to"`
	Compared    int              `json:"compared"`
	Estimated   int64            `json:"estimated_requests"`
	Differences []differenceView `json:"differences"`
}

type differenceView struct {
	bill.Difference
	LedgerTokens  *int64      `json:"ledger_tokens,omitempty"` // or requests
	ExportTokens  *int64      `json:"export_tokens,omitempty"`
	LedgerDollars *weir.Money `json:"ledger_dollars,omitempty"`
	ExportDollars *weir.Money `json:"export_dollars,omitempty"`
}

// ReconciledJSON writes a comparison with dollars as numbers.
func ReconciledJSON(w io.Writer, r bill.Result) error { return JSON(w, reconciled(r), "  ") }

func reconciled(r bill.Result) reconciledView {
	v := reconciledView{From: r.From, To: r.To, Compared: r.Compared, Estimated: r.EstimatedRequests, Differences: []differenceView{}}
	for _, d := range r.Differences {
		view := differenceView{Difference: d}
		if isMoney(d) {
			ledger, export := weir.Money(d.Ledger), weir.Money(d.Export)
			view.LedgerDollars, view.ExportDollars = &ledger, &export
		} else {
			view.LedgerTokens, view.ExportTokens = &d.Ledger, &d.Export
		}
		v.Differences = append(v.Differences, view)
	}
	return v
}

// isMoney says whether a difference is of money: of costs, and of unknown
// meters.
func isMoney(d bill.Difference) bool { return d.Meter == string(bill.Cost) || d.Model == "" }

// Reconciled writes a comparison of the ledger with a bill.
func Reconciled(w io.Writer, r bill.Result) error {
	fmt.Fprintf(w, "%s to %s: %d figures compared, %d differ.\n", r.From, r.To, r.Compared, len(r.Differences))
	if r.EstimatedRequests > 0 {
		fmt.Fprintf(w, "Of %d requests of those days the ledger's tokens are estimated.\n", r.EstimatedRequests)
	}
	if len(r.Differences) == 0 {
		return nil
	}
	t := columns(w)
	fmt.Fprintln(t, "\nday\tmodel\tmeter\tledger\texport\twhy")
	for _, d := range r.Differences {
		ledger, export, model := fmt.Sprint(d.Ledger), fmt.Sprint(d.Export), d.Model
		if isMoney(d) {
			ledger, export = weir.Money(d.Ledger).String(), weir.Money(d.Export).String()
		}
		if model == "" {
			model = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Day, model, d.Meter, ledger, export, d.Why)
	}
	return t.Flush()
}
