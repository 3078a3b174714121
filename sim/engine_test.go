package sim

import (
	"testing"
	"time"

	"weir"
	"weir/engine"
	"weir/trace"
)

// One replica behind dispatch takes as long as the engine alone: nothing is
// added and nothing is lost between.
func TestOneReplicaTakesAsLongAsItsEngine(t *testing.T) {
	src, err := trace.AzureConversation()
	if err != nil {
		t.Fatal(err)
	}
	list, err := trace.ReadAll(src)
	if err != nil {
		t.Fatal(err)
	}
	list = list[:400]
	spec, err := engine.Lookup("H100-80GB", "Llama-3.1-8B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	want := alone(t, spec, list)
	d := ownFleet(1)
	d.Own.Engine = spec
	d.MaxRequests = 10_000
	source := trace.Slice(list)
	r := run(t, config(&source, d))
	if r.Completed != uint64(len(list)) {
		t.Fatalf("%d of %d completed", r.Completed, len(list))
	}
	for _, f := range []struct {
		what       string
		have, want Quantiles
	}{{"TTFT", r.TTFT, want.ttft.quantiles()}, {"TPOT", r.TPOT, want.tpot.quantiles()}} {
		if f.have != f.want {
			t.Errorf("%s: have %+v, alone %+v", f.what, f.have, f.want)
		}
	}
}

type latencies struct{ ttft, tpot histogram }

func alone(t *testing.T, spec engine.Spec, list []trace.Arrival) (l latencies) {
	r := engine.New(spec)
	first := make([]weir.Instant, len(list))
	note := func(events []engine.Event) {
		for _, e := range events {
			a := list[e.ID]
			switch e.Kind {
			case engine.FirstToken:
				first[e.ID] = e.At
				l.ttft.add(e.At.Sub(DefaultStart.Add(a.At)))
			case engine.Finished:
				if a.Output > 1 {
					l.tpot.add(e.At.Sub(first[e.ID]) / time.Duration(a.Output-1))
				}
			}
		}
	}
	for i, a := range list {
		at := DefaultStart.Add(a.At)
		note(r.Advance(at))
		if err := r.Arrive(at, engine.Request{ID: uint64(i), Prompt: a.Prompt, Output: a.Output}); err != nil {
			t.Fatal(err)
		}
	}
	for r.Next() != 0 {
		note(r.Advance(r.Next()))
	}
	return l
}
