package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// The requests a shell makes when a user presses Tab.
func TestNamesAreCompleted(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		run(context.Background(), append([]string{"__complete"}, args...), nil, &out, &errs)
		if !strings.Contains("\n"+out.String(), "\n"+want+"\n") {
			t.Errorf("weir %s: %q is not among\n%s", strings.Join(args, " "), want, out.String())
		}
	}
	f("H100-SXM-80GB", "fit", "x", "--gpu", "h100")
	f("H100-SXM-80GB", "emulate", "--gpu", "H100-S")
	f("meta-llama/Llama-3.1-8B", "fit", "llama-3.1")
	f("meta-llama/Llama-3.1-8B", "emulate", "--model", "meta-llama/Llama-3.1")
	f("kpa", "simulate", "--policy", "k")
	f("weir,hpa", "simulate", "--policy", "weir,hp")
	f("swedencentral", "plan", "--region", "swe")
	f("eastus,swedencentral", "price", "update", "--region", "eastus,swe")
	f("gpt-4o", "plan", "--model", "gpt-4")
	f("meta-llama/Llama-3.1-8B", "plan", "--open-model", "llama-3.1")
	f("hpa", "replay", "x.journal", "--with", "h")
	f("awq", "fit", "x", "--quant", "a")
	f("anthropic", "emulate", "--protocol", "a")
}

func TestAModelThatIsNotInTheCatalogueIsGuessed(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		var out bytes.Buffer
		code := run(context.Background(), []string{"fit", name, "--gpu", "H100-80GB"}, nil, &out, &out)
		if code == exitOK || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %d %s, want %q", name, code, out.String(), want)
		}
	}
	f("lama-3.1-8b", "did you mean meta-llama/Llama-3.1-8B?")
	f("Qwen2.5-7", "did you mean Qwen/Qwen2.5-7B")
}
