package main

import (
	"math"
	"path/filepath"
	"testing"
)

func TestCostIsReadOffTheFrontier(t *testing.T) {
	f := func(want float64, reached bool, points ...[2]float64) {
		t.Helper()
		b, err := openBook(filepath.Join(t.TempDir(), "done"))
		if err != nil {
			t.Fatal(err)
		}
		defer b.close()
		for i, p := range points {
			if err := b.add(row{trial: trial{Policy: "p", Knob: float64(i)}, GPUHours: p[0], Attainment: p[1]}); err != nil {
				t.Fatal(err)
			}
		}
		have, ok := costAt(b.sweep(cell{}, "p"))
		if ok != reached || math.Abs(have-want) > 1e-9 {
			t.Errorf("%v: have %v, %v; want %v, %v", points, have, ok, want, reached)
		}
	}
	f(15, true, [2]float64{10, 0.985}, [2]float64{20, 0.995})
	f(10, true, [2]float64{10, 0.999}, [2]float64{20, 1})                          // all attain: the cheapest
	f(0, false, [2]float64{10, 0.5}, [2]float64{20, 0.98})                         // none does
	f(15, true, [2]float64{10, 0.985}, [2]float64{12, 0.9}, [2]float64{20, 0.995}) // a point beaten in both does not count
	f(0, false)
}

func TestTheBestIsTheCheapestThatAttains(t *testing.T) {
	b, err := openBook(filepath.Join(t.TempDir(), "done"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	for i, p := range [][2]float64{{10, 0.9}, {30, 0.999}, {20, 0.991}, {40, 1}} {
		b.add(row{trial: trial{Policy: "p", Knob: float64(i)}, GPUHours: p[0], Attainment: p[1]})
	}
	if best, ok := b.best(cell{}, "p"); !ok || best.GPUHours != 20 {
		t.Errorf("have %+v", best)
	}
	b.add(row{trial: trial{Policy: "q", Knob: 1}, GPUHours: 10, Attainment: 0.9})
	b.add(row{trial: trial{Policy: "q", Knob: 2}, GPUHours: 20, Attainment: 0.95})
	if best, ok := b.best(cell{}, "q"); !ok || best.GPUHours != 20 {
		t.Errorf("where none attains the nearest is best: have %+v", best)
	}
}

func TestWhatWasRunIsFoundAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "done")
	b, err := openBook(path)
	if err != nil {
		t.Fatal(err)
	}
	want := row{trial: trial{cell: cell{"x", 1, 90}, Policy: "p", Knob: 0.1, Seed: 3}, GPUHours: 1.5, Attainment: 0.99}
	if err := b.add(want); err != nil {
		t.Fatal(err)
	}
	b.close()
	if b, err = openBook(path); err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if !b.has(want.trial) || b.row(want.trial) != want {
		t.Errorf("have %+v", b.row(want.trial))
	}
}
