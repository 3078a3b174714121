package meter

import (
	"errors"
	"testing"

	"weir/price"
)

func TestRatesComeFromTheCatalogue(t *testing.T) {
	c, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		model string
		batch bool
		rates Rates
	}{
		{"gpt-4o", false, Rates{Prompt: 2_500_000, Cached: 1_250_000, Completion: 10_000_000}},
		{"gpt-4o", true, Rates{Prompt: 1_250_000, Cached: 625_000, Completion: 5_000_000}},
		{"gpt-5-nano", true, Rates{Prompt: 25_000, Cached: 2_500, Completion: 200_000}},
		{"gpt-5-pro", false, Rates{Prompt: 15_000_000, Cached: 15_000_000, Completion: 120_000_000}}, // no discount for cached tokens
		{"gpt-5.6-terra", false, Rates{Prompt: 2_000_000, Cached: 200_000, Completion: 12_000_000, Written: 2_500_000}},
		{"gpt-6-astra", false, Rates{Prompt: 10_000_000, Cached: 1_000_000, Completion: 50_000_000, Written: 12_500_000}},
		{"text-embedding-3-small", false, Rates{Prompt: 20_000, Cached: 20_000, Completion: 0}},
	} {
		tokens, err := c.Tokens(want.model, "GlobalStandard", "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := RatesOf(tokens, want.batch); err != nil || got != want.rates {
			t.Errorf("%s: %+v, want %+v (%v)", want.model, got, want.rates, err)
		}
	}
	for sku, model := range map[string]string{"DataZoneStandard": "gpt-5.4", "GlobalStandard": "gpt-6-astra"} {
		tokens, err := c.Tokens(model, sku, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := RatesOf(tokens, true); !errors.Is(err, price.ErrUnknown) {
			t.Errorf("%s %s has no known batch price: %v", model, sku, err)
		}
	}
}
