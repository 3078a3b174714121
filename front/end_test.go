package front

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// counted is a base that counts the contexts below it.
type counted struct {
	context.Context
	n *atomic.Int64
}

func (c counted) Done() <-chan struct{} { return make(chan struct{}) }

// AfterFunc is called by package context in place of starting a goroutine.
func (c counted) AfterFunc(func()) (stop func() bool) {
	c.n.Add(1)
	return func() bool { c.n.Add(-1); return true }
}

func TestAConnectionBeyondTheBoundLeavesNothing(t *testing.T) {
	var n atomic.Int64
	_, addr := serving(t, echo, func(o *Options) { o.MaxConns, o.Base = 0, counted{context.Background(), &n} })
	for range 10 {
		dialled(t, addr).Read(make([]byte, 1))
	}
	for by := time.Now().Add(hang); n.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("%d contexts are left of refused connections", n.Load())
		}
	}
}

func TestConnectionsOfHTTP2CountUntilTheyAreClosed(t *testing.T) {
	given := make(chan net.Conn, 1)
	s, addr := serving(t, echo, func(o *Options) { o.MaxConns, o.HTTP2 = 1, func(c net.Conn) { given <- c } })
	io.WriteString(dialled(t, addr), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	c := <-given
	for by := time.Now().Add(hang); ; time.Sleep(time.Millisecond) { // until the first goroutine has ended
		s.mu.Lock()
		n := len(s.conns)
		s.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(by) {
			t.Fatal("the connection still counts as one of HTTP/1.1")
		}
	}
	const text = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	if got := answered(addr, text); len(got) > 0 {
		t.Error("a second connection was served:", got)
	}
	c.Close()
	c.Close() // counts once
	if got := answered(addr, text); len(got) != 1 {
		t.Error("no connection is served after that of HTTP/2 was closed")
	}
}

func certificate(t testing.TB) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// heard is a connection that keeps what was read from it.
type heard struct {
	net.Conn
	all bytes.Buffer
}

func (c *heard) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.all.Write(p[:n])
	return n, err
}

// goodbye says whether the last record of TLS was an alert.
func (c *heard) goodbye() (last bool) {
	const alert = 21
	for b := c.all.Bytes(); len(b) >= 5; b = b[5+int(b[3])<<8+int(b[4]):] {
		last = b[0] == alert
	}
	return last
}

func partly(c *Conn) {
	c.Start(200, -1)
	c.Send([]byte("abc"))
	c.Flush()
	switch c.Path {
	case "/cut":
		c.Cut()
	case "/panic":
		panic("for the test")
	}
}

// HTTP/1.0 has no chunks: only the connection's end says where an answer ends.
func TestABrokenAnswerOfHTTP10IsSeenToBeBrokenOff(t *testing.T) {
	_, addr := serving(t, partly)
	for _, path := range []string{"/whole", "/cut", "/panic"} {
		c := dialled(t, addr)
		io.WriteString(c, "GET "+path+" HTTP/1.0\r\n\r\n")
		b, err := io.ReadAll(c)
		if broken := errors.Is(err, syscall.ECONNRESET); broken != (path != "/whole") || !broken && !strings.HasSuffix(string(b), "\r\n\r\nabc") {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
}

func TestTLSSaysGoodbyeUnlessAnAnswerBreaksOff(t *testing.T) {
	keys := certificate(t)
	_, addr := serving(t, partly, func(o *Options) {
		o.IdleTimeout, o.Secure = 20*time.Millisecond, func(c net.Conn) net.Conn { return tls.Server(c, keys) }
	})
	for text, want := range map[string]bool{
		"GET / HTTP/1.0\r\n\r\n":                                 true,
		"GET /cut HTTP/1.0\r\n\r\n":                              false,
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                      true, // idle for too long
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n": true,
		"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n":                 false,
	} {
		h := &heard{Conn: dialled(t, addr)}
		c := tls.Client(h, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}) // 1.3 hides what a record is
		io.WriteString(c, text)
		io.ReadAll(c)
		if h.goodbye() != want {
			t.Errorf("%q: said goodbye: %v, want %v", text, !want, want)
		}
	}
}
