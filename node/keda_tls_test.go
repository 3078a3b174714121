package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir"
)

// KEDA is answered over TLS with the certificate of the file; one that takes its
// place counts at the next connection.
func TestKEDAIsAnsweredWithTheCertificateThatIsThere(t *testing.T) {
	k := kedaOf(func(string) ([]weir.Replica, error) { return []weir.Replica{{State: weir.Ready}}, nil })
	dir := t.TempDir()
	k.o = KEDA{Listen: "127.0.0.1:0", CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	if _, err := k.listen(); err == nil || !strings.Contains(err.Error(), "keda.tls: open ") {
		t.Errorf("without the files: %v", err)
	}
	first := certify(t, k.o, 1)
	l, err := k.listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.run(ctx, l) }()
	ask := func(by *x509.CertPool, serial int64) {
		t.Helper()
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: by}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Post("https://"+l.Addr().String()+"/externalscaler.ExternalScaler/IsActive",
			"application/json", strings.NewReader(`{"name":"asked"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != `{"result":true}` || resp.ProtoMajor != 2 || resp.TLS.PeerCertificates[0].SerialNumber.Int64() != serial {
			t.Errorf("certificate %v over HTTP/%d: %s, %v; want certificate %d", resp.TLS.PeerCertificates[0].SerialNumber, resp.ProtoMajor, body, err, serial)
		}
	}
	ask(first, 1)
	ask(certify(t, k.o, 2), 2)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// certify writes a key and its certificate, and returns what trusts it.
func certify(t *testing.T, o KEDA, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	signed, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	for file, b := range map[string][]byte{o.CertFile: text, o.KeyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}
