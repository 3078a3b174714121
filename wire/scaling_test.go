package wire

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/config"
	"weir/price"
	"weir/scale"
)

// scaled is the first model of a file, with one deployment that has the scaling
// block; place is more of the deployment.
func scaled(t *testing.T, place, block string) (*config.Model, *config.Deployment) {
	t.Helper()
	text := `
tenants: [{name: t, keys: [{name: k, hash: "sha256:abababababababababababababababababababababababababababababababab"}]}]
models:
  - name: chat
    slo: {ttft: 2s, tpot: 100ms}
    deployments:
      - name: chat/a
        capacity: {max_requests: 64}
        process:
          command: [serve, "{port}"]
` + indented(place, 10) + "        scaling:\n" + indented(block, 10)
	c, err := config.Parse("weir.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &c.Models[0], &c.Models[0].Deployments[0]
}

func indented(text string, by int) string {
	var b strings.Builder
	for line := range strings.Lines(strings.Trim(text, "\n") + "\n") {
		b.WriteString(strings.Repeat(" ", by) + line)
	}
	return b.String()
}

func policyFor(t *testing.T, place, block string) scale.Policy {
	t.Helper()
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	m, d := scaled(t, place, block)
	p, err := Policy(m, d, prices)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryKeyOfScalingReachesThePolicy(t *testing.T) {
	have := policyFor(t, "", `
min: 2
max: 8
target_requests: 4/s
target_concurrency: 32
target_queue: 5
target_use: 70%
gpu_utilisation: {high: 85%, low: 20%, sustain: 3m}
queue: {drain_within: 20s}
scale_in_after: 10m
zero_after: 15m
cold_start: 2m
attainment: 95%
stale_after: 45s
forecast: {enabled: false, quantile: 95%}
profile: {prefill: 20k/s, decode: 4k/s}
price: {hour: $6.98}
budget_per_hour: $60
time_zone: Europe/Berlin
schedules:
  - {days: [mon, sun], from: 08:00, to: 24:00, min: 4, max: 6}
`)
	want := scale.Policy{
		Min: 2, Max: 8, TargetRequests: 4, TargetConcurrency: 32, TargetQueue: 5, TargetUse: 0.7,
		GPU:      scale.GPU{High: 0.85, Low: 0.2, Sustain: 3 * time.Minute},
		Capacity: scale.Capacity{Prefill: 20_000, Decode: 4_000}, MaxConcurrency: 64,
		SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 100 * time.Millisecond}, Attainment: 0.95,
		DrainWithin: 20 * time.Second, ColdStart: 2 * time.Minute, ScaleInAfter: 10 * time.Minute,
		ZeroAfter: 15 * time.Minute, StaleAfter: 45 * time.Second, Forecast: scale.Forecast{Off: true, Quantile: 0.95},
		Schedules: []scale.Schedule{{Days: []time.Weekday{time.Monday, time.Sunday}, From: 8 * time.Hour, To: 24 * time.Hour, Min: 4, Max: 6}},
		Price:     6_980_000, BudgetPerHour: 60 * weir.Dollar,
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v\nwant %+v", have, want)
	}
}

func TestIdleReplicasGoToZeroWithTheOthersUnlessToldOtherwise(t *testing.T) {
	if p := policyFor(t, "", "scale_in_after: 7m"); p.ZeroAfter != 7*time.Minute {
		t.Errorf("to zero after %v, want 7m", p.ZeroAfter)
	}
}

func TestTheCapacityOfAReplicaIsKnownInThreeWays(t *testing.T) {
	const h100 = "gpus: 1\nruns_on: {gpu: H100-80GB, model: Llama-3.1-8B}"
	if c := policyFor(t, "", "max: 2").Capacity; c != (scale.Capacity{}) {
		t.Errorf("of a program nobody knows it is %+v", c)
	}
	computed := policyFor(t, h100, "max: 2").Capacity
	if computed.Prefill < 10_000 || computed.Decode < 1_000 {
		t.Errorf("an 8B model on an H100 does %+v", computed)
	}
	long := policyFor(t, h100, "profile: {prompt_tokens: 16000, output_tokens: 1000}").Capacity
	if long.Decode >= computed.Decode {
		t.Errorf("long requests are decoded at %v/s, usual ones at %v/s", long.Decode, computed.Decode)
	}
	// A load test of 2/s of 1,000 + 200 tokens: half of a second's work each.
	for _, place := range []string{"", h100} {
		c := policyFor(t, place, "profile: {requests: 2/s}").Capacity
		if took := 1000/c.Prefill + 200/c.Decode; math.Abs(took-0.5) > 1e-9 {
			t.Errorf("a request takes %v s of a replica that answers two a second", took)
		}
	}
}

func TestAnEmulatedReplicaIsAsFastAsTheGPUItIsToldToBe(t *testing.T) {
	c, err := config.Default("weir", config.KeyHash{})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Policy(&c.Models[0], &c.Models[0].Deployments[0], prices)
	if err != nil || p.Capacity.Prefill == 0 || p.Capacity.Decode == 0 {
		t.Errorf("capacity %+v, error %v", p.Capacity, err)
	}
}

func TestAReplicaPaysForItsPartOfASize(t *testing.T) {
	whole := policyFor(t, "gpus: 8", "price: {vm: Standard_ND96isr_H100_v5}").Price
	part := policyFor(t, "gpus: 2", "price: {vm: ND96isr_H100_v5}").Price
	if whole == 0 || part != whole/4 {
		t.Errorf("2 of 8 GPUs cost %v, all of them %v", part, whole)
	}
	if all := policyFor(t, "", "price: {vm: Standard_ND96isr_H100_v5}").Price; all != whole {
		t.Errorf("where GPUs are not counted it is the whole size: %v, want %v", all, whole)
	}
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	m, d := scaled(t, "gpus: 16", "price: {vm: Standard_ND96isr_H100_v5}")
	if _, err := Policy(m, d, prices); err == nil || !strings.Contains(err.Error(), "has 8 GPUs, and a replica needs 16") {
		t.Errorf("16 GPUs of a size with 8: %v", err)
	}
	m, d = scaled(t, "", "price: {vm: Standard_ND96isr_H100_v5, region: atlantis}")
	if _, err := Policy(m, d, prices); err == nil || !strings.Contains(err.Error(), "give price.hour") {
		t.Errorf("a region without a price: %v", err)
	}
}
