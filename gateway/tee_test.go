package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
)

// recorder is a second sink, as a cache or the followers of a request in flight would
// use it.
type recorder struct {
	header http.Header
	status int
	parts  []string // as sent: in a stream one or more whole events each
	how    []ending
	ended  chan struct{}
}

func (s *recorder) Set(name, value string)                 { s.header[name] = []string{value} }
func (s *recorder) Add(name, value string)                 { s.header[name] = append(s.header[name], value) }
func (s *recorder) Start(_ time.Time, status int, _ int64) { s.status = status }
func (s *recorder) Flush(time.Time) error                  { return fmt.Errorf("not looked at") }

func (s *recorder) Send(p []byte) error {
	s.parts = append(s.parts, string(p))
	return fmt.Errorf("not looked at")
}

func (s *recorder) End(how ending) {
	s.how = append(s.how, how)
	s.ended <- struct{}{}
}

// teed is a gateway with a recorder for each answer; it returns the last one when its
// answer has ended.
func teed(t *testing.T, c Config) (*running, func() *recorder) {
	r := start(t, c)
	recorders := make(chan *recorder, 10)
	r.second = func(*call) sink {
		s := &recorder{header: http.Header{}, ended: make(chan struct{}, 10)}
		recorders <- s
		return s
	}
	return r, func() *recorder {
		s := <-recorders
		<-s.ended
		return s
	}
}

// A second sink gets every answer like its caller, event by event, and learns how it
// ended: a broken answer, and one whose caller left, are distinguished.
func TestASecondSinkHasTheAnswerAndHowItEnded(t *testing.T) {
	large := `{"data":["` + strings.Repeat("x", 9000) + `"],"usage":{"prompt_tokens":5}}`
	whole := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	f := func(name, wire, ask string, status int, want ending, parts ...string) {
		t.Run(name, func(t *testing.T) {
			c := config(rawBackend(t, func(c net.Conn, n int) {
				for i, w := range strings.Split(wire, "|") {
					if i+1 == n {
						io.WriteString(c, w)
					}
				}
			}))
			c.Bounds.MaxAnswer = 8000
			c.Models[0].Attempts = 1 + strings.Count(wire, "|")
			r, last := teed(t, c)
			path := chatPath
			if strings.Contains(ask, "input") {
				path = "/v1/embeddings"
			}
			resp, err := r.send(t.Context(), path, ask)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			s := last()
			all := strings.Join(s.parts, "")
			if err == nil && all != string(body) || !strings.HasPrefix(all, string(body)) || (err != nil) != (want == endsCut) {
				t.Errorf("the sink has %q, the caller %q, %v", all, body, err)
			}
			if s.status != status || resp.StatusCode != status || len(s.how) != 1 || s.how[0] != want {
				t.Errorf("status %d, ended %v", s.status, s.how)
			}
			if len(parts) > 0 && fmt.Sprint(s.parts) != fmt.Sprint(parts) {
				t.Errorf("parts %q, want %q", s.parts, parts)
			}
			if h := s.header; h.Get("Content-Type") != resp.Header.Get("Content-Type") || h.Get("X-Request-Id") != "" {
				t.Errorf("%v", h) // headers set before admission go only to the caller
			}
		})
	}
	head, event := streamHead, `data: {"error"`
	f("whole", whole(answerText), chatBody, 200, endsWhole, answerText)
	f("whole, made a stream", whole(answerText), streamed, 200, endsWhole)
	f("stream", head+chunked(roleEvent, tokenEvent, tokenEvent, finishEvent, doneEvent)+end, streamed, 200, endsWhole, roleEvent, tokenEvent, tokenEvent, finishEvent, doneEvent)
	f("stream after one that failed unseen", head+chunked(roleEvent)+"|"+head+chunked(tokenEvent, finishEvent, doneEvent)+end, streamed, 200, endsWhole, tokenEvent, finishEvent, doneEvent)
	f("stream that breaks off", head+chunked(roleEvent, tokenEvent), streamed, 200, endsFailed)
	f("stream with an error", head+chunked(roleEvent, tokenEvent, event+":{\"message\":\"x\"}}\n\n"), streamed, 200, endsFailed)
	f("large", whole(large), `{"model":"m","input":"x"}`, 200, endsWhole)
	f("large that breaks off", whole(large)[:8900], `{"model":"m","input":"x"}`, 200, endsCut)
	f("no answer", "", chatBody, 502, endsFailed)
	f("refused by the upstream", "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", chatBody, 400, endsFailed)
}

func TestASecondSinkIsToldWhenTheCallerLeavesOrTheHandlerPanics(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, tokenEvent)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	r, last := teed(t, config(b.URL))
	f := func(want ending, wrote func(string) error) {
		t.Helper()
		if _, failure := r.submit(t.Context(), chatPath, streamed, &taken{wrote: wrote}); failure == nil || !failure.Broken {
			t.Errorf("%+v", failure)
		}
		if s := last(); len(s.how) != 1 || s.how[0] != want || strings.Join(s.parts, "") != tokenEvent {
			t.Errorf("ended %v after %q", s.how, s.parts)
		}
	}
	f(endsFailed, func(string) error { return io.ErrClosedPipe })
	f(endsCut, func(string) error { panic("of the sink") })
}

// Signs of life go only to the waiting caller.
func TestASecondSinkGetsNoSignsOfLife(t *testing.T) {
	b, turns := quiet(t)
	c := config(b.URL)
	c.Bounds.Pulse = time.Millisecond
	c.Models[0].Queue = dispatch.Queue{MaxWait: hang}
	r, last := teed(t, c)
	resp, err := r.send(t.Context(), chatPath, pulsedAsk)
	if err != nil { // it comes with the first sign
		t.Fatal(err)
	}
	defer resp.Body.Close()
	turns <- streamText(goodStream)
	if have := rest(t, resp.Body); have != goodStream {
		t.Errorf("the caller has %q", have)
	}
	if s := last(); strings.Join(s.parts, "") != goodStream || s.status != 200 || s.how[0] != endsWhole {
		t.Errorf("%d %q %v", s.status, s.parts, s.how)
	}
	if rec := r.rec(); rec.Outcome != weir.Completed {
		t.Errorf("%+v", rec)
	}
}
