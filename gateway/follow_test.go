package gateway

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/memory"
)

// A follower that reads nothing holds up neither its leader nor the model, and what is
// kept for it is bounded: the leader gets the whole of an answer many times as large.
func TestAFollowerThatDoesNotReadIsCut(t *testing.T) {
	const bound = 32 << 10
	p := newPaced(t)
	c := config(p.URL)
	c.Models[0].Attempts, c.Models[0].Cache = 1, &cache.Policy{TTL: time.Hour, Normalise: true, SingleFlight: true}
	s := memory.New(memory.Options{MostBody: bound}, nil)
	t.Cleanup(s.Close)
	r := start(t, c, func(o *Options) { o.Answers = s })
	leader := r.ask2(t, coldStream)
	p.send(roleEvent, tokenEvent)
	slow, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	slow.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(slow, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", chatPath, testKey, len(coldStream), coldStream)
	eventually(t, "one follows", func() bool { return r.followers() == 1 })
	big := strings.Replace(tokenEvent, "hello ", strings.Repeat("hello ", 2000), 1)
	most, sent := int64(0), 0
	for cut := false; !cut && sent < 64<<20; { // what the kernel takes for it comes first
		p.send(big)
		sent += len(big)
		most = max(most, r.transcripts.Load())
		for _, rec := range r.copyRecords() {
			cut = cut || rec.Code == "client_slow"
		}
	}
	p.send(finishEvent, usageEvent, doneEvent, "end")
	if got := leader.all(); !strings.HasSuffix(got, doneEvent) || len(got) < sent {
		t.Errorf("the leader has %d bytes, want %d", len(got), sent)
	}
	if most > 3*bound {
		t.Errorf("%d bytes were kept, the bound of an answer is %d", most, bound)
	}
	r.settled()
	codes := map[string]int{}
	for _, rec := range r.copyRecords() {
		codes[rec.Code]++
	}
	if codes["client_slow"] != 1 || codes[""] != 1 {
		t.Errorf("%v", codes)
	}
}

// A model that stores no answers costs nothing for it, though others store theirs.
func TestAModelWithoutCacheAllocatesNothingForIt(t *testing.T) {
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answerText), answerText)
	allocated := func(with bool) float64 {
		s := memory.New(memory.Options{}, nil)
		t.Cleanup(s.Close)
		r := start(t, config(canned(t, answer)), func(o *Options) {
			o.Record = nil
			if with {
				o.Answers = s
			}
		})
		ask := Submission{Tenant: "demo", Key: "ci", Op: weir.OpChat, Body: []byte(coldBody)}
		return testing.AllocsPerRun(300, func() {
			if _, err := r.Submit(t.Context(), ask, nowhere{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if without, with := allocated(false), allocated(true); with > without+0.5 {
		t.Errorf("%.1f allocations, %.1f without stored answers", with, without)
	}
}
