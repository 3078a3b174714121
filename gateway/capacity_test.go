package gateway

import (
	"strings"
	"testing"
	"time"

	"weir/dispatch"
)

func TestARequestThatWaitsForAQuotaIsServedWhenItIsRaised(t *testing.T) {
	ptu, payg := newBackend(t, answering), newBackend(t, answering)
	// A bucket filled for minutes by one request, and callers willing to wait that long.
	few := dispatch.Quota{Drain: 1, Burst: time.Millisecond}
	c := tiered(ptu.URL, payg.URL, few)
	c.Models[0].Queue.MaxWait = 48 * time.Hour
	c.Models[0].SpillAfter = 48 * time.Hour
	r := start(t, c)
	r.post(chatPath, chatBody)
	r.settled()
	answered := make(chan string)
	go func() {
		resp, _ := r.post(chatPath, chatBody)
		answered <- resp.Header.Get("X-Weir-Deployment")
	}()
	eventually(t, "the second waits", func() bool {
		d, err := r.Demand("d0")
		return err == nil && d.Model.Waiting == 1
	})
	if err := r.Capacity("d0", dispatch.Quota{Drain: 1_000_000_000, Burst: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if d := <-answered; d != "d0" {
		t.Errorf("it went to %q", d)
	}
	r.settled()
}

func TestACapacityThatCannotBeIsRefused(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	for _, f := range []struct {
		deployment string
		quota      dispatch.Quota
		want       string
	}{
		{"nope", dispatch.Quota{Drain: 1}, `deployment "nope" is not configured`},
		{"d0", dispatch.Quota{Drain: -1}, "quota of -1 a minute; allowed are"},
	} {
		if err := r.Capacity(f.deployment, f.quota); err == nil || !strings.Contains(err.Error(), f.want) {
			t.Errorf("%v, want %q", err, f.want)
		}
	}
}
