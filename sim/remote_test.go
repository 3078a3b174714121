package sim

import (
	"testing"
	"time"

	"weir"
	"weir/dispatch"
)

func provisioned() Deployment {
	return Deployment{Name: "ptu", Remote: &Remote{
		TTFT: 200 * time.Millisecond, TPOT: 20 * time.Millisecond,
		TokensPerMinute: 60_000, OutputWeight: 4, Units: 50, UnitPrice: weir.Dollar,
	}}
}

func payg() Deployment {
	return Deployment{Name: "payg", Tier: 1, Remote: &Remote{
		TTFT: 400 * time.Millisecond, TPOT: 30 * time.Millisecond,
		PromptPrice: 2 * weir.Dollar, OutputPrice: 8 * weir.Dollar,
	}}
}

func TestARemoteServiceTakesItsTime(t *testing.T) {
	r := run(t, config(every(5, 10*time.Second, 100, 11), provisioned()))
	near(t, "TTFT", r.TTFT.P50, 200*time.Millisecond)
	near(t, "TPOT", r.TPOT.P50, 20*time.Millisecond)
}

// 60,000 a minute is 1,000 a second; each request weighs 600 + 4 x 100.
func TestBeyondWhatWasBoughtRequestsSpill(t *testing.T) {
	r := run(t, config(every(1200, 500*time.Millisecond, 600, 100), provisioned(), payg()))
	ptu, over := r.Deployments[0], r.Deployments[1]
	if r.Completed != r.Arrived {
		t.Fatalf("%d of %d completed", r.Completed, r.Arrived)
	}
	if n := ptu.Completed; n < 590 || n > 630 {
		t.Errorf("%d of 1,200 stayed, want about the 600 that were bought, and a burst", n)
	}
	if ptu.Throttled == 0 || over.Completed != 1200-ptu.Completed {
		t.Errorf("%d were throttled, %d spilled", ptu.Throttled, over.Completed)
	}
	prompt, output := weir.Money(600*over.Completed), weir.Money(100*over.Completed)
	if want := prompt*2 + output*8; over.Cost != want {
		t.Errorf("spilled tokens cost %v, want %v", over.Cost, want)
	}
	if want := 50 * weir.Dollar * weir.Money(r.Length/time.Millisecond) / 3_600_000; ptu.Cost != want {
		t.Errorf("50 units for %v cost %v, want %v", r.Length, ptu.Cost, want)
	}
}

// With a known quota, requests are not sent in vain, and requests worth a short
// wait do not spill.
func TestAKnownQuotaIsKeptTo(t *testing.T) {
	d := provisioned()
	d.Remote.Burst = time.Minute
	d.Quota, d.Paid = dispatch.Quota{Drain: 60_000, Output: 4_000, Burst: time.Minute}, true
	c := config(every(1200, 500*time.Millisecond, 600, 100), d, payg())
	hasty := run(t, c)
	if n := hasty.Deployments[0].Throttled; n > 0 {
		t.Errorf("%d requests were sent to be refused", n)
	}
	c.Source, c.Spill = every(1200, 500*time.Millisecond, 600, 100), 2*time.Second
	patient := run(t, c)
	if a, b := patient.Deployments[0].Completed, hasty.Deployments[0].Completed; a < b {
		t.Errorf("%d stayed when they could wait, %d when they could not", a, b)
	}
	if patient.TTFT.P90 <= hasty.TTFT.P50 {
		t.Errorf("nobody waited: the first token took %v at most, %v without waiting", patient.TTFT.P90, hasty.TTFT.P50)
	}
}

func TestAThrottledServiceIsLeftAlone(t *testing.T) {
	d := provisioned()
	d.Remote.TokensPerMinute = 0
	d.Remote.Throttled, d.Remote.Throttle = []Window{{10 * time.Second, 20 * time.Second}}, 1
	r := run(t, config(every(300, 100*time.Millisecond, 10, 2), d, payg()))
	if n := r.Deployments[1].Completed; n < 90 || n > 110 {
		t.Errorf("%d spilled, want those of ten seconds", n)
	}
	// It answers "in one second", and is asked once a second.
	if n := r.Deployments[0].Throttled; n < 9 || n > 12 {
		t.Errorf("throttled %d times", n)
	}
}

func TestOwnReplicasSpillToPayAsYouGo(t *testing.T) {
	d := ownFleet(1)
	d.MaxRequests = 8
	r := run(t, config(every(500, 10*time.Millisecond, 100, 20), d, payg()))
	if own, over := r.Deployments[0].Completed, r.Deployments[1].Completed; own == 0 || over == 0 || own+over != 500 {
		t.Errorf("own %d, pay-as-you-go %d of 500", own, over)
	}
}

func TestABucketLetsThroughItsRate(t *testing.T) {
	b := newBucket(60, time.Second, 0) // one a second, a burst of one
	admitted := 0
	for at := weir.Instant(0); at < weir.Instant(100*time.Second); at += weir.Instant(100 * time.Millisecond) {
		if b.wait(at) == 0 {
			b.add(1)
			admitted++
		}
	}
	if admitted < 100 || admitted > 102 {
		t.Errorf("%d in 100 s, want one a second and a burst", admitted)
	}
}
