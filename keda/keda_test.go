package keda_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"weir/keda"
	"weir/keda/scalerpb"
)

// weir is a decision that tests change.
type weir struct {
	mu       sync.Mutex
	replicas int
	watchers []chan struct{}
}

func (w *weir) set(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replicas = n
	for _, c := range w.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (w *weir) options() keda.Options {
	return keda.Options{
		Want: func(d string) (int, bool, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.replicas, w.replicas > 0, d == "llama"
		},
		Changed: func(context.Context, string) <-chan struct{} {
			w.mu.Lock()
			defer w.mu.Unlock()
			c := make(chan struct{}, 1)
			w.watchers = append(w.watchers, c)
			return c
		},
	}
}

// operator sends KEDA's requests.
type operator struct {
	active *connect.Client[scalerpb.ScaledObjectRef, scalerpb.IsActiveResponse]
	spec   *connect.Client[scalerpb.ScaledObjectRef, scalerpb.GetMetricSpecResponse]
	values *connect.Client[scalerpb.GetMetricsRequest, scalerpb.GetMetricsResponse]
	stream *connect.Client[scalerpb.ScaledObjectRef, scalerpb.IsActiveResponse]
}

func newOperator(base string, tlsConfig *tls.Config) operator {
	var p http.Protocols
	p.SetHTTP2(tlsConfig != nil)
	p.SetUnencryptedHTTP2(tlsConfig == nil)
	c := &http.Client{Transport: &http.Transport{Protocols: &p, TLSClientConfig: tlsConfig}}
	at := base + "/externalscaler.ExternalScaler/"
	return operator{
		connect.NewClient[scalerpb.ScaledObjectRef, scalerpb.IsActiveResponse](c, at+"IsActive", connect.WithGRPC()),
		connect.NewClient[scalerpb.ScaledObjectRef, scalerpb.GetMetricSpecResponse](c, at+"GetMetricSpec", connect.WithGRPC()),
		connect.NewClient[scalerpb.GetMetricsRequest, scalerpb.GetMetricsResponse](c, at+"GetMetrics", connect.WithGRPC()),
		connect.NewClient[scalerpb.ScaledObjectRef, scalerpb.IsActiveResponse](c, at+"StreamIsActive", connect.WithGRPC()),
	}
}

var llama = &scalerpb.ScaledObjectRef{Name: "s", Namespace: "models", ScalerMetadata: map[string]string{keda.Key: "llama", "scalerAddress": "weir:9090"}}

// serve runs a scaler until the test ends and returns its address.
func serve(t *testing.T, w *weir, secure *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + l.Addr().String()
	if secure != nil {
		l, at = tls.NewListener(l, secure), "https://"+l.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- keda.Serve(ctx, l, w.options()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return at
}

// TestOneConnectionHasAStreamForEveryScaledObject: KEDA shares one among them all,
// and waits where the server takes no further stream.
func TestOneConnectionHasAStreamForEveryScaledObject(t *testing.T) {
	at := serve(t, &weir{}, nil)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	c := &http.Client{Transport: &http.Transport{Protocols: &p, HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true}}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	at += "/externalscaler.ExternalScaler/"
	stream := connect.NewClient[scalerpb.ScaledObjectRef, scalerpb.IsActiveResponse](c, at+"StreamIsActive", connect.WithGRPC())
	for i := range 300 { // Go's default is 250
		s, err := stream.CallServerStream(ctx, connect.NewRequest(llama))
		if err != nil || !s.Receive() {
			t.Fatalf("stream %d: %v", i+1, err)
		}
	}
	active := connect.NewClient[scalerpb.ScaledObjectRef, scalerpb.IsActiveResponse](c, at+"IsActive", connect.WithGRPC())
	if _, err := active.CallUnary(ctx, connect.NewRequest(llama)); err != nil {
		t.Errorf("a poll beside them: %v", err)
	}
}

// TestTheOrderInWhichKEDAAsks: the specification, the stream at once and kept
// open, then activity and metrics at every poll.
func TestTheOrderInWhichKEDAAsks(t *testing.T) {
	w := &weir{}
	k := newOperator(serve(t, w, nil), nil)
	asks(t, w, k)
}

func TestOverTLS(t *testing.T) {
	borrowed := httptest.NewUnstartedServer(nil) // for its certificate
	borrowed.StartTLS()
	defer borrowed.Close()
	pool := x509.NewCertPool()
	pool.AddCert(borrowed.Certificate())
	w := &weir{}
	at := serve(t, w, &tls.Config{Certificates: borrowed.TLS.Certificates, NextProtos: []string{"h2"}})
	asks(t, w, newOperator(at, &tls.Config{RootCAs: pool, ServerName: "example.com"}))
}

func asks(t *testing.T, w *weir, k operator) {
	t.Helper()
	ctx := t.Context()
	spec, err := k.spec.CallUnary(ctx, connect.NewRequest(llama))
	if err != nil {
		t.Fatal(err)
	}
	if m := spec.Msg.GetMetricSpecs(); len(m) != 1 || m[0].GetMetricName() != keda.Metric || m[0].GetTargetSize() != 1 || m[0].GetTargetSizeFloat() != 1 {
		t.Fatalf("specification %v, want %s with a target of 1", m, keda.Metric)
	}
	streaming, end := context.WithCancel(ctx)
	defer end()
	stream, err := k.stream.CallServerStream(streaming, connect.NewRequest(llama))
	if err != nil {
		t.Fatal(err)
	}
	next := func(want bool) {
		t.Helper()
		if !stream.Receive() {
			t.Fatalf("the stream ended: %v", stream.Err())
		}
		if have := stream.Msg().GetResult(); have != want {
			t.Fatalf("pushed %v, want %v", have, want)
		}
	}
	next(false) // at once
	for _, n := range []int{1, 3, 0, 2} {
		w.set(n)
		active, err := k.active.CallUnary(ctx, connect.NewRequest(llama))
		if err != nil {
			t.Fatal(err)
		}
		values, err := k.values.CallUnary(ctx, connect.NewRequest(&scalerpb.GetMetricsRequest{ScaledObjectRef: llama, MetricName: keda.Metric}))
		if err != nil {
			t.Fatal(err)
		}
		v := values.Msg.GetMetricValues()
		if active.Msg.GetResult() != (n > 0) || len(v) != 1 || v[0].GetMetricValue() != int64(n) || v[0].GetMetricValueFloat() != float64(n) {
			t.Errorf("with %d wanted: active %v, values %v", n, active.Msg.GetResult(), v)
		}
		if n != 3 { // from 1 to 3 nothing is pushed: it was active before
			next(n > 0)
		}
	}
}

// TestAChangeIsPushedByItself: no timer is involved, so it is as fast as the
// network. The log has the time.
func TestAChangeIsPushedByItself(t *testing.T) {
	w := &weir{}
	k := newOperator(serve(t, w, nil), nil)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	stream, err := k.stream.CallServerStream(ctx, connect.NewRequest(llama))
	if err != nil || !stream.Receive() {
		t.Fatal(err, stream.Err())
	}
	began := time.Now()
	w.set(1)
	if !stream.Receive() || !stream.Msg().GetResult() {
		t.Fatalf("not pushed: %v", stream.Err())
	}
	t.Logf("pushed after %v", time.Since(began))
}

func TestAnUnknownDeploymentIsNotFoundAndNamed(t *testing.T) {
	w := &weir{}
	k := newOperator(serve(t, w, nil), nil)
	f := func(err error) {
		t.Helper()
		if connect.CodeOf(err) != connect.CodeNotFound || !strings.Contains(err.Error(), `no deployment "other", which ScaledObject models/other asks for`) {
			t.Errorf("%v, want not found, with the names", err)
		}
	}
	other := &scalerpb.ScaledObjectRef{Name: "other", Namespace: "models"} // without metadata, its own name counts
	_, err := k.active.CallUnary(t.Context(), connect.NewRequest(other))
	f(err)
	_, err = k.spec.CallUnary(t.Context(), connect.NewRequest(other))
	f(err)
	_, err = k.values.CallUnary(t.Context(), connect.NewRequest(&scalerpb.GetMetricsRequest{ScaledObjectRef: other}))
	f(err)
	stream, err := k.stream.CallServerStream(t.Context(), connect.NewRequest(other))
	if err == nil {
		for stream.Receive() {
		}
		err = stream.Err()
	}
	f(err)
}

func TestServingEndsWithStreamsOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w, ended := &weir{}, make(chan error, 1)
	go func() { ended <- keda.Serve(ctx, l, w.options()) }()
	stream, err := newOperator("http://"+l.Addr().String(), nil).stream.CallServerStream(t.Context(), connect.NewRequest(llama))
	if err != nil || !stream.Receive() {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}
