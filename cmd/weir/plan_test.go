package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"weir/config"
)

// demands for every kind of recommendation.
var demands = map[string]string{
	"pay as you go": "model: gpt-4o\nrequests: 10/min\ninput_tokens: 500\noutput_tokens: 100\n",
	"spillover":     "model: gpt-5.2\nrequests: 1000/min\ninput_tokens: 200\noutput_tokens: 20\nslo: {ttft: 2s}\n",
	"provisioned":   "model: gpt-4o\nrequests: 1250/min\ninput_tokens: 1000\noutput_tokens: 250\n",
	"own": "model: gpt-4o\nopen_model: Llama-3.1-8B\nrequests: 500/min\ninput_tokens: 1000\noutput_tokens: 200\n" +
		"slo: {ttft: 1s, tpot: 50ms}\nhours: {days: [mon, tue], from: 9, to: 17}\n",
	"open alone": "open_model: Llama-3.1-8B\nrequests: 500/min\ninput_tokens: 1000\noutput_tokens: 200\n",
	"measures": "model: gpt-4o\nrequests: 500/min\ninput_tokens: 1000\noutput_tokens: 200\nbatch: 30%\ncache_hits: 10%\n" +
		"smaller: {model: gpt-4o-mini, share: 40%}\n",
	"all can wait": "model: gpt-4o\nrequests: 500/min\ninput_tokens: 1000\noutput_tokens: 200\nbatch: 100%\n",
}

// planned runs `weir plan` on a demand.
func planned(t *testing.T, demand string, flags ...string) string {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "demand.yaml")
	if err := os.WriteFile(file, []byte(demand), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), append([]string{"plan", file, "--as-of", "2026-11-23"}, flags...), nil, &out, &errs); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	return out.String()
}

func TestThePlannedConfigurationIsOneThatCheckAccepts(t *testing.T) {
	for name, demand := range demands {
		text := planned(t, demand, "--yaml")
		c, err := config.Parse("weir.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%s: %v\n%s", name, c.Warnings, text)
		}
	}
}
