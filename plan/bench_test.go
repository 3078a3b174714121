package plan

import "testing"

// A year of minutes, no two alike.
func BenchmarkPlanOfAYear(b *testing.B) {
	d := Demand{Model: "gpt-4o", OpenModel: "Llama-3.1-8B", Region: "eastus", Answers: 0.1}
	for i := range MaxMinutes {
		n := float64(100 + (i*7919)%1000)
		d.Minutes = append(d.Minutes, Minute{Requests: n, Input: 1000 * n, Cached: 300 * n, Output: 200 * n})
	}
	c := catalogue(b)
	for b.Loop() {
		if _, err := Plan(c, d, today); err != nil {
			b.Fatal(err)
		}
	}
}
