package config

import (
	"strings"
	"testing"
)

func TestCounts(t *testing.T) {
	f := func(text string, want int64, problem string) {
		t.Helper()
		if have, p := ParseCount(text); have != want || (p == "") != (problem == "") || !strings.Contains(p, problem) {
			t.Errorf("%q: have %d %q, want %d %q", text, have, p, want, problem)
		}
	}
	f("450000", 450_000, "")
	f("450k", 450_000, "")
	f("1.5M", 1_500_000, "")
	f("0.5k", 500, "")
	f("0", 0, "")
	f("1.5", 0, "not a whole number")
	f("1.0005k", 0, "not a whole number")
	f("450K", 0, `unknown unit "K": k is a thousand`)
	f("2m", 0, `unknown unit "m"`)
	f("5G", 0, `unknown unit "G"`)
	f("", 0, "is not a number")
	f("-1k", 0, "is below zero")
	f("k", 0, "is not a number")
	f("1e6", 0, "exponent")
	f("999999999999999M", 0, "too large")
}

// Every field that can reach a million accepts k and M, and plain numbers too.
func TestUnitsOfCountsInAFile(t *testing.T) {
	c, err := Parse("weir.yaml", []byte(`tenants: [{name: t, trim_max_tokens: {cap: 8k}, budget: {tokens_per_day: 50M, tokens_per_month: 1000000000}}]
models:
  - name: m
    queue: {max_work: 2.5M}
    deployments:
      - name: m/a
        max_context: 128k
        capacity: {max_work: 1M, max_prefill: 1k, prefix_cache: 262144}
        azureopenai: {endpoint: https://a.openai.azure.com, api_key: env:K, tokens_per_minute: 450k, requests_per_minute: 2.7k}
      - name: m/b
        process: {command: [s, "{port}"], runs_on: {gpu: L4, context: 8k}}
        scaling: {profile: {prompt_tokens: 1k, output_tokens: 200}}
`))
	if err != nil {
		t.Fatal(err)
	}
	m := c.Models[0]
	a, b := m.Deployments[0], m.Deployments[1]
	for i, row := range [][2]int{
		{c.Tenants[0].TrimMaxTokens.Cap, 8000}, {c.Tenants[0].Budget.TokensPerDay, 50_000_000}, {c.Tenants[0].Budget.TokensPerMonth, 1_000_000_000},
		{m.Queue.MaxWork, 2_500_000}, {a.MaxContext, 128_000}, {a.Capacity.MaxWork, 1_000_000}, {*a.Capacity.MaxPrefill, 1000}, {a.Capacity.PrefixCache, 262_144},
		{a.AzureOpenAI.TokensPerMinute, 450_000}, {a.AzureOpenAI.RequestsPerMinute, 2700}, {b.Process.RunsOn.Context, 8000},
		{b.Scaling.Profile.PromptTokens, 1000}, {b.Scaling.Profile.OutputTokens, 200},
	} {
		if row[0] != row[1] {
			t.Errorf("%d: have %d, want %d", i, row[0], row[1])
		}
	}
}
