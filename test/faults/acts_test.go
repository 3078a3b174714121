package faults

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"testing"
)

// storm asks many times at once. How many ask the first deployment before its
// first 429 is known depends on the machine: none may ask it twice.
func storm(t *testing.T, w *world) want {
	saw := w.crowd(t, w.calls)
	if w.b == nil {
		return want{caller: saw}
	}
	asks := "429 at most once a call"
	if n := w.a.throttled(); n > w.calls {
		asks = fmt.Sprintf("429 %d times for %d calls", n, w.calls)
	}
	return want{caller: saw, a: asks}
}

// askedAgain asks once. The gateway may ask the throttled deployment again as long
// as the request is within its time for the preferred tier: on a busy machine that
// is over, and the other one answers at once.
func askedAgain(t *testing.T, w *world) want {
	saw := once(t, w)
	asks := "429 once or twice"
	if n := w.a.throttled(); n < 1 || n > 2 {
		asks = fmt.Sprintf("429 %d times", n)
	}
	return want{caller: saw, a: asks}
}

// throttled counts the 429 that were said.
func (u *upstream) throttled() (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range u.seen {
		if a.how == "429" {
			n++
		}
	}
	return n
}

// leave starts a call that can be taken back, and returns what ends it and
// waits until it has.
func (w *world) leave(t *testing.T) (hangUp func()) {
	ctx, cancel := contextOf(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		resp, err := shared.post(ctx, ask(w.name, w.stream))
		if err != nil {
			return
		}
		defer resp.Body.Close()
		read(resp)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// goneWhenWaiting leaves when the upstream has come to where it waits.
func goneWhenWaiting(t *testing.T, w *world) want {
	hangUp := w.leave(t)
	w.a.until(t, "the request", waiting(1))
	hangUp()
	return want{caller: "left"}
}

// goneQueued fills the only slot, lets a second request wait and leave, then
// ends the first.
func goneQueued(t *testing.T, w *world) want {
	first := w.leave(t)
	w.a.until(t, "the first request", waiting(1))
	second := w.leave(t)
	if shared.admin != "" {
		shared.waits(t, "weir_requests_waiting", w.name, 1)
	}
	second()
	if shared.admin != "" {
		shared.waits(t, "weir_requests_waiting", w.name, 0)
		shared.waits(t, "weir_requests_in_flight", w.name, 1)
	}
	first()
	return want{caller: "left while queued; the other left later"}
}

// slowCaller asks over a connection of its own and reads nothing until the
// gateway has given up on it.
func slowCaller(t *testing.T, w *world) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	c := dial(t, ctx)
	defer c.Close()
	body := ask(w.name, w.stream)
	if _, err := fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
		shared.key, len(body), body); err != nil {
		t.Fatal(err)
	}
	w.a.until(t, "that it was left", func(seen []*asked) bool { return len(seen) == 1 && seen[0].how == "left" })
	return want{caller: "cut off"}
}

// dial connects to the gateway with a small receive buffer.
func dial(t *testing.T, ctx context.Context) net.Conn {
	t.Helper()
	at, err := url.Parse(shared.url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	return c
}
