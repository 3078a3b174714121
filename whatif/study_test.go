package whatif

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"weir/config"
	"weir/price"
	"weir/scale"
	"weir/sim"
)

// configOf is a configuration without a file: at least one replica of 8 billion
// parameters, at most two.
func configOf(t *testing.T, scaling string) (*config.Config, *price.Catalogue) {
	t.Helper()
	c, err := config.Parse("weir.yaml", []byte(`tenants: [{name: t, keys: [{name: k, hash: "sha256:`+strings.Repeat("ab", 32)+`"}]}]
models:
  - name: chat
    slo: {ttft: 1s, tpot: 100ms}
    deployments:
      - name: chat/a
        process: {command: [serve, "{port}"], gpus: 1, runs_on: {gpu: H100-80GB, model: Llama-3.1-8B}}
        scaling: {min: 1, max: 2, cold_start: 30s, price: {hour: $5}`+scaling+`}
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

// settingOf is the setting of that configuration.
func settingOf(t *testing.T, scaling string) *Setting {
	t.Helper()
	c, prices := configOf(t, scaling)
	s := &Setting{Prices: prices, Blocks: 512}
	var err error
	if s.Model, err = FindModel(c, "", false); err != nil {
		t.Fatal(err)
	}
	if s.Scenario, err = ReadScenario(""); err != nil {
		t.Fatal(err)
	}
	return s
}

// minute is the first minute of the built-in traffic, at a multiple of its rate.
func minute(t *testing.T, factor float64) *Traffic {
	t.Helper()
	played, err := NewTraffic(t.Context(), Traffic{To: time.Minute, Factor: factor, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return played
}

func contenders(t *testing.T, a Asked) []Contender {
	t.Helper()
	cs, err := Contenders(a)
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func TestContendersRunOnASettingThatIsInNoFile(t *testing.T) {
	s, played := settingOf(t, ""), minute(t, 1)
	cs := contenders(t, Asked{Policies: []string{"weir,static=2"}, Sets: []string{"scaling.max=3"}})
	told := make([]float64, len(cs))
	if err := RunAll(t.Context(), s, played, cs, func(i int) func(float64) {
		return func(done float64) { told[i] = done }
	}); err != nil {
		t.Fatal(err)
	}
	for i, c := range cs {
		if c.Result == nil || c.Result.Arrived == 0 || c.Result.Arrived != cs[0].Result.Arrived || told[i] < 0.5 {
			t.Errorf("%s: %+v, told %v", c.Label, c.Result, told[i])
		}
	}
	if have, want := cs[1].Result.GPU.Allocated, 2*cs[0].Result.GPU.Allocated; have != want {
		t.Errorf("two replicas were paid for %v, one for half of %v", have, want)
	}
	if s.Model.Deployments[0].Scaling.Max != 2 {
		t.Error("a contender's own setting changed that of all")
	}
}

func TestAdviceIsASettingThatAttains(t *testing.T) {
	s, played := settingOf(t, ", forecast: {enabled: false}"), minute(t, 30)
	study := Study{Setting: s, Traffic: played, Load: "30x", Runs: contenders(t, Asked{Policies: []string{Own}})}
	if err := RunAll(t.Context(), s, played, study.Runs, nil); err != nil {
		t.Fatal(err)
	}
	if study.Runs[0].Result.Attainment >= 0.99 {
		t.Fatalf("%v attain already", study.Runs[0].Result.Attainment)
	}
	if err := study.Advise(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	a := study.Advice
	if a == nil || a.Tried == 0 || a.Tried > adviseRuns || a.Attained <= study.Runs[0].Result.Attainment {
		t.Fatalf("have %+v", a)
	}
	if text := a.Text(); !strings.Contains(text, "--set scaling.") {
		t.Errorf("it says %q", text)
	}
	text, err := json.Marshal(study.JSON())
	if err != nil || !strings.Contains(string(text), `"advice":{"policy":"weir"`) {
		t.Errorf("%v, %.200s", err, text)
	}
}

func TestConditionsThatAreNotKeptAreNamed(t *testing.T) {
	s, played := settingOf(t, ""), minute(t, 1)
	cs := contenders(t, Asked{Policies: []string{Own}})
	if err := RunAll(t.Context(), s, played, cs, nil); err != nil {
		t.Fatal(err)
	}
	required, err := Requirements("attained>=1%, cost<=0, ttft_p99<1h, gpu_hours<=0")
	if err != nil {
		t.Fatal(err)
	}
	unmet := Unmet(required, cs)
	if len(unmet) != 2 || !strings.HasPrefix(unmet[0], "weir: cost<=0 is required, it is $") || !strings.HasPrefix(unmet[1], "weir: gpu_hours<=0 is required, it is 0.0") {
		t.Errorf("have %q", unmet)
	}
	for _, wrong := range []string{"attained=99%", "speed>=1", "attained>=fast", "attained>=101%"} {
		if _, err := Requirements(wrong); err == nil || !strings.Contains(err.Error(), "--require") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestAnotherPolicyDecidesForTheDeploymentsItKnows(t *testing.T) {
	if _, err := Baseline("hpb", 0); err == nil {
		t.Error("a baseline that is none decides")
	}
	other, err := Baseline("static", 2)
	if err != nil || other("any", scale.Policy{Min: 1, Max: 4}) == nil {
		t.Errorf("static decides nothing: %v", err)
	}
	if d := other("any", scale.Policy{Min: 4, Max: 1}); d != nil {
		t.Error("it decides within bounds that are none")
	}
	c, prices := configOf(t, "")
	if other, err = Configured(c, prices); err != nil || other("chat/a", scale.Policy{}) == nil || other("chat/b", scale.Policy{}) != nil {
		t.Errorf("the configuration decides for others than its own: %v", err)
	}
}

func TestAContenderComesOutTheSameAloneAndAmongOthers(t *testing.T) {
	s, played := settingOf(t, ""), minute(t, 4)
	many := contenders(t, Asked{Policies: []string{"weir,static=2,hpa=0.7"}})
	alone := contenders(t, Asked{Policies: []string{"hpa=0.7"}})
	for _, cs := range [][]Contender{many, alone} {
		if err := RunAll(t.Context(), s, played, cs, nil); err != nil {
			t.Fatal(err)
		}
	}
	if have, want := many[2].Result.Log, alone[0].Result.Log; have != want || have == many[0].Result.Log {
		t.Errorf("among others it is %s, alone %s", have, want)
	}
}

func TestAdviceForManyRequestsIsLookedForOnlyWhenAsked(t *testing.T) {
	s := settingOf(t, "")
	study := Study{Setting: s, Traffic: minute(t, 1), Runs: []Contender{{Label: "weir", Policy: Own, Result: &sim.Result{Arrived: adviseRequests + 1, Reachable: 0.5}}}}
	if err := study.Advise(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if a := study.Advice; a == nil || a.Tried != 0 || !strings.Contains(a.Why, "--advise") {
		t.Errorf("have %+v", a)
	}
	study.Runs[0].Result.Reachable = 1
	if err := study.Advise(t.Context(), true); err != nil || study.Advice != nil {
		t.Errorf("all attain, and the advice is %+v, %v", study.Advice, err)
	}
}

func TestNoMoreRunsThanACommandMayHave(t *testing.T) {
	values := strings.Repeat("1,", maxContenders) + "2"
	if _, err := Contenders(Asked{Policies: []string{Own}, Sweeps: []string{"scaling.max=" + values}}); err == nil || !strings.Contains(err.Error(), "200 runs") {
		t.Errorf("have %v", err)
	}
	swept := contenders(t, Asked{Policies: []string{Own}, ByDefault: true, Sweeps: []string{"hpa=0.5,0.6"}})
	if len(swept) != 2 || swept[0].Policy != "hpa" {
		t.Errorf("have %+v", swept)
	}
}
