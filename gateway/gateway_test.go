package gateway

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// TestMain keeps property tests from writing files: a failing draw is printed with its
// seed.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("rapid.nofailfile", "true")
	os.Exit(m.Run())
}

// backend is an inference server: an httptest server that counts its calls and
// keeps the bodies it got.
type backend struct {
	*httptest.Server
	calls    atomic.Int64
	inFlight atomic.Int64
	mu       sync.Mutex
	bodies   []string
	headers  []http.Header
	paths    []string
}

func newBackend(t testing.TB, h http.HandlerFunc) *backend {
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.calls.Add(1)
		b.inFlight.Add(1)
		defer b.inFlight.Add(-1)
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		if len(b.bodies) < 1000 {
			b.bodies = append(b.bodies, string(body))
			b.headers = append(b.headers, r.Header.Clone())
			b.paths = append(b.paths, r.URL.String())
		}
		b.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		h(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

// last is the last request the backend got.
func (b *backend) last() (path, body string, header http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.bodies) - 1
	return b.paths[n], b.bodies[n], b.headers[n]
}

// rawBackend is an inference server at the level of bytes: script gets each connection
// once a whole request has been read from it, and the connection ends when script
// returns.
func rawBackend(t testing.TB, script func(c net.Conn, request int)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var n atomic.Int64
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				io.Copy(io.Discard, r.Body)
				script(c, int(n.Add(1)))
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return "http://" + ln.Addr().String()
}

const (
	answerText  = `{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":4}}}`
	roleEvent   = `data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	tokenEvent  = `data: {"id":"c1","choices":[{"index":0,"delta":{"content":"hello "},"finish_reason":null}]}` + "\n\n"
	finishEvent = `data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usageEvent  = `data: {"id":"c1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}}` + "\n\n"
	doneEvent   = "data: [DONE]\n\n"
	streamHead  = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// answering acts as a whole server: it streams on request, with usage on request.
func answering(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var ask struct {
		Stream  bool
		Options struct {
			Usage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	json.Unmarshal(body, &ask)
	if !ask.Stream {
		w.Header().Set("Content-Type", "application/json")
		answer := answerText
		for _, op := range opAnswers {
			if r.URL.Path == op.path {
				answer = op.answer
			}
		}
		io.WriteString(w, answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	events := []string{roleEvent, tokenEvent, tokenEvent, tokenEvent, finishEvent}
	if ask.Options.Usage {
		events = append(events, usageEvent)
	}
	for _, e := range append(events, doneEvent) {
		io.WriteString(w, e)
		w.(http.Flusher).Flush()
	}
}

// chunk writes s as one HTTP chunk.
func chunk(w io.Writer, s string) { fmt.Fprintf(w, "%x\r\n%s\r\n", len(s), s) }

const testKey = "weir_test_key"

func sum(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// config serves model "m" from the given backends, each a deployment of the same tier,
// named d0, d1, ...
func config(backends ...string) Config {
	m := Model{Name: "m", Attempts: 3, Queue: dispatch.Queue{MaxWait: 5 * time.Second}}
	for i, url := range backends {
		m.Deployments = append(m.Deployments, Deployment{
			Deployment: dispatch.Deployment{Name: fmt.Sprintf("d%d", i), Weight: 1},
			Upstream:   upstream.Options{Dialect: openAI, BaseURL: url, Model: "up"},
		})
	}
	return Config{
		Tenants: []Tenant{{Name: "demo", Keys: []Key{{Name: "ci", SHA256: sum(testKey)}}}},
		Models:  []Model{m},
	}
}

// running is a gateway that serves on a loopback port.
type running struct {
	*Gateway
	t    testing.TB
	url  string
	stop context.CancelFunc
	done chan error

	mu      sync.Mutex
	records []weir.Record
	got     chan struct{} // one for each record
}

func start(t testing.TB, c Config, tune ...func(*Options)) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, url: "http://" + ln.Addr().String(), done: make(chan error, 1), got: make(chan struct{}, 1<<16)}
	o := Options{Dialects: protocols, Listen: Listen{Listener: ln}, Config: c, Drain: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler), Record: r.record}
	if os.Getenv("WEIR_FRONT") == "own" { // see onBothFronts
		o.Listen.Front = OwnFront
	}
	for _, f := range tune {
		f(&o)
	}
	if r.Gateway, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.done; err != nil {
			t.Error("Run:", err)
		}
		r.done <- nil
	})
	return r
}

func (r *running) record(rec weir.Record) {
	r.mu.Lock()
	r.records = append(r.records, rec)
	r.mu.Unlock()
	r.got <- struct{}{}
}

// rec waits for the next record and returns it.
func (r *running) rec() weir.Record {
	r.t.Helper()
	select {
	case <-r.got:
	case <-time.After(hang):
		r.t.Fatal("no record came")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[len(r.records)-1]
}

// settled waits until requests hold nothing.
func (r *running) settled() {
	r.t.Helper()
	eventually(r.t, "nothing is held", func() bool { return r.held() == "" })
}

// held names everything that requests still hold, "" if nothing.
func (r *running) held() string {
	if l := r.Levels(); l.Requests != 0 || l.Streams != 0 {
		return fmt.Sprintf("%+v", l)
	}
	if n := r.bodies.held.Load(); n != 0 {
		return fmt.Sprint("bytes of bodies: ", n)
	}
	r.spend.mu.Lock()
	open := r.spend.meter.Open()
	r.spend.mu.Unlock()
	if open != 0 {
		return fmt.Sprint("reservations: ", open)
	}
	for _, s := range r.state.Load().list {
		d := s.demand(r.now())
		s.mu.Lock()
		waiting := len(s.waiting)
		s.mu.Unlock()
		if d.Waiting != 0 || d.WaitingWork != 0 || waiting != 0 {
			return fmt.Sprintf("%s: %+v, %d bookings wait", s.name, d, waiting)
		}
		for _, dd := range d.Deployments {
			if dd.InFlight != 0 || dd.InFlightWork != 0 {
				return fmt.Sprintf("%+v", dd)
			}
		}
	}
	return ""
}

// hang is the time after which a test counts as hung; it measures nothing.
const hang = time.Minute

// eventually waits for a condition set by another goroutine.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hang); !is(); {
		if time.Now().After(deadline) {
			t.Fatal("never came true: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

// send posts a body to a path with the test's key and further headers.
func (r *running) send(ctx context.Context, path, body string, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		switch {
		case headers[i+1] == "":
			req.Header.Del(headers[i])
		case i > 1 && headers[i-2] == headers[i] && headers[i-1] != "":
			req.Header.Add(headers[i], headers[i+1])
		default:
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	return http.DefaultClient.Do(req)
}

// post sends a request and reads its answer.
func (r *running) post(path, body string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	resp, err := r.send(r.t.Context(), path, body, headers...)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("after %q: %v", answer, err)
	}
	return resp, string(answer)
}

const (
	chatPath = "/v1/chat/completions"
	chatBody = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	streamed = `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}`
)
