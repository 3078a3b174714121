package operate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"weir/cache"
)

// Warming is a file of prompts and where they are sent.
type Warming struct {
	File  string  // JSON lines, see Warm
	URL   string  // of the gateway, http://127.0.0.1:8080
	Rate  float64 // requests begun per second
	Tags  string  // sent as x-weir-cache-tags
	Space string  // sent as x-weir-cache-namespace
}

// Validate says what is wrong with the rate and the names. An answer with a name that Weir
// does not take would cost what it costs and not be stored.
func (w *Warming) Validate() error {
	if !(w.Rate >= 0.001 && w.Rate <= 10_000) {
		return fmt.Errorf("--rate %v: want a number from 0.001 to 10000", w.Rate)
	}
	if _, ok := cache.Names(w.Tags); !ok {
		return fmt.Errorf("--tags %q: at most %d names, each of at most %d letters, digits and . _ - : / =", w.Tags, cache.MaxTags, cache.MaxName)
	}
	if !cache.Named(w.Space) {
		return fmt.Errorf("--namespace %q: at most %d letters, digits and . _ - : / =", w.Space, cache.MaxName)
	}
	return nil
}

// KeyVariable is the environment variable with the caller's key.
const KeyVariable = "WEIR_API_KEY"

const (
	maxPrompt    = 8 << 20          // of one line, bytes
	inFlight     = 8                // requests at once
	warmWithin   = 10 * time.Minute // one request
	progressEach = 5 * time.Second
	mostFaults   = 20 // lines whose failure is told
)

// result is how one line went.
type result struct {
	status int
	cache  string // x-weir-cache
	detail string // of a bypass
	why    string // of a failure
}

// Warm sends the requests of a file as an ordinary caller does, so that their answers are
// stored. A line is the body of a chat completion, or {"path": "/v1/...", "body": {...}}.
// It tells of its progress, and is an error if a line failed.
func Warm(ctx context.Context, out io.Writer, w Warming) error {
	if u, err := url.Parse(w.URL); err != nil || u.Scheme == "" || u.Host == "" {
		return fmt.Errorf("%q is no URL: write it as http://127.0.0.1:8080", w.URL)
	}
	file, err := os.Open(w.File)
	if err != nil {
		return err
	}
	defer file.Close()
	t := &tally{out: out, bypassed: map[string]int{}, told: time.Now()}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var g errgroup.Group
	g.SetLimit(inFlight)
	pace := time.NewTicker(time.Duration(float64(time.Second) / w.Rate))
	defer pace.Stop()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 64<<10), maxPrompt)
	for n := 1; lines.Scan() && ctx.Err() == nil; n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		path, body, err := request(line)
		if err != nil {
			t.fault(n, err.Error())
			continue
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
		}
		g.Go(func() error {
			r := w.send(ctx, path, body)
			t.add(n, r)
			if r.status == http.StatusUnauthorized {
				cancel(fmt.Errorf("%s: status 401: %s: give a key of the tenant in %s", w.URL, r.why, KeyVariable))
			}
			return nil
		})
	}
	g.Wait()
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w: a line has at most %d bytes", w.File, err, maxPrompt)
	}
	if err := context.Cause(ctx); err != nil {
		fmt.Fprintln(out, t.text())
		return err
	}
	return t.end()
}

// request reads a line. Its body is copied: the scanner reuses the memory.
func request(line []byte) (path string, body []byte, err error) {
	var l struct {
		Path string          `json:"path"`
		Body json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return "", nil, fmt.Errorf("is no JSON object: %w", err)
	}
	switch {
	case l.Body == nil && l.Path == "":
		return "/v1/chat/completions", whole(line), nil
	case l.Body == nil || !strings.HasPrefix(l.Path, "/"):
		return "", nil, errors.New(`has a path or a body alone: write {"path": "/v1/embeddings", "body": {...}}, or the body of a chat completion`)
	}
	return l.Path, whole(l.Body), nil
}

// whole is a request without its wish for a stream, which has the same answer: a stream that
// fails on the way has status 200. What cannot be read is sent as it is.
func whole(body []byte) []byte {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil || m["stream"] == nil {
		return bytes.Clone(body)
	}
	delete(m, "stream")
	delete(m, "stream_options")
	b, err := json.Marshal(m)
	if err != nil {
		return bytes.Clone(body)
	}
	return b
}

func (w *Warming) send(ctx context.Context, path string, body []byte) (r result) {
	ctx, cancel := context.WithTimeout(ctx, warmWithin)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "POST", strings.TrimSuffix(w.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return result{why: err.Error()}
	}
	q.Header.Set("Content-Type", "application/json")
	for name, value := range map[string]string{"Authorization": "Bearer " + os.Getenv(KeyVariable), "X-Weir-Cache-Tags": w.Tags, "X-Weir-Cache-Namespace": w.Space} {
		if value != "" && value != "Bearer " {
			q.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return result{why: err.Error()}
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	_, detail, _ := strings.Cut(resp.Header.Get("Cache-Status"), "detail=")
	r = result{status: resp.StatusCode, cache: resp.Header.Get("X-Weir-Cache"), detail: detail}
	switch {
	case err != nil:
		r.why = err.Error()
	case resp.StatusCode != 200:
		r.why = fmt.Sprintf("status %d: %.300s", resp.StatusCode, bytes.TrimSpace(said))
	}
	return r
}

// tally counts and tells.
type tally struct {
	mu                   sync.Mutex
	out                  io.Writer
	told                 time.Time
	asked, there, failed int
	bypassed             map[string]int // by reason
}

func (t *tally) add(line int, r result) {
	if r.why != "" {
		t.fault(line, r.why)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch r.cache {
	case "hit", "coalesced":
		t.there++
	case "miss":
		t.asked++
	case "bypass":
		t.bypassed[r.detail]++
	default:
		t.bypassed["the model has no cache"]++
	}
	if now := time.Now(); now.Sub(t.told) >= progressEach {
		t.told = now
		fmt.Fprintln(t.out, t.text())
	}
}

func (t *tally) fault(line int, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed++; t.failed <= mostFaults {
		fmt.Fprintf(t.out, "line %d: %s\n", line, why)
	}
}

func (t *tally) text() string {
	skipped := 0
	for _, n := range t.bypassed {
		skipped += n
	}
	return fmt.Sprintf("%d sent: %d answers new, %d there already, %d not stored, %d failed", t.asked+t.there+skipped+t.failed, t.asked, t.there, skipped, t.failed)
}

func (t *tally) end() error {
	fmt.Fprintln(t.out, t.text())
	reasons := make([]string, 0, len(t.bypassed))
	for why := range t.bypassed {
		reasons = append(reasons, why)
	}
	slices.Sort(reasons)
	for _, why := range reasons {
		fmt.Fprintf(t.out, "not stored: %d for the reason %q (docs/guide/cache.md)\n", t.bypassed[why], why)
	}
	if t.failed > 0 {
		return fmt.Errorf("%d lines failed", t.failed)
	}
	return nil
}
