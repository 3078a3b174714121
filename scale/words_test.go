package scale

import (
	"testing"
	"time"
)

func TestAShareIsNeverRoundedOntoABound(t *testing.T) {
	f := func(share float64, want string) {
		t.Helper()
		if have := percentBeside(share, 0.3, 0.8) + ", " + besideBand(share, 0.3, 0.8); have != want {
			t.Errorf("%v is written %q, want %q", share, have, want)
		}
	}
	f(0.95, "95 %, above 80 %")
	f(0.801, "80.1 %, above 80 %")
	f(0.8000001, "80.00001 %, above 80 %")
	f(0.8, "80 %, between 30 % and 80 %")
	f(0.799, "79.9 %, between 30 % and 80 %")
	f(0.5, "50 %, between 30 % and 80 %")
	f(0.3, "30 %, between 30 % and 80 %")
	f(0.29999, "29.999 %, below 30 %")
	f(0.296, "29.6 %, below 30 %")
	f(0, "0 %, below 30 %")
}

func TestATimeIsNeverRoundedOntoABound(t *testing.T) {
	const bound = 30 * time.Second
	f := func(have, want string) {
		t.Helper()
		if have != want {
			t.Errorf("written %q, want %q", have, want)
		}
	}
	f(above(31*time.Second, bound), "31s")
	f(above(bound+200*time.Millisecond, bound), "30.2s")
	f(above(bound+20*time.Microsecond, bound), "30.00002s")
	f(below(29*time.Second, bound), "29s")
	f(below(29700*time.Millisecond, bound), "29.7s")
	f(lasting(2*time.Second, 2*time.Minute), "2s of 2m0s")
	f(lasting(119800*time.Millisecond, 2*time.Minute), "1m59.8s of 2m0s")
	f(lasting(2*time.Minute, 2*time.Minute), "2m0s")
}
