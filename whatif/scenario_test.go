package whatif

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/config"
)

func TestEveryExampleOfAScenarioIsReadAndDoesSomething(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "examples", "scenarios", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	calm, err := ReadScenario("")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		s, err := ReadScenario(file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if s.MetricsEvery == calm.MetricsEvery && len(s.Services) == 0 {
			t.Errorf("%s changes nothing", file)
		}
	}
}

func TestAServiceIsAsItsOwnEntrySaysElseAsTheOneForAll(t *testing.T) {
	var s Scenario
	if err := config.Decode("s.yaml", []byte(`services:
  - {deployment: a, first_token: 1s}
  - {first_token: 2s, reads: 1k/s}
`), &s); err != nil {
		t.Fatal(err)
	}
	if r := s.of("a"); r.TTFT != time.Second || r.PerPrompt != 100*time.Microsecond {
		t.Errorf("a is %+v", r)
	}
	if r := s.of("b"); r.TTFT != 2*time.Second || r.PerPrompt != time.Millisecond {
		t.Errorf("b is %+v", r)
	}
	if r := (&Scenario{}).of("c"); r.TTFT == 0 || r.TPOT == 0 {
		t.Errorf("what nobody describes is %+v", r)
	}
}

func TestAScenarioThatContradictsItselfIsRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var s Scenario
		if err := config.Decode("s.yaml", []byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if faults := s.faults("s.yaml"); len(faults) != 1 || !strings.Contains(faults.Error(), want) {
			t.Errorf("%s gives %v, want %q", text, faults, want)
		}
	}
	f("stock_out: [{from: 2m, to: 1m}]", "is not a period")
	f("services: [{}, {}]", "is described twice")
	f("services: [{throttled: [{from: 2m, to: 1m}]}]", "is not a period")
	f("services: [{throttled: [{from: 1m, to: 2m}, {from: 3m, to: 4m, share: 10%}]}]", "give all periods of a service the same")
}
