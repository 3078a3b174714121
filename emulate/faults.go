package emulate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is one way for requests to fail. GET, PUT and DELETE /admin/faults
// show, replace and clear the list; of the faults that match a request, the
// first one due strikes.
type Fault struct {
	// Kind is one of
	//   status       answers Status with the retry headers
	//   slow_headers answers, DelayMS late
	//   drop         closes the connection without an answer
	//   stall        stops before token AfterTokens for DelayMS, 0: until the client goes
	//   cut          closes the connection after AfterTokens tokens, inside a chunk
	//   malformed    sends a chunk that is not JSON after AfterTokens tokens, and goes on
	//   error        sends an error object after AfterTokens tokens, status 200, and ends
	Kind string `json:"kind"`

	Path        string  `json:"path,omitempty"`        // prefix of the paths it strikes; "": every POST
	Probability float64 `json:"probability,omitempty"` // of striking, 0..1; 0: always
	Count       int     `json:"count,omitempty"`       // most strikes; 0: no bound

	AfterTokens  int    `json:"after_tokens,omitempty"`
	DelayMS      int    `json:"delay_ms,omitempty"`
	Status       int    `json:"status,omitempty"`         // of kind status: 400 to 599
	RetryAfter   string `json:"retry_after,omitempty"`    // sent unchanged: seconds, or a date
	RetryAfterMS int    `json:"retry_after_ms,omitempty"` // sent as retry-after-ms
	Message      string `json:"message,omitempty"`
}

// FaultSet is the body of PUT /admin/faults; the list of Faults alone is
// accepted too. Only Seed and the order of arrival decide which requests are
// struck.
type FaultSet struct {
	Seed   uint64  `json:"seed,omitempty"` // 0: the server's
	Faults []Fault `json:"faults"`
}

// armed is a fault with its counts.
type armed struct {
	Fault
	Seen   int `json:"seen"`   // requests that matched
	Struck int `json:"struck"` // of them
}

type faults struct {
	own uint64 // the server's seed

	mu   sync.Mutex
	seed uint64
	list []*armed
}

// maxFaults bounds the list, maxDelay a stall or late headers.
const (
	maxFaults = 100
	maxDelay  = time.Hour
)

func newFaults(seed uint64) *faults { return &faults{own: seed, seed: seed} }

// check describes an invalid fault; nil if valid.
func (f *Fault) check() error {
	switch f.Kind {
	case "status":
		if f.Status < 400 || f.Status > 599 {
			return fmt.Errorf("status %d: want 400 to 599", f.Status)
		}
	case "slow_headers":
		if f.DelayMS == 0 {
			return fmt.Errorf("slow_headers without delay_ms")
		}
	case "drop", "stall", "cut", "malformed", "error":
	default:
		return fmt.Errorf("kind %q: want status, slow_headers, drop, stall, cut, malformed or error", f.Kind)
	}
	if !(f.Probability >= 0 && f.Probability <= 1) || f.Count < 0 || f.AfterTokens < 0 || f.RetryAfterMS < 0 {
		return fmt.Errorf("probability %v, count %d, after_tokens %d, retry_after_ms %d: want 0 to 1, and none below zero", f.Probability, f.Count, f.AfterTokens, f.RetryAfterMS)
	}
	if d := time.Duration(f.DelayMS) * time.Millisecond; d < 0 || d > maxDelay {
		return fmt.Errorf("delay_ms %d: want 0 to %d", f.DelayMS, maxDelay.Milliseconds())
	}
	return nil
}

// SetFaults replaces the faults; on an error nothing changed.
func (s *Server) SetFaults(set FaultSet) error { return s.faults.set(set) }

func (fs *faults) set(set FaultSet) error {
	if len(set.Faults) > maxFaults {
		return fmt.Errorf("%d faults: want at most %d", len(set.Faults), maxFaults)
	}
	list := make([]*armed, len(set.Faults))
	for i, f := range set.Faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("faults[%d]: %w", i, err)
		}
		list[i] = &armed{Fault: f}
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.seed, fs.list = set.Seed, list
	if set.Seed == 0 {
		fs.seed = fs.own
	}
	return nil
}

// admin is /admin/faults.
func (fs *faults) admin(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		_ = fs.set(FaultSet{}) // an empty list is valid
	case http.MethodPut:
		set, err := readFaults(http.MaxBytesReader(w, r.Body, 1<<20))
		if err == nil {
			err = fs.set(set)
		}
		if err != nil {
			openAIErrors.write(w, *bad("faults", err.Error()))
			return
		}
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		openAIErrors.write(w, problem{http.StatusMethodNotAllowed, "invalid_request_error", "", "method_not_allowed", "want GET, PUT or DELETE"})
		return
	}
	fs.mu.Lock()
	body := mustJSON(map[string]any{"seed": fs.seed, "faults": append([]*armed{}, fs.list...)})
	fs.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}

// readFaults reads a FaultSet, or its list of faults alone.
func readFaults(in io.Reader) (set FaultSet, err error) {
	b, err := io.ReadAll(in)
	if err != nil {
		return set, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return set, d.Decode(&set.Faults)
	}
	return set, d.Decode(&set)
}

// pick returns a copy of the fault that strikes a request, nil for none.
func (fs *faults) pick(r *http.Request) *armed {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if f.Path == "" && r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, f.Path) {
			continue
		}
		f.Seen++
		if f.Count > 0 && f.Struck >= f.Count || !f.dice(fs.seed, i) {
			continue
		}
		f.Struck++
		struck := *f
		return &struck
	}
	return nil
}

// dice says whether the fault strikes the request it has just seen.
func (f *armed) dice(seed uint64, i int) bool {
	if f.Probability == 0 {
		return true
	}
	h := mix(seed ^ mix(uint64(i)<<32|uint64(f.Seen)))
	return float64(h>>11)/(1<<53) < f.Probability
}

type faultKey struct{}

func faultOf(r *http.Request) *armed {
	f, _ := r.Context().Value(faultKey{}).(*armed)
	return f
}

// before applies faults before the answer, and passes on the request with
// faults within it; nil if nothing is left to do.
func (fs *faults) before(w http.ResponseWriter, r *http.Request) *http.Request {
	if strings.HasPrefix(r.URL.Path, "/admin/") {
		return r
	}
	f := fs.pick(r)
	if f == nil {
		return r
	}
	return f.before(w, r)
}

func (f *armed) before(w http.ResponseWriter, r *http.Request) *http.Request {
	switch f.Kind {
	case "drop":
		panic(http.ErrAbortHandler)
	case "status":
		// The body first: closing with it unread would reset the connection and
		// lose the answer.
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
		f.refuse(w, r)
		return nil
	case "slow_headers":
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil || !f.pause(r.Context()) {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), faultKey{}, f))
}

func (f *armed) refuse(w http.ResponseWriter, r *http.Request) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.RetryAfterMS > 0 {
		w.Header().Set("Retry-After-Ms", strconv.Itoa(f.RetryAfterMS))
	}
	p := f.problem(f.Status)
	if f.Status == http.StatusTooManyRequests {
		p.kind, p.code = "requests", "rate_limit_exceeded"
	}
	shapeOf(r.URL.Path).write(w, p)
}

func (f *armed) problem(status int) problem {
	p := problem{status, "server_error", "", "injected_fault", f.Message}
	if p.message == "" {
		p.message = "an injected fault of kind " + f.Kind
	}
	return p
}

// pause waits for the fault's delay, or without end if it has none; false if
// the client has gone.
func (f *armed) pause(ctx context.Context) bool {
	var over <-chan time.Time
	if f.DelayMS > 0 {
		t := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-over:
		return true
	}
}

// strike applies the fault to a stream before the next token; buf holds unsent
// data. False ends the stream.
func (f *armed) strike(t *teller, buf []byte) ([]byte, bool) {
	const broken = `data: {"id":"chatcmpl-broken","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"conte`
	switch f.Kind {
	case "stall":
		if t.send(buf) != nil || !f.pause(t.r.Context()) {
			return nil, false
		}
		return buf[:0], true
	case "cut":
		_ = t.send(append(buf, broken...))
		panic(http.ErrAbortHandler)
	case "malformed":
		return append(buf, broken+"\n\n"...), true
	case "error":
		_ = t.send(t.failure(buf, f.problem(http.StatusInternalServerError)))
		return nil, false
	}
	return buf, true
}

// whole applies the fault to an answer in one piece.
func (f *armed) whole(t *teller, body []byte) {
	t.w.Header().Set("Content-Type", "application/json")
	switch f.Kind {
	case "stall":
		if !f.pause(t.r.Context()) {
			return
		}
	case "cut":
		t.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_ = t.send(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	case "malformed":
		body = body[:len(body)/2]
	case "error":
		body = mustJSON(t.shape.body(f.problem(http.StatusInternalServerError)))
	}
	t.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = t.w.Write(body)
}
