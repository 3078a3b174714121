package gateway

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Over HTTP/2 an abandoned request is a stream, not a connection.
func TestALoserIsLeftOverHTTP2Too(t *testing.T) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	tr := newTrack(t, func(tr *track, c *Config) {
		d := &c.Models[0].Deployments[0]
		d.Upstream.HTTP2, d.Addrs = true, nil
		for _, serve := range []http.HandlerFunc{tr.serve, tr.serveHedge} {
			s := httptest.NewUnstartedServer(serve)
			s.Config.Protocols = &protocols
			s.Start()
			t.Cleanup(s.Close)
			d.Addrs = append(d.Addrs, s.URL)
		}
	})
	gone := make(chan struct{})
	tr.arm(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("%s", r.Proto)
		}
		<-r.Context().Done()
		close(gone)
	})
	if resp, body := tr.post(chatPath, streamed); resp.StatusCode != 200 || resp.Header.Get("X-Weir-Route") != "d0=hedged, d0=hedge" {
		t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
	}
	<-gone
	tr.rec()
	tr.settled()
}

// Callers leave at random moments of races whose replicas stall, fail and answer: every
// request is recorded once, and none leaves anything behind.
func TestCallersThatLeaveRacesLeaveNothing(t *testing.T) {
	tr := newTrack(t)
	var n atomic.Int64
	moody := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 4 {
		case 0:
			<-r.Context().Done()
		case 1:
			time.Sleep(8 * time.Millisecond)
			w.WriteHeader(500)
		case 2:
			time.Sleep(8 * time.Millisecond)
			answering(w, r)
		default:
			answering(w, r)
		}
	})
	tr.every.Store(&moody)
	rng := rand.New(rand.NewPCG(1, 1))
	var all sync.WaitGroup
	for range 100 {
		patience := time.Duration(rng.IntN(25)) * time.Millisecond
		all.Go(func() {
			ctx, leave := context.WithTimeout(t.Context(), patience)
			defer leave()
			if resp, err := tr.send(ctx, chatPath, streamed); err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	all.Wait()
	eventually(t, "every request that arrived is recorded", func() bool {
		l := tr.Levels()
		tr.running.mu.Lock()
		defer tr.running.mu.Unlock()
		return l.Requests == 0 && uint64(len(tr.records)) == l.Arrived
	})
	tr.settled()
	d := tr.state.Load().list[0].demand(tr.now())
	if d.Arrived != d.Refused+d.Completed+d.Failed+d.Cancelled {
		t.Errorf("%+v", d)
	}
}
