package gateway

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificates is the TLS certificate in two files, which are read again when they
// change. nil means plain HTTP.
type certificates struct {
	certFile, keyFile string

	mu     sync.Mutex
	cert   *tls.Certificate
	read   [2]time.Time // modification times of the loaded files
	looked time.Time
}

// lookEvery is the least time between two checks of the files.
const lookEvery = time.Minute

func openCertificates(certFile, keyFile string) (*certificates, error) {
	if certFile == "" && keyFile == "" {
		return nil, nil
	}
	if certFile == "" || keyFile == "" {
		return nil, fmt.Errorf("TLS needs both a certificate file and a key file: have %q and %q", certFile, keyFile)
	}
	c := &certificates{certFile: certFile, keyFile: keyFile}
	return c, c.reload()
}

// reload reads the files; on an error the old certificate stays.
func (c *certificates) reload() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load()
}

func (c *certificates) load() error {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.cert, c.read = &cert, c.modified()
	return nil
}

func (c *certificates) modified() (t [2]time.Time) {
	for i, name := range [...]string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			t[i] = info.ModTime()
		}
	}
	return t
}

// get returns the current certificate. Files that do not match yet, because they are
// being replaced, are tried again a minute later.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		if c.modified() != c.read {
			_ = c.load() // the old one is still good
		}
	}
	return c.cert, nil
}
