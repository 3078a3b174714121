package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// plan, fit and check give the same figure for the load one replica sustains
// within its SLO.
func TestEveryCommandSaysTheSameOfOneReplica(t *testing.T) {
	f := func(model, gpu, size string, in, out int, ttft, tpot string) {
		t.Helper()
		have := map[string]float64{
			"plan":  planSays(t, model, size, in, out, ttft, tpot),
			"fit":   fitSays(t, model, size, in, out, ttft, tpot),
			"check": checkSays(t, model, gpu, in, out, ttft, tpot),
		}
		for command, rate := range have {
			// check prints three digits.
			if !(rate > 0) || math.Abs(rate-have["plan"]) > 0.006*have["plan"] {
				t.Errorf("%s on %s, %d in, %d out: %s says %.4g/s, all %v", model, gpu, in, out, command, rate, have)
			}
		}
		t.Logf("%s on %s, %d in, %d out, %s, %s: %v", model, gpu, in, out, ttft, tpot, have)
	}
	f("Llama-3.1-8B", "H100-80GB", "ND96isr_H100_v5", 1000, 200, "2s", "100ms")
	f("Llama-3.1-8B", "A100-PCIe-80GB", "NC24ads_A100_v4", 3000, 100, "3s", "80ms")
}

func said(t *testing.T, args ...string) string {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var out, errs bytes.Buffer
	cmd := newRoot()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("weir %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

func planSays(t *testing.T, model, size string, in, out int, ttft, tpot string) float64 {
	file := filepath.Join(t.TempDir(), "demand.yaml")
	text := fmt.Sprintf("open_model: %s\nrequests: 10/s\ninput_tokens: %d\noutput_tokens: %d\nslo: {ttft: %s, tpot: %s}\n", model, in, out, ttft, tpot)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var a struct {
		Options []struct {
			SKU  string
			TP   int     `json:"tensor_parallel"`
			Rate float64 `json:"replica_rps"`
		} `json:"alternatives"`
	}
	if err := json.Unmarshal([]byte(said(t, "plan", file, "--json")), &a); err != nil {
		t.Fatal(err)
	}
	for _, o := range a.Options {
		if o.SKU == "Standard_"+size && o.TP == 1 && o.Rate > 0 {
			return o.Rate
		}
	}
	return 0
}

func fitSays(t *testing.T, model, size string, in, out int, ttft, tpot string) float64 {
	var a struct {
		Options []struct {
			VM     string
			TP, PP int
			Rate   float64 `json:"replica_rps"`
		}
	}
	text := said(t, "fit", model, "--rps", "10", "--in", strconv.Itoa(in), "--out", strconv.Itoa(out), "--slo", "ttft="+ttft+",tpot="+tpot, "--json")
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	for _, o := range a.Options {
		if o.VM == "Standard_"+size && o.TP == 1 && o.PP == 1 {
			return o.Rate
		}
	}
	return 0
}

func checkSays(t *testing.T, model, gpu string, in, out int, ttft, tpot string) float64 {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	text := fmt.Sprintf(`tenants: [{name: t, keys: [{name: k, hash: "sha256:%s"}]}]
models:
  - name: chat
    slo: {ttft: %s, tpot: %s}
    deployments:
      - name: chat/a
        process:
          command: [serve, "{port}"]
          gpus: 1
          runs_on: {gpu: %s, model: %s}
        scaling: {min: 1, max: 4, profile: {prompt_tokens: %d, output_tokens: %d}}
`, strings.Repeat("ab", 32), ttft, tpot, gpu, model, in, out)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`one replica meets the slo up to ([0-9.]+)/s`).FindStringSubmatch(said(t, "check", "-c", file))
	if found == nil {
		return 0
	}
	rate, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return rate
}
