package wire

import (
	"strings"
	"testing"
	"time"

	"weir/config"
	"weir/dispatch"
)

// 100 PTUs of gpt-4o carry 2,500 input tokens a minute each; an output token
// counts as 4 and a cached one as none. For gpt-6-sol a cached one counts a
// tenth.
func TestQuotasComeFromTheCatalogue(t *testing.T) {
	f := func(model string, a config.AzureOpenAI, want dispatch.Quota) {
		t.Helper()
		have, err := Quota(&config.Model{Name: model}, &a)
		if err != nil || have != want {
			t.Errorf("%+v %v, want %+v", have, err, want)
		}
	}
	f("gpt-4o", config.AzureOpenAI{PTU: 100, Headroom: 30, Burst: 5 * time.Second},
		dispatch.Quota{Drain: 250_000, Output: 4000, Burst: 5 * time.Second, Headroom: 30})
	f("bot", config.AzureOpenAI{PTU: 15, PTUModel: "gpt-6-sol"}, dispatch.Quota{Drain: 45_000, Output: 5000, Cached: 100})
	f("bot", config.AzureOpenAI{TokensPerMinute: 30_000, RequestsPerMinute: 180}, dispatch.Quota{TokensPerMinute: 30_000, RequestsPerMinute: 180})
	f("bot", config.AzureOpenAI{}, dispatch.Quota{})
}

func TestResizeWithoutAResourceIsAFault(t *testing.T) {
	a := &config.AzureOpenAI{Endpoint: "https://models.contoso.example", PTU: 15, Resize: "up"}
	c := config.Config{Azure: &config.Azure{ResourceGroup: "rg"}, Models: []config.Model{{Name: "gpt-4o", Deployments: []config.Deployment{{Name: "gpt-4o/ptu", AzureOpenAI: a}}}}}
	if err := CheckQuotas(&c); err == nil || !strings.Contains(err.Error(), "add resource: NAME") {
		t.Error(err)
	}
	a.Resource = "contoso"
	if err := CheckQuotas(&c); err != nil {
		t.Error(err)
	}
}

func TestPTUsOfAnUnknownModelAreAFault(t *testing.T) {
	c := config.Config{Models: []config.Model{{Name: "bot", Deployments: []config.Deployment{{Name: "bot/ptu", AzureOpenAI: &config.AzureOpenAI{PTU: 15}}}}}}
	err := CheckQuotas(&c)
	if err == nil || !strings.Contains(err.Error(), "models[0].deployments[0].azureopenai.ptu") || !strings.Contains(err.Error(), "ptu_model") {
		t.Error(err)
	}
}
