package faults

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ask is what callers send: always the same, so that its estimate is too.
func ask(model string, stream bool) string {
	more := ""
	if stream {
		more = `,"stream":true`
	}
	return `{"model":"` + model + `","messages":[{"role":"user","content":"say something, whatever it is"}],"max_tokens":20` + more + `}`
}

// seen is what a caller saw of one answer.
type seen struct {
	status int
	code   string // of an error, whole or in a stream
	after  time.Duration
	hasMS  bool // retry-after-ms was among the headers
	has    bool // there was a time to come back

	stream  bool
	whole   bool // the body ended as HTTP says it must
	tokens  int
	finish  string
	done    bool // [DONE] came
	failed  bool // an error event came
	garbage bool // an event that is not JSON came, or a body that is not
	err     error
}

// post opens a request; the caller of it owns the body.
func (g *gateway) post(ctx context.Context, body string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("content-type", "application/json")
	q.Header.Set("authorization", "Bearer "+g.key)
	return g.client.Do(q)
}

// call asks once and reads the answer to whatever end it has.
func (g *gateway) call(ctx context.Context, model string, stream bool) seen {
	resp, err := g.post(ctx, ask(model, stream))
	if err != nil {
		return seen{err: err}
	}
	defer resp.Body.Close()
	return read(resp)
}

func read(resp *http.Response) seen {
	s := seen{status: resp.StatusCode, stream: strings.HasPrefix(resp.Header.Get("content-type"), "text/event-stream")}
	s.comeBack(resp.Header)
	body := io.Reader(resp.Body)
	if resp.Header.Get("content-encoding") == "gzip" {
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			s.err = err
			return s
		}
		body = z
	}
	if s.stream && s.status == http.StatusOK {
		s.events(body)
		return s
	}
	b, err := io.ReadAll(body)
	s.whole, s.err = err == nil, err
	var a struct {
		Choices []struct {
			Message      struct{ Content string }
			FinishReason string `json:"finish_reason"`
		}
		Error *struct{ Code any }
	}
	if json.Unmarshal(b, &a) != nil {
		s.garbage = true
		return s
	}
	if a.Error != nil {
		s.failed, s.code = true, fmt.Sprint(a.Error.Code)
	}
	for _, c := range a.Choices {
		s.tokens += len(strings.Fields(c.Message.Content))
		s.finish = c.FinishReason
	}
	return s
}

// comeBack reads when to come back.
func (s *seen) comeBack(h http.Header) {
	if ms, err := strconv.Atoi(h.Get("retry-after-ms")); err == nil {
		s.after, s.has, s.hasMS = time.Duration(ms)*time.Millisecond, true, true
		return
	}
	if sec, err := strconv.Atoi(h.Get("retry-after")); err == nil {
		s.after, s.has = time.Duration(sec)*time.Second, true
	}
}

func (s *seen) events(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			s.whole = errors.Is(err, io.EOF)
			if !s.whole {
				s.err = err
			}
			return
		}
		if data, ok := strings.CutPrefix(line, "data:"); ok {
			s.event(strings.TrimSpace(data))
		}
	}
}

func (s *seen) event(data string) {
	if data == "[DONE]" {
		s.done = true
		return
	}
	var e struct {
		Choices []struct {
			Delta        struct{ Content string }
			FinishReason string `json:"finish_reason"`
		}
		Error *struct{ Code any }
	}
	if json.Unmarshal([]byte(data), &e) != nil {
		s.garbage = true
		return
	}
	if e.Error != nil {
		s.failed, s.code = true, fmt.Sprint(e.Error.Code)
	}
	for _, c := range e.Choices {
		if c.Delta.Content != "" {
			s.tokens++
		}
		if c.FinishReason != "" {
			s.finish = c.FinishReason
		}
	}
}

// kind is what every gateway must get right, whatever its codes are.
func (s *seen) kind() string {
	switch {
	case s.status == 0:
		return "no answer"
	case s.status >= 400:
		return "refused"
	case s.whole && s.finish != "" && !s.failed && !s.garbage:
		return "answered"
	case !s.failed && (s.done && s.finish == "" || !s.stream && s.whole):
		return "unfinished" // it ended as if all were well
	}
	return "broken"
}

// words tells all of it. Numbers that depend on the machine's speed are left
// out: of the time to come back it says whether it is within a bound.
func (s *seen) words(within time.Duration) string {
	parts := []string{s.kind()}
	if s.status != 0 {
		parts = append(parts, strconv.Itoa(s.status))
	}
	if s.code != "" {
		parts = append(parts, s.code)
	}
	switch {
	case s.status == 0 || s.kind() == "refused":
	case s.tokens < 0:
		parts = append(parts, "some tokens")
	default:
		parts = append(parts, fmt.Sprintf("%d tokens", s.tokens))
	}
	if s.stream && s.kind() == "answered" && !s.done {
		parts[len(parts)-1] += ", no [DONE]"
	}
	if s.failed && s.done {
		parts = append(parts, "and then [DONE]")
	}
	if s.has {
		switch {
		case within == 0:
			parts = append(parts, "come back: said")
		case s.after > 0 && s.after <= within:
			parts = append(parts, fmt.Sprintf("come back within %v", within))
		default:
			parts = append(parts, fmt.Sprintf("come back after %v, not within %v", s.after, within))
		}
	}
	return strings.Join(parts, " ")
}

// crowd asks n times at once and counts what was seen: "20x answered 200 5 tokens".
func (w *world) crowd(t *testing.T, n int) string {
	t.Helper()
	ctx, cancel := contextOf(t)
	defer cancel()
	out := make(chan string, n)
	for range n {
		go func() { out <- w.words(shared.call(ctx, w.name, w.stream)) }()
	}
	count := map[string]int{}
	for range n {
		count[<-out]++
	}
	return counted(count)
}

func counted(count map[string]int) string {
	var parts []string
	for what, n := range count {
		parts = append(parts, fmt.Sprintf("%dx %s", n, what))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
