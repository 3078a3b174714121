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
		{"gpt-4o", false, Rates{2_500_000, 1_250_000, 10_000_000}},
		{"gpt-4o", true, Rates{1_250_000, 625_000, 5_000_000}},
		{"gpt-5-nano", true, Rates{25_000, 2_500, 200_000}},
		{"gpt-5-pro", false, Rates{15_000_000, 15_000_000, 120_000_000}}, // no discount for cached tokens
		{"text-embedding-3-small", false, Rates{20_000, 20_000, 0}},
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
