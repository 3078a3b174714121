package main

import (
	"os"
	"testing"
	"time"
)

// Three gateways, one Redis, which hangs for a while: what is let in stays
// within the limit and the stated bound, nothing fails, and callers are let in
// in every phase.
func TestThreeGatewaysStayWithinTheLimitAndTheStatedBound(t *testing.T) {
	o, err := run(os.Getenv("WEIR_BIN"), t.TempDir(), plan{
		gateways: 3, callers: 30, perMinute: 3000, burst: 2 * time.Second, comeBack: 200 * time.Millisecond,
		warm: 2 * time.Second, well: 2 * time.Second, paused: 3 * time.Second, after: 3 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if o.over() > o.bound() {
		t.Errorf("%.0f requests beyond the limit, the bound is %.0f", o.over(), o.bound())
	}
	if !o.silent || !o.heard {
		t.Errorf("gateways said that redis did not answer: %v, and that it answered again: %v", o.silent, o.heard)
	}
	for _, p := range o.phases {
		n := statuses(o.answers, p.from, p.to)
		if n[200] == 0 || len(n) > 2 || len(n) == 2 && n[429] == 0 {
			t.Errorf("%s: by status %v, want 200 and 429", p.name, n)
		}
	}
	if t.Failed() {
		t.Log(o.text())
	}
}

func TestTheMostOfAnyStretchIsFound(t *testing.T) {
	u, at := &upstream{}, time.Unix(1000, 0)
	for _, ms := range []int{0, 1, 2, 5000, 5001, 5002, 5003} {
		u.came = append(u.came, at.Add(time.Duration(ms)*time.Millisecond))
	}
	// The second stretch has 4 in 3 ms; a burst of 2 allows 2 of them, the rate 0.003.
	if got := u.over(at, 1, 2); got < 1.99 || got > 2 {
		t.Error(got)
	}
	if got := u.over(at, 1, 5); got > -0.9 {
		t.Error(got)
	}
}
