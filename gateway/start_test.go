package gateway

import (
	"strings"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
)

// A caller waiting for a server that does not start gets its error at once, with the
// server's last words, and so do callers that arrive while it is restarted.
func TestAServerThatDoesNotStartIsNamed(t *testing.T) {
	c := config("")
	d := &c.Models[0].Deployments[0]
	d.Upstream.BaseURL, d.Elastic = "", true
	c.Models[0].Queue.MaxWaitCold = time.Hour
	r := start(t, c)
	told := make(chan string, 1)
	go func() {
		resp, answer := r.post(chatPath, chatBody)
		told <- resp.Status + " " + resp.Header.Get("X-Weir-Fault") + " " + answer
	}()
	eventually(t, "a request waits", func() bool { return r.state.Load().list[0].demand(r.now()).Waiting == 1 })
	detail := "process ended: exit status 1; last output: " + strings.Repeat("x", 1000) + " out of memory; restart in 1s"
	fail := func(s weir.ReplicaState) {
		if err := r.SetReplicas("d0", []weir.Replica{{ID: "d0-1", State: s, Detail: detail, FailedStarts: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(answer string) {
		t.Helper()
		for _, want := range []string{"503", "upstream", `"code":"start_fails"`, "d0-1", "exit status 1", "out of memory"} {
			if !strings.Contains(answer, want) {
				t.Errorf("%q does not say %q", answer, want)
			}
		}
		if len(answer) > 800 {
			t.Errorf("%d bytes: %s", len(answer), answer)
		}
	}
	fail(weir.Failed)
	check(<-told)
	fail(weir.Starting)
	resp, answer := r.post(chatPath, chatBody)
	check(resp.Status + " " + resp.Header.Get("X-Weir-Fault") + " " + answer)
	r.settled()
}

// Where the place has no replica to give, callers get its words and the time at
// which it is asked again, instead of waiting for a start that does not come.
func TestAPlaceWithoutCapacityIsNamed(t *testing.T) {
	c := config("")
	d := &c.Models[0].Deployments[0]
	d.Upstream.BaseURL, d.Elastic = "", true
	c.Models[0].Queue.MaxWaitCold = time.Hour
	r := start(t, c)
	if err := r.SetReplicas("d0", nil); err != nil {
		t.Fatal(err)
	}
	r.SetShort("d0", dispatch.Shortage{Why: "quota", Text: "quota gpus: 4 of 4 are used", Again: r.now().Add(time.Minute)})
	r.SetShort("removed", dispatch.Shortage{Why: "quota"})
	resp, answer := r.post(chatPath, chatBody)
	after := resp.Header.Get("Retry-After")
	for _, want := range []string{`"code":"no_capacity"`, `d0`, "quota: quota gpus: 4 of 4 are used"} {
		if resp.StatusCode != 503 || !strings.Contains(answer, want) {
			t.Errorf("%d %q does not say %q", resp.StatusCode, answer, want)
		}
	}
	if after != "60" && after != "59" {
		t.Errorf("come back in %q s, want a minute", after)
	}
	if route := resp.Header.Get("X-Weir-Route"); route != "d0=no_capacity" {
		t.Errorf("route %q", route)
	}
	r.settled()
}
