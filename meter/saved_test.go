package meter

import (
	"testing"

	"weir"
)

// What a stored answer saves is counted when its caller has got it.
func TestARowSaysWhatAStoredAnswerSaved(t *testing.T) {
	rec := weir.Record{Cache: "hit", Outcome: weir.Completed, Saved: 12, SavedTokens: 30}
	if r := RowOf(rec); r.Stored != 1 || r.SavedTokens != 30 || r.Saved != 12 || r.Cost != 0 {
		t.Errorf("%+v", r)
	}
	rec.Outcome = weir.Failure
	if r := RowOf(rec); r.Stored != 0 || r.SavedTokens != 0 || r.Saved != 0 {
		t.Errorf("%+v", r)
	}
	none := weir.Record{Cache: "coalesced", Outcome: weir.Completed} // whose usage is not known
	if r := RowOf(none); r.Stored != 1 || r.SavedTokens != 0 {
		t.Errorf("%+v", r)
	}
	part := weir.Record{Cache: "miss", Outcome: weir.Completed, Attempts: 1, Cost: 5, Saved: 12, SavedTokens: 30} // of embeddings
	if r := RowOf(part); r.Stored != 0 || r.SavedTokens != 30 || r.Saved != 12 || r.Cost != 5 {
		t.Errorf("%+v", r)
	}
	sum := Row{Stored: 1, SavedTokens: 2, Saved: 3}
	if sum.Add(Row{Stored: 10, SavedTokens: 20, Saved: 30}); sum != (Row{Stored: 11, SavedTokens: 22, Saved: 33}) {
		t.Errorf("%+v", sum)
	}
}
