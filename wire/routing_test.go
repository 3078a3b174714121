package wire

import (
	"strings"
	"testing"

	"weir/canary"
	"weir/config"
	"weir/gateway"
	"weir/upstream"
)

func TestAnotherVersionIsAnotherTrial(t *testing.T) {
	d := func(version string) *config.Deployment {
		return &config.Deployment{Canary: &config.Canary{Of: "a", Steps: []config.Percent{0.5, 100}, Version: version}}
	}
	one, two := Canary(d("1"), "up", []string{"http://b"}), Canary(d("2"), "up", []string{"http://b"})
	if one.Plan.Trial == two.Plan.Trial || one.Plan.Trial != Canary(d("1"), "up", []string{"http://b"}).Plan.Trial {
		t.Errorf("%+v %+v", one, two)
	}
	if one.Plan.Trial == Canary(d("1"), "up", []string{"http://c"}).Plan.Trial {
		t.Error("other servers are the same trial")
	}
	if s := one.Plan.Steps; len(s) != 2 || s[0] != 50 || s[1] != canary.Whole {
		t.Error(s)
	}
}

func TestOldVersionsOfAzuresAPIAreNotAskedForUsage(t *testing.T) {
	for version, refuses := range map[string]bool{"": false, "2024-02-01": true, "2024-10-21": false} {
		d := config.Deployment{Name: "m/d", AzureOpenAI: &config.AzureOpenAI{APIVersion: version}}
		g, err := gatewayDeployment(&config.Model{Name: "m"}, &d, keys{azureOpenAI: func(*config.AzureOpenAI) (upstream.Credential, error) { return nil, nil }})
		if err != nil || g.NoStreamUsage != refuses {
			t.Errorf("%q: %v %v", version, g.NoStreamUsage, err)
		}
	}
}

func TestSpilloverIsPricedByFileOrCatalogue(t *testing.T) {
	m := &config.Model{Name: "gpt-4o"}
	f := func(a config.AzureOpenAI) gateway.Spillover {
		t.Helper()
		s, err := Spillover(m, &a)
		if err != nil {
			t.Error(err)
		}
		return s
	}
	if s := f(config.AzureOpenAI{}); s.Rates != nil {
		t.Errorf("a standard deployment: %+v", s)
	}
	if s := f(config.AzureOpenAI{PTU: 1}); s.Rates == nil || s.Rates.Prompt != 2_500_000 || s.To != "" {
		t.Errorf("the catalogue's: %+v", s)
	}
	own := &config.Spillover{Deployment: "std", Price: &config.Price{Prompt: 5, Completion: 7}}
	if s := f(config.AzureOpenAI{PTU: 1, Spillover: own}); s.To != "std" || s.Rates.Prompt != 5 || s.Rates.Completion != 7 {
		t.Errorf("the file's: %+v", s)
	}
	if s := f(config.AzureOpenAI{PTU: 1, PTUModel: "unheard-of"}); s.Rates != nil {
		t.Errorf("%+v", s)
	}
	if _, err := Spillover(m, &config.AzureOpenAI{PTU: 1, PTUModel: "unheard-of", Spillover: &config.Spillover{}}); err == nil || !strings.Contains(err.Error(), "spillover.price") {
		t.Error(err)
	}
}
