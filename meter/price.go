package meter

import (
	"fmt"

	"weir"
	"weir/price"
)

// RatesOf returns the rates of the price catalogue; batch: those of batch jobs.
// An unknown price is an error, with two exceptions: without a price for cached
// tokens they cost the same as other prompt tokens, and an embedding has no
// completion.
func RatesOf(t price.Tokens, batch bool) (Rates, error) {
	var r Rates
	var err error
	if r.Prompt, err = t.Input.Get(); err != nil {
		return Rates{}, fmt.Errorf("meter: %w", err)
	}
	if !t.Embedding {
		if r.Completion, err = t.Output.Get(); err != nil {
			return Rates{}, fmt.Errorf("meter: %w", err)
		}
	}
	r.Cached = r.Prompt
	if t.Cached.Known() {
		r.Cached = t.Cached.Amount()
	}
	if t.CacheWrite.Known() {
		r.Written = t.CacheWrite.Amount()
	}
	if !batch {
		return r, nil
	}
	percent, err := t.BatchPercent.Get()
	if err != nil {
		return Rates{}, fmt.Errorf("meter: %w", err)
	}
	part := func(m weir.Money) weir.Money { return (m*weir.Money(percent) + 50) / 100 }
	return Rates{Prompt: part(r.Prompt), Cached: part(r.Cached), Completion: part(r.Completion), Written: part(r.Written)}, nil
}
