package fit

import (
	"cmp"
	"math"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/price"
)

var today = weir.At(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))

// steady is a made-up speed: a step takes 10 ms, 0.1 ms a sequence, 0.05 ms a
// prompt token, cut by tensor parallel.
func steady(_ Model, s Setup, _ price.Link) (func(Step) time.Duration, error) {
	return func(w Step) time.Duration {
		return (10*time.Millisecond + time.Duration(w.Decode)*100*time.Microsecond + time.Duration(w.Prefill)*50*time.Microsecond) / time.Duration(s.TP)
	}, nil
}

func TestSearchMeetsTheLoadAndRanksByPrice(t *testing.T) {
	m, q := model(t, "meta-llama/Llama-3.1-8B")
	l := Load{SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 100 * time.Millisecond}, Rate: 10, In: 1000, Out: 200}
	options, rejected, err := Search(catalogue(t), m, Setup{Quant: q}, l, "eastus", today, steady, nil)
	if err != nil || len(options) < 5 {
		t.Fatal(err, len(options), rejected)
	}
	for i, o := range options {
		if o.Capacity*float64(o.Replicas)*0.8 < l.Rate-1e-9 || o.TTFT > 2 || o.TPOT > 0.1 {
			t.Errorf("misses the load: %+v", o)
		}
		if i > 0 && o.Known && (!options[i-1].Known || options[i-1].Hour > o.Hour) {
			t.Errorf("%s at %s stands behind %s at %s", o.VM, o.Hour, options[i-1].VM, options[i-1].Hour)
		}
		if o.Managed < o.VCPUs || len(o.Warnings) == 0 {
			t.Errorf("quota: %+v", o)
		}
	}
	t4 := false
	for _, r := range rejected {
		t4 = t4 || strings.Contains(r, "NC4as_T4_v3 tp 1 pp 1") && strings.Contains(r, "GiB")
	}
	if !t4 {
		t.Errorf("16 GB of weights were not refused on a T4: %v", rejected)
	}
}

func TestPCIeIsWarnedOf(t *testing.T) {
	m, q := model(t, "Qwen/Qwen3-14B")
	options, _, err := Search(catalogue(t), m, Setup{Quant: q}, Load{Rate: 1, In: 1000, Out: 100}, "eastus", today, steady, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, o := range options {
		if o.VM == "Standard_NC64as_T4_v3" && o.TP == 4 {
			found = strings.Contains(strings.Join(o.Warnings, " "), "over PCIe")
		}
	}
	if !found {
		t.Errorf("%+v", options)
	}
}

func TestAnImpossibleSLOHasNoOptionAndAReason(t *testing.T) {
	m, q := model(t, "meta-llama/Llama-3.1-8B")
	options, rejected, err := Search(catalogue(t), m, Setup{Quant: q}, Load{SLO: weir.SLO{TPOT: time.Microsecond}, Rate: 1, In: 10, Out: 10}, "eastus", today, steady, nil)
	if err != nil || len(options) != 0 || len(rejected) == 0 || !strings.Contains(strings.Join(rejected, "\n"), "misses tpot") {
		t.Errorf("%v %v %v", err, options, rejected)
	}
}

func TestAPipelineAddsThroughputAndNoSpeed(t *testing.T) {
	l := Load{Rate: 1, In: 100, Out: 100}
	step, err := steady(Model{}, Setup{TP: 1}, "")
	if err != nil {
		t.Fatal(err)
	}
	one := at(l, Setup{PP: 1, BatchTokens: 2048}, step, 32)
	two := at(l, Setup{PP: 2, BatchTokens: 2048}, step, 64)
	if two.tpot != one.tpot || two.rate < 1.99*one.rate {
		t.Errorf("one stage %+v, two %+v", one, two)
	}
}

// A prompt takes 100 ms and decoding nothing: n sequences keep the server
// n/(n+1) busy, and a queue of fixed service time waits rho/(2(1-rho)) = n/2
// services.
func TestAPromptWaitsBehindOthersAsInAQueue(t *testing.T) {
	l := Load{Rate: 1, In: 100, Out: 100}
	step := func(w Step) time.Duration { return time.Duration(w.Prefill) * time.Millisecond }
	for _, c := range []struct {
		pp, n int
		ttft  float64 // half a step, its own 100 ms, the wait
	}{
		{1, 1, 0.0005 + 0.1 + 0.05},
		{1, 4, 0.002 + 0.1 + 0.2},
		{1, 20, 0.01 + 0.1 + 1},
		{2, 8, 0.002 + 0.1 + 0.2}, // 4 in each of two stages
	} {
		if got := at(l, Setup{PP: c.pp, BatchTokens: 2048}, step, c.n).ttft; math.Abs(got-c.ttft) > 1e-9 {
			t.Errorf("%d sequences over %d stages: the first token after %.4f s, want %.4f", c.n, c.pp, got, c.ttft)
		}
	}
}

func TestLayoutsStayWithinTheVM(t *testing.T) {
	for _, gpus := range []int{1, 2, 4, 8} {
		for _, l := range layouts(gpus) {
			if l[0]*l[1] > gpus {
				t.Errorf("%v in a VM of %d", l, gpus)
			}
		}
	}
	if n := len(layouts(8)); n != 10 {
		t.Errorf("%d layouts of 8 GPUs", n)
	}
}

func TestAPartOfAGPUIsSlowerAndSaysSo(t *testing.T) {
	m, q := model(t, "Llama-3.2-1B")
	speed := func(_ Model, s Setup, _ price.Link) (func(Step) time.Duration, error) {
		share := cmp.Or(s.GPU.Share, 1)
		return func(w Step) time.Duration {
			return time.Duration(float64(5*time.Millisecond+time.Duration(w.Prefill)*10*time.Microsecond) / share)
		}, nil
	}
	options, _, err := Search(catalogue(t), m, Setup{Quant: q}, Load{Rate: 1, In: 500, Out: 100}, "eastus", today, speed, nil)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]Option{}
	for _, o := range options {
		by[o.VM] = o
	}
	third, whole := by["Standard_NV12ads_A10_v5"], by["Standard_NV36ads_A10_v5"]
	if third.Capacity <= 0 || third.Capacity >= whole.Capacity || !strings.Contains(strings.Join(third.Warnings, " "), "0.333 of a GPU") {
		t.Errorf("a third %+v, whole %+v", third, whole)
	}
}
