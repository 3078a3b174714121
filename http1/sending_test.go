package http1

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The memory of a body belongs to another request as soon as the call has ended: it
// must not reach the upstream, nor be read.
func TestABodyIsNotReadOnceItsCallHasEnded(t *testing.T) {
	begun, foreign := make(chan struct{}, 1), make(chan bool, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := make([]byte, 1<<10)
		n, err := r.Body.Read(p)
		begun <- struct{}{}
		found := false
		for err == nil {
			found = found || bytes.IndexByte(p[:n], 'x') >= 0
			n, err = r.Body.Read(p)
		}
		foreign <- found
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	c := newClient(t, s.URL, Options{HTTP2: true, TLS: trusting(s)})
	for range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-begun
			cancel()
		}()
		call := post("")
		call.Body = net.Buffers{bytes.Repeat([]byte("a"), 8<<20)}
		_, _, err := ask(ctx, c, call)
		for i := range call.Body[0] {
			call.Body[0][i] = 'x'
		}
		if kindOf(t, err) != KindCanceled {
			t.Fatalf("%v: want canceled", err)
		}
		if <-foreign {
			t.Fatal("the upstream was sent what came into the memory later")
		}
	}
}

func TestABodyCanBeReadAgainUntilItsCallHasEnded(t *testing.T) {
	s := &sending{segments: net.Buffers{[]byte("one "), []byte("two")}}
	for range 2 { // net/http asks again when a connection was lost before anything was sent
		if b, err := io.ReadAll(s.reader()); string(b) != "one two" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
	half := s.reader()
	if _, err := io.ReadFull(half, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	s.end()
	if n, err := half.Read(make([]byte, 10)); n != 0 || err != errEnded {
		t.Errorf("%d bytes, %v after the end", n, err)
	}
}
