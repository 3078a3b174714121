package engine

import (
	"errors"
	"math"
	"testing"
	"time"
)

func measurements(t testing.TB, model, gpu, tp string) []Measurement {
	t.Helper()
	ms := func(x float64) time.Duration { return time.Duration(x * float64(time.Millisecond)) }
	var list []Measurement
	for _, r := range rows(t, "testdata/measured/engine_splitwise.csv") {
		if r["model"] != model || r["gpu"] != gpu || r["tensor_parallel"] != tp {
			continue
		}
		n := func(c string) float64 { return number(t, r, c) }
		list = append(list, Measurement{
			Prompt: int(n("prompt_tokens")), Batch: int(n("batch")), Output: int(n("output_tokens")),
			Prefill: ms(n("prefill_ms")), Decode: ms(n("decode_ms_per_token")),
		})
	}
	return list
}

// A table says of its own rows what was measured, within the spread of rows
// that have the same number of tokens.
func TestATableReproducesItsRows(t *testing.T) {
	for _, c := range []struct{ model, gpu, tp string }{
		{"llama2-70b", "h100-80gb", "8"}, {"llama2-70b", "a100-80gb", "4"}, {"bloom-176b", "a100-80gb", "8"},
	} {
		list := measurements(t, c.model, c.gpu, c.tp)
		table, err := NewTable(list)
		if err != nil {
			t.Fatalf("%v: %v (%d rows)", c, err, len(list))
		}
		var prefill, decode []float64
		for _, m := range list {
			tokens := m.Prompt * m.Batch
			prefill = append(prefill, math.Abs(float64(table.Step(Batch{Prefill: tokens}).Of(0))/picos(m.Prefill)-1))
			decode = append(decode, math.Abs(float64(table.Step(Batch{Decode: m.Batch}).Of(int(m.held())))/picos(m.Decode)-1))
		}
		if p, d := quantileOf(prefill, 0.5), quantileOf(decode, 0.5); p > 0.03 || d > 0.05 {
			t.Errorf("%v: median error of prefill %.1f %%, of decode %.1f %%", c, 100*p, 100*d)
		}
	}
}

func TestATableInterpolatesBetweenAndBeyond(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	table, err := NewTable([]Measurement{
		{Prompt: 100, Batch: 1, Output: 2, Prefill: ms(20), Decode: ms(10)},
		{Prompt: 300, Batch: 1, Output: 2, Prefill: ms(40), Decode: ms(12)},
		{Prompt: 100, Batch: 3, Output: 2, Prefill: ms(40), Decode: ms(14)},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := func(b Batch, kv int, want time.Duration) {
		t.Helper()
		if have := table.Step(b).Of(kv).Duration().Round(10 * time.Microsecond); have != want {
			t.Errorf("%+v over %d: have %v, want %v", b, kv, have, want)
		}
	}
	f(Batch{Prefill: 200}, 0, ms(30))
	f(Batch{Prefill: 400}, 0, ms(50))
	f(Batch{Prefill: 50}, 0, ms(20))
	f(Batch{Decode: 1}, 101, ms(10))
	f(Batch{Decode: 1}, 201, ms(11))
	f(Batch{Decode: 3}, 303, ms(14))
	f(Batch{Decode: 2}, 202, ms(12)) // half way between the batches
	f(Batch{Prefill: 190, Decode: 10}, 1000, ms(40))
}

func TestATableNeedsTwoPrefills(t *testing.T) {
	if _, err := NewTable([]Measurement{{Prompt: 1, Batch: 1}}); !errors.Is(err, ErrFewMeasurements) {
		t.Errorf("have %v, want ErrFewMeasurements", err)
	}
}
