package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// writeCert writes a self-signed certificate for 127.0.0.1 with that serial.
func writeCert(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "weir"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// over posts a stream with a client of its own protocols and returns the answer.
func over(t *testing.T, r *running, protocols func(*http.Protocols)) (*http.Response, string) {
	t.Helper()
	var p http.Protocols
	protocols(&p)
	tr := &http.Transport{Protocols: &p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	req, _ := http.NewRequest("POST", r.url+chatPath, strings.NewReader(streamed))
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

const streamedAnswer = roleEvent + tokenEvent + tokenEvent + tokenEvent + finishEvent + doneEvent

func TestHTTP2IsServedWithAndWithoutTLS(t *testing.T) {
	onBothFronts(t, hTTP2IsServedWithAndWithoutTLS)
}

func hTTP2IsServedWithAndWithoutTLS(t *testing.T) {
	t.Helper()
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	resp, answer := over(t, r, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	if resp.ProtoMajor != 2 || answer != streamedAnswer {
		t.Error(resp.Proto, answer)
	}
	certFile, keyFile := writeCert(t, t.TempDir(), 1)
	r = start(t, config(b.URL), func(o *Options) { o.Listen.CertFile, o.Listen.KeyFile = certFile, keyFile })
	r.url = strings.Replace(r.url, "http:", "https:", 1)
	if resp, answer := over(t, r, func(p *http.Protocols) { p.SetHTTP2(true) }); resp.ProtoMajor != 2 || answer != streamedAnswer {
		t.Error(resp.Proto, answer)
	}
	if resp, answer := over(t, r, func(p *http.Protocols) { p.SetHTTP1(true) }); resp.ProtoMajor != 1 || answer != streamedAnswer {
		t.Error(resp.Proto, answer)
	}
}

func TestANewCertificateIsServedAfterAReload(t *testing.T) {
	b := newBackend(t, answering)
	dir := t.TempDir()
	certFile, keyFile := writeCert(t, dir, 1)
	c := config(b.URL)
	r := start(t, c, func(o *Options) { o.Listen.CertFile, o.Listen.KeyFile = certFile, keyFile })
	r.url = strings.Replace(r.url, "http:", "https:", 1)
	serial := func() int64 {
		resp, _ := over(t, r, func(p *http.Protocols) { p.SetHTTP1(true) })
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Error(n)
	}
	writeCert(t, dir, 2)
	if err := r.Apply(c); err != nil {
		t.Fatal(err)
	}
	if n := serial(); n != 2 {
		t.Error("the old certificate is served:", n)
	}
	if err := os.WriteFile(keyFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(c); err == nil || !strings.Contains(err.Error(), keyFile) {
		t.Error(err)
	}
	if n := serial(); n != 2 {
		t.Error(n)
	}
	if _, err := New(Options{Dialects: protocols, Listen: Listen{CertFile: certFile}}); err == nil {
		t.Error("a certificate without a key was taken")
	}
}

func TestConnectionsAndHeadersAreBounded(t *testing.T) {
	onBothFronts(t, connectionsAndHeadersAreBounded)
}

func connectionsAndHeadersAreBounded(t *testing.T) {
	t.Helper()
	b := newBackend(t, answering)
	r := start(t, config(b.URL), func(o *Options) { o.Listen.MaxConns, o.Listen.MaxHeaderBytes = 2, 8<<10 })
	addr := strings.TrimPrefix(r.url, "http://")
	var open []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	// The third is closed at once.
	third, err := net.Dial("tcp", addr)
	if err == nil {
		third.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = third.Read(make([]byte, 1))
		third.Close()
	}
	if err == nil || strings.Contains(err.Error(), "timeout") {
		t.Error("a connection too many was kept:", err)
	}
	io.WriteString(open[0], "GET /healthz HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 20_000)+"\r\n\r\n")
	answer := make([]byte, 12)
	if _, err := io.ReadFull(open[0], answer); err != nil || string(answer) != "HTTP/1.1 431" {
		t.Errorf("%q %v", answer, err)
	}
}

// The handlers know HTTP only through http.go.
func TestOnlyTheFrontKnowsNetHTTP(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "http.go" || name == "run.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if strings.Contains(string(text), `"net/http"`) {
			t.Errorf("%s imports net/http; only http.go and run.go may", name)
		}
	}
}

// told is a connection that tells when reading it fails.
type told struct {
	net.Conn
	ended chan struct{}
	once  sync.Once
}

func (c *told) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.once.Do(func() { close(c.ended) })
	}
	return n, err
}

func TestAStopTellsCallersOverHTTP2WhileOthersAreServed(t *testing.T) {
	onBothFronts(t, func(t *testing.T) {
		hold, arrived := make(chan struct{}), make(chan struct{}, 2)
		b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Tracestate") == "slow" {
				arrived <- struct{}{}
				<-hold
			}
			answering(w, r)
		})
		r := start(t, config(b.URL), func(o *Options) { o.Drain = 2 * hang })
		slow := make(chan error, 1)
		go func() {
			resp, err := r.send(context.Background(), chatPath, chatBody, "Tracestate", "slow")
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			slow <- err
		}()
		<-arrived
		var p http.Protocols
		p.SetUnencryptedHTTP2(true)
		c := &told{ended: make(chan struct{})}
		tr := &http.Transport{Protocols: &p, DialContext: func(ctx context.Context, network, addr string) (_ net.Conn, err error) {
			c.Conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
			return c, err
		}}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Get(r.url + "/healthz")
		if err != nil || resp.ProtoMajor != 2 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
		r.stop()
		select {
		case <-c.ended:
		case <-time.After(hang):
			t.Error("the connection of HTTP/2 stays open while a request of HTTP/1.1 is served")
		}
		close(hold)
		if err := <-slow; err != nil {
			t.Error(err)
		}
	})
}
