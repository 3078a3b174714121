package check

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"weir/config"
	"weir/price"
)

// parsed is a configuration without a file: one process deployment.
func parsed(t *testing.T, slo, process, scaling string) (*config.Config, *price.Catalogue) {
	t.Helper()
	c, err := config.Parse("weir.yaml", []byte(`tenants: [{name: t, keys: [{name: k, hash: "sha256:`+strings.Repeat("ab", 32)+`"}]}]
models:
  - name: chat
    slo: {`+slo+`}
    deployments:
      - name: chat/a
        process: {command: [serve, "{port}"], gpus: 1, `+process+`}
        scaling: {`+scaling+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	return c, prices
}

const (
	slo  = "ttft: 2s, tpot: 100ms"
	h100 = "runs_on: {gpu: H100-80GB, model: Llama-3.1-8B}"
)

func TestWhatCannotBeIsAFault(t *testing.T) {
	f := func(process, scaling, want string) {
		t.Helper()
		c, prices := parsed(t, slo, process, scaling)
		_, _, err := Judge(t.Context(), c, prices, true)
		var faults config.Faults
		if !errors.As(err, &faults) || len(faults) != 1 || !strings.Contains(faults.Error(), want) {
			t.Errorf("%s, %s: have %v, want one fault with %q", process, scaling, err, want)
		}
	}
	f("runs_on: {gpu: T4, model: Llama-3.1-70B}", "min: 1, max: 2", "does not fit")
	f("runs_on: {gpu: T5, model: Llama-3.1-8B}", "min: 1, max: 2", "GPU T5 is not in the catalogue")
	f(h100, "min: 1, max: 2, price: {vm: Standard_NC40ads_H100_v5, region: mars}", "mars")
}

func TestWhatCannotWorkIsAWarningWithTheFigureThatWould(t *testing.T) {
	f := func(scaling string, want ...string) {
		t.Helper()
		c, prices := parsed(t, slo, h100, scaling)
		warnings, findings, err := Judge(t.Context(), c, prices, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(findings) != 1 || !strings.Contains(findings[0], "one replica meets the slo up to") {
			t.Errorf("%s: found %q", scaling, findings)
		}
		if len(warnings) != len(want) {
			t.Errorf("%s: have %v", scaling, warnings)
			return
		}
		for i, w := range warnings {
			if !strings.Contains(w.Error(), want[i]) {
				t.Errorf("%s: have %v, want %q", scaling, w, want[i])
			}
		}
	}
	f("min: 1, max: 2")
	f("min: 1, max: 2, target_requests: 100/s", "give at most")
	f("min: 1, max: 2, target_requests: 1/s", "times the needed replicas")
	f("min: 1, max: 2, price: {vm: Standard_NC24ads_A100_v4}", "has A100-PCIe-80GB, and process.runs_on.gpu is H100-SXM-80GB")
}

func TestWhatNoReplicaDoesInTimeIsAWarning(t *testing.T) {
	c, prices := parsed(t, slo, h100, "min: 1, max: 20, profile: {prompt_tokens: 15000, output_tokens: 50}")
	warnings, _, err := Judge(t.Context(), c, prices, true)
	if err != nil || !strings.Contains(warnings.Error(), "of such requests cannot meet ttft 2s on this replica at any count") {
		t.Errorf("have %v, %v", warnings, err)
	}
}

func TestAnAnswerToAListOfModelsIsJudged(t *testing.T) {
	f := func(status int, body string, ok bool, want string) {
		t.Helper()
		if have, said := judgeServer(status, []byte(body), nil, "chat"); have != ok || !strings.Contains(said, want) {
			t.Errorf("%d %s: have %v, %q", status, body, have, said)
		}
	}
	f(200, `{"data":[{"id":"chat"}]}`, true, "it has the model chat")
	f(200, `{"data":[{"id":"a"},{"id":"b"}]}`, false, "no model chat, but a, b")
	f(200, `{"data":[]}`, false, "none at all")
	f(200, `<html>`, false, "is the port right?")
	f(404, `{}`, true, "lists no models (404)")
	f(401, `{"error":{"message":"who are you"}}`, false, "the key is refused: who are you")
	f(500, strings.Repeat("x", 1000), false, "xxx...")
}

func TestAnAnswerToAChatWithoutMessagesIsJudged(t *testing.T) {
	f := func(status int, body string, ok bool, want string) {
		t.Helper()
		if have, said := judgeAzure(status, []byte(body), nil, "chat"); have != ok || !strings.Contains(said, want) {
			t.Errorf("%d %s: have %v, %q", status, body, have, said)
		}
	}
	f(http.StatusBadRequest, `{"error":{"message":"messages is too short"}}`, true, "it has the deployment chat")
	f(http.StatusBadRequest, `{"error":{"message":"no such API version"}}`, false, "400: no such API version")
	f(http.StatusNotFound, `{"error":{"code":"DeploymentNotFound"}}`, false, "no deployment chat")
	f(http.StatusNotFound, `{"message":"Resource not found"}`, false, "check endpoint and api_version")
	f(http.StatusTooManyRequests, ``, true, "throttled at the moment")
	f(http.StatusForbidden, `{"error":"no"}`, false, "the key or identity is refused: no")
}
