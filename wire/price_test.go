package wire

import (
	"strings"
	"testing"

	"weir/config"
	"weir/meter"
)

func TestPricesComeFromTheCatalogueByName(t *testing.T) {
	cached := config.TokenPrice(150_000)
	r, text, err := Price(config.Price{Catalogue: "gpt-5.6-terra"})
	want := meter.Rates{Prompt: 2_000_000, Cached: 200_000, Completion: 12_000_000, Written: 2_500_000}
	if err != nil || r != want || !strings.HasPrefix(text, "prompt $2.00, cached $0.20, completion $12.00, cache write $2.50 (catalogue gpt-5.6-terra GlobalStandard, ") || !strings.Contains(text, "2026-10-03") {
		t.Errorf("%+v %q %v", r, text, err)
	}
	r, text, err = Price(config.Price{Catalogue: "gpt-5.6-terra", Cached: &cached, Priority: 175})
	want.Cached, want.Priority = 150_000, 175
	if err != nil || r != want || !strings.HasSuffix(text, ", and weir.yaml)") {
		t.Errorf("%+v %q %v", r, text, err)
	}
	r, text, err = Price(config.Price{Prompt: 1_000_000, CacheWriteHour: 2_000_000})
	if want := (meter.Rates{Prompt: 1_000_000, Cached: 1_000_000, WrittenHour: 2_000_000}); err != nil || r != want || !strings.HasSuffix(text, " (weir.yaml)") {
		t.Errorf("%+v %q %v", r, text, err)
	}
	if r, text, err := Price(config.Price{}); err != nil || r != (meter.Rates{}) || text != "" {
		t.Errorf("%+v %q %v", r, text, err)
	}
	if _, _, err := Price(config.Price{Catalogue: "gpt-5.6-tera"}); err == nil || !strings.Contains(err.Error(), "gpt-5.6-terra") {
		t.Error("want the nearest name: ", err)
	}
}
