//go:build keda

package kubernetes_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The front of the API server for KEDA's metrics adapter, which serves
// external.metrics.k8s.io behind it: one certificate of one authority for all.
func init() {
	prepare = func(p *plane) error {
		if err := certificates(p.at("keda")); err != nil {
			return err
		}
		at := func(name string) string { return filepath.Join(p.at("keda"), name) }
		p.flags = []string{"--requestheader-client-ca-file", at("ca.crt"), "--requestheader-allowed-names=localhost",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-username-headers=X-Remote-User", "--proxy-client-cert-file", at("tls.crt"), "--proxy-client-key-file", at("tls.key")}
		return nil
	}
}

// certificates writes ca.crt, and tls.crt and tls.key for localhost, as client and
// as server.
func certificates(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	make := func(name string, serial int64, authority bool, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
		if authority {
			c.IsCA, c.KeyUsage, parent, by = true, x509.KeyUsageCertSign, c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
		if err != nil {
			return nil, nil, err
		}
		c, err = x509.ParseCertificate(der)
		return c, key, err
	}
	ca, by, err := make("weir.test", 1, true, nil, nil)
	if err != nil {
		return err
	}
	leaf, key, err := make("localhost", 2, false, ca, by)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, b := range map[string]*pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: ca.Raw}, "tls.crt": {Type: "CERTIFICATE", Bytes: leaf.Raw}, "tls.key": {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// kedas starts KEDA: its custom resources, its operator, and its metrics adapter
// as an API behind the API server.
func (w *world) kedas() {
	w.Helper()
	bin := os.Getenv("WEIR_KEDA")
	if bin == "" {
		w.Fatal("WEIR_KEDA is not set: use make test-keda, which builds KEDA and says where it is")
	}
	files, err := filepath.Glob(filepath.Join(bin, "crds", "*.yaml"))
	if err != nil || len(files) == 0 {
		w.Fatalf("%d definitions of KEDA's in %s, %v", len(files), bin, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.Fatal(err)
		}
		w.apply(string(text))
	}
	w.until("ScaledObjects are served", func() (bool, string) {
		_, err := w.resource("keda.sh/v1alpha1", "scaledobjects", w.namespace).List(soon(w.T), metav1.ListOptions{})
		return err == nil, fmt.Sprint(err)
	})
	var free [5]string
	for i := range free {
		if free[i], err = freeAddress(); err != nil {
			w.Fatal(err)
		}
	}
	dir, admin := cluster.at("keda"), cluster.at("admin")
	start := func(name string, args ...string) {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Env = append(os.Environ(), "KUBECONFIG="+admin, "WATCH_NAMESPACE=", "POD_NAMESPACE=keda", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda")
		if _, err := cluster.run("keda-"+name, c); err != nil {
			w.Fatal(err)
		}
	}
	w.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: keda}")
	start("operator", "--cert-dir", dir, "--enable-cert-rotation=false", "--enable-webhook-patching=false", "--enable-apiservice-patching=false",
		"--metrics-bind-address", free[0], "--health-probe-bind-address", free[1], "--metrics-service-bind-address", free[2])
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	start("adapter", "--bind-address=127.0.0.1", "--secure-port", port(free[3]), "--port", port(free[4]), "--cert-dir", dir,
		"--tls-cert-file", filepath.Join(dir, "tls.crt"), "--tls-private-key-file", filepath.Join(dir, "tls.key"),
		"--lister-kubeconfig", admin, "--authentication-kubeconfig", admin, "--authorization-kubeconfig", admin,
		"--metrics-service-address", free[2], "--metrics-service-grpc-authority=localhost")
	at, err := strconv.Atoi(port(free[3]))
	if err != nil {
		w.Fatal(err)
	}
	w.apply(fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: keda-metrics-apiserver, namespace: keda}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  service: {name: keda-metrics-apiserver, namespace: keda, port: %d}
  group: external.metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
`, at))
	w.within(90*time.Second, "the metrics adapter serves behind the API server", func() (bool, string) {
		o, err := w.resource("apiregistration.k8s.io/v1", "apiservices", "").Get(soon(w.T), "v1beta1.external.metrics.k8s.io", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		text := fmt.Sprint(o.Object["status"])
		return strings.Contains(text, "type:Available") && strings.Contains(text, "status:True"), text
	})
}

// within is until with a time of its own: KEDA polls, and an autoscaler after it.
func (w *world) within(d time.Duration, what string, ok func() (bool, string)) {
	w.Helper()
	said := ""
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var done bool
		if done, said = ok(); done {
			return
		}
	}
	w.Fatalf("never came in %v: %s; at the end: %s\nthe cluster has %s", d, what, said, w.dump())
}
