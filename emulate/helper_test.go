package emulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/engine"
)

// plain is a GPU with round figures: a step costs 10 ms, and 10 us more for
// every prompt token in it.
type plain struct{}

func (plain) Step(b engine.Batch) engine.Cost {
	return engine.Cost{Fixed: engine.Picos(.010 + .000010*float64(b.Prefill))}
}

func plainSpec() *engine.Spec {
	return &engine.Spec{Speed: plain{}, MaxSeqs: 64, MaxBatchTokens: 2048, KVTokens: 64000, BlockTokens: 16}
}

// server is an emulated replica on a network of pipes, inside a synctest
// bubble, whose time it uses.
type server struct {
	*testing.T
	*Server
	client *http.Client
	header http.Header // of every request
	stop   func()
}

// emulated runs the test in a bubble with a server in it.
func emulated(t *testing.T, o Options, test func(*server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if o.Model == "" {
			o.Model = "tiny"
		}
		if o.Spec == nil {
			o.Spec = plainSpec()
		}
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		inBubble(t, s, s.serve, test)
	})
}

// inBubble serves on a network of pipes during the test.
func inBubble(t *testing.T, s *Server, serve func(context.Context, net.Listener) error, test func(*server)) {
	t.Helper()
	l := pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l) }()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }}
	srv := &server{T: t, Server: s, client: &http.Client{Transport: tr}}
	stopped := false
	srv.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		tr.CloseIdleConnections()
		if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}
	defer srv.stop()
	synctest.Wait()
	test(srv)
}

// pipes is a listener of net.Pipe connections.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// send sends one request; the caller closes the answer's body.
func (s *server) send(ctx context.Context, method, path, body string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, "http://emulated"+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	maps.Copy(q.Header, s.header)
	q.Header.Set("Content-Type", "application/json")
	return s.client.Do(q)
}

// ask sends one request and reads the whole answer.
func (s *server) ask(method, path, body string) (status int, header http.Header, answer []byte) {
	s.Helper()
	a, err := s.send(context.Background(), method, path, body)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	return a.StatusCode, a.Header, b
}

// post sends a request, wants 200 and decodes the answer.
func (s *server) post(path, body string) tree {
	s.Helper()
	status, _, b := s.ask("POST", path, body)
	if status != http.StatusOK {
		s.Fatalf("%s: %d %s", path, status, b)
	}
	return parse(s.T, b)
}

// sse is one event of a stream.
type sse struct {
	name string
	data string
	at   time.Duration // since the request
}

// stream sends a request and reads the events until the answer ends; err is the
// error of an answer that broke off.
func (s *server) stream(path, body string) (events []sse, err error) {
	s.Helper()
	began := time.Now()
	a, err := s.send(context.Background(), "POST", path, body)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") {
		b, _ := io.ReadAll(a.Body)
		s.Fatalf("%s: %d %s %s", path, a.StatusCode, a.Header.Get("Content-Type"), b)
	}
	return readEvents(a.Body, began)
}

func readEvents(r io.Reader, began time.Time) (events []sse, err error) {
	var e sse
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		switch {
		case errors.Is(err, io.EOF) && line == "":
			return events, nil
		case err != nil:
			return events, err
		case line == "":
			e.at = time.Since(began)
			events = append(events, e)
			e = sse{}
		case strings.HasPrefix(line, "event: "):
			e.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			e.data = line[len("data: "):]
		}
	}
}

// tree is decoded JSON, read by paths: at("choices", 0, "text").
type tree struct {
	t *testing.T
	v any
}

func parse(t *testing.T, b []byte) tree {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, b)
	}
	return tree{t, v}
}

func (n tree) at(path ...any) tree {
	n.t.Helper()
	v := n.v
	for i, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				n.t.Fatalf("%v: %v is no object", path[:i], v)
			}
			if v, ok = m[p]; !ok {
				n.t.Fatalf("%v is not there: %v", path[:i+1], m)
			}
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				n.t.Fatalf("%v: %v has no %d", path[:i], v, p)
			}
			v = l[p]
		}
	}
	return tree{n.t, v}
}

func (n tree) has(key string) bool { m, _ := n.v.(map[string]any); _, ok := m[key]; return ok }

func (n tree) str() string {
	n.t.Helper()
	s, ok := n.v.(string)
	if !ok {
		n.t.Fatalf("%v is no string", n.v)
	}
	return s
}

func (n tree) num() int {
	n.t.Helper()
	j, ok := n.v.(json.Number)
	i, err := j.Int64()
	if !ok || err != nil {
		n.t.Fatalf("%v is no integer", n.v)
	}
	return int(i)
}

func (n tree) len() int { l, _ := n.v.([]any); return len(l) }

func must[V comparable](t *testing.T, what string, have, want V) {
	t.Helper()
	if have != want {
		t.Errorf("%s: have %v, want %v", what, have, want)
	}
}
