package report

import (
	"io"
	"strings"

	"weir/price"
	"weir/report/words"
)

// PriceUpdate writes the changed prices, those that could not be read and those
// that no update reads.
func PriceUpdate(out io.Writer, u *price.Update, changes []price.Change, notMapped []string) error {
	var t text
	for _, c := range changes {
		t.linef("%s", c)
	}
	if len(changes) == 0 {
		t.linef("no price changed")
	}
	for _, f := range u.Faults() {
		t.linef("not read: %s", f)
	}
	if unmapped := u.Unmapped(); len(unmapped) > 0 {
		t.linef("%s of unknown meaning (add them under meters in your prices.yaml): %s", words.Count(len(unmapped), "meter"), strings.Join(unmapped, "; "))
	}
	if len(notMapped) > 0 {
		t.linef("skipped, because their meters are not mapped (state prices in your %s): %s", ownPrices, strings.Join(notMapped, ", "))
	}
	return t.to(out)
}
