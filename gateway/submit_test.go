package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
	"weir/meter"
)

// taken is a sink that stores its input.
type taken struct {
	status int
	header http.Header
	body   strings.Builder
	wrote  func(all string) error // nil: it accepts everything
}

func (s *taken) Start(status int, header map[string][]string) { s.status, s.header = status, header }

func (s *taken) Write(p []byte) (int, error) {
	s.body.Write(p)
	if s.wrote != nil {
		return len(p), s.wrote(s.body.String())
	}
	return len(p), nil
}

// opsByPath are the operations by HTTP path.
var opsByPath = map[string]weir.Op{chatPath: weir.OpChat, "/v1/completions": weir.OpCompletions, "/v1/embeddings": weir.OpEmbeddings, "/v1/responses": weir.OpResponses, "/v1/messages": weir.OpMessages}

// submit is send from inside the process.
func (r *running) submit(ctx context.Context, path, body string, to Sink) (weir.Record, *SubmitError) {
	rec, err := r.Submit(ctx, Submission{Tenant: "demo", Key: "ci", Op: opsByPath[path], Body: []byte(body)}, to)
	var failure *SubmitError
	if err != nil && !errors.As(err, &failure) {
		r.t.Fatalf("%T %v", err, err)
	}
	return rec, failure
}

// For every request, whether the upstream answers, breaks off or refuses: a submission
// ends like the same request over HTTP, byte for byte.
func TestASubmissionEndsAsTheSameRequestOverHTTP(t *testing.T) {
	var script atomic.Value
	c := config(rawBackend(t, func(c net.Conn, _ int) { io.WriteString(c, script.Load().(string)) }))
	c.Models[0].Attempts = 1
	c.Models[0].Health.Failures = 1 << 30
	c.Bounds.MaxAnswer, c.Bounds.MaxBody = 2000, 3000
	c.Models[0].Deployments[0].Rates = meter.Rates{Prompt: 2_000_000, Completion: 10_000_000}
	r := start(t, c)
	plain := func(status, body string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/json\r\nOpenai-Version: 1\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	}
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom(opAnswers).Draw(t, "op")
		answer := plain("200 OK", op.answer)
		large := plain("200 OK", `{"data":["`+strings.Repeat("x", 5000)+`"],"usage":{"prompt_tokens":5}}`)
		wire := rapid.SampledFrom([]string{answer, answer[:len(answer)-9], large, large[:4000], plain("200 OK", "{}"), "",
			plain("400 Bad Request", `{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}`), plain("500 Oops", "{}"),
			streamHead + chunked(roleEvent, tokenEvent, tokenEvent, finishEvent, usageEvent, doneEvent) + end,
			streamHead + chunked(roleEvent, tokenEvent), streamHead + chunked(roleEvent), streamHead + chunked(roleEvent, tokenEvent, `data: {"error":{"message":"boom"}}`+"\n\n"),
		}).Draw(t, "wire")
		body := rapid.SampledFrom([]string{op.ask, op.ask, op.ask, strings.Replace(op.ask, `"m"`, `"nobody"`, 1), `{"model":`, `{}`, `{"model":"m","stream":7}`,
			`{"model":"m","user":"` + strings.Repeat("x", 3000) + `"}`}).Draw(t, "body")
		if rapid.Bool().Draw(t, "stream") {
			body = strings.Replace(body, `{"model":"m"`, `{"model":"m","stream":true`, 1)
		}
		script.Store(wire)
		var whole error
		resp, err := r.send(r.t.Context(), op.path, body)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, whole := io.ReadAll(resp.Body)
		was := r.rec()
		var s taken
		rec, failure := r.submit(r.t.Context(), op.path, body, &s)
		if again := r.rec(); again != rec {
			t.Fatalf("the record emitted is %+v, that returned %+v", again, rec)
		}
		if s.status != resp.StatusCode || whole == nil && s.body.String() != string(text) || !strings.HasPrefix(s.body.String(), string(text)) {
			t.Errorf("HTTP: %d %q\nSubmit: %d %q", resp.StatusCode, text, s.status, s.body.String())
		}
		if (failure == nil) != (was.Outcome == weir.Completed) || whole != nil && (failure == nil || !failure.Broken) {
			t.Errorf("HTTP: %v, %+v\nSubmit: %+v", whole, was, failure)
		}
		if failure != nil && (failure.Code != was.Code || failure.Fault != was.Fault || failure.Broken != (resp.StatusCode == 200)) {
			t.Errorf("HTTP: %d, %+v\nSubmit: %+v", resp.StatusCode, was, failure)
		}
		for _, name := range []string{"Content-Type", "X-Weir-Fault", "X-Weir-Deployment", "X-Weir-Route", "Openai-Version"} {
			if have, want := s.header.Get(name), resp.Header.Get(name); have != want {
				t.Errorf("%s: %q, over HTTP %q", name, have, want)
			}
		}
		if have, want := essence(rec), essence(was); have != want {
			t.Errorf("\nHTTP:   %s\nSubmit: %s", want, have)
		}
	})
	r.settled()
}

// essence is the part of a record that two runs of one request share.
func essence(r weir.Record) string {
	return fmt.Sprint(r.Tenant, r.Key, r.Model, r.Deployment, r.Replica, r.Op, r.Class, r.Stream, r.Attempts, r.Outcome, r.Fault, r.Code, r.Status, r.Usage, r.Cost, r.Price, r.Reason, r.Extra, r.TTFT > 0)
}

func TestASubmissionIsHeldToItsKeysLimits(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Tenants[0].Keys[0].Limits.RequestsPerMinute = 2
	r := start(t, c)
	r.post(chatPath, chatBody)
	if _, failure := r.submit(t.Context(), chatPath, chatBody, new(taken)); failure != nil {
		t.Fatal(failure)
	}
	var s taken
	rec, failure := r.submit(t.Context(), chatPath, chatBody, &s)
	if failure == nil || failure.Status != 429 || failure.Code != "rate_limit_exceeded" || failure.After <= 0 || failure.Broken || failure.Fault != weir.PolicyFault {
		t.Fatalf("%+v", failure)
	}
	if rec.Outcome != weir.Refused || s.status != 429 || !strings.Contains(s.body.String(), `"rate_limit_exceeded"`) || s.header.Get("Retry-After") == "" {
		t.Errorf("%+v, %d %s", rec, s.status, s.body.String())
	}
	if n := b.calls.Load(); n != 2 {
		t.Errorf("the upstream was asked %d times", n)
	}
	r.settled()
}

func TestASubmissionOfAKeyThatIsNotConfiguredIsRefused(t *testing.T) {
	r := start(t, config("http://127.0.0.1:1"))
	f := func(tenant, key string) {
		t.Helper()
		var s taken
		rec, err := r.Submit(t.Context(), Submission{Tenant: tenant, Key: key, Op: weir.OpChat, Body: []byte(chatBody)}, &s)
		var failure *SubmitError
		if !errors.As(err, &failure) || failure.Status != 401 || rec.Outcome != weir.Refused || rec.Tenant != "" || s.status != 401 || !strings.Contains(err.Error(), fmt.Sprintf("%q has no key %q", tenant, key)) {
			t.Errorf("%+v %v", rec, err)
		}
	}
	f("demo", "none")
	f("none", "ci")
	f("", "")
	f("demo", testKey)
}

func TestASubmissionMayAskForLessThanItsKeyGives(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	s := Submission{Tenant: "demo", Key: "ci", Op: weir.OpChat, Class: weir.Batch, Body: []byte(chatBody), Header: map[string][]string{"X-Request-Id": {"job-1-7"}, "Traceparent": {"00-1"}}}
	rec, err := r.Submit(t.Context(), s, new(taken))
	if _, _, h := b.last(); err != nil || rec.Class != weir.Batch || rec.RequestID != "job-1-7" || h.Get("X-Request-Id") != "job-1-7" || h.Get("Traceparent") != "00-1" {
		t.Errorf("%+v %v %v", rec, err, h)
	}
}

// A submitter leaves, in every phase: the upstream sees it leave, its own cause is
// returned, and nothing stays held.
func TestWhenTheSubmitterLeavesTheUpstreamIsCancelled(t *testing.T) {
	why := errors.New("the job was cancelled")
	for _, phase := range []string{"before it began", "queued", "before the first token", "mid-stream", "mid-stream by its sink", "whole answer"} {
		t.Run(phase, func(t *testing.T) {
			at, gone := make(chan struct{}, 1), make(chan struct{})
			b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(phase, "mid-stream") {
					w.Header().Set("Content-Type", "text/event-stream")
					io.WriteString(w, roleEvent+tokenEvent)
					w.(http.Flusher).Flush()
				} else {
					at <- struct{}{}
				}
				<-r.Context().Done()
				close(gone)
			})
			c := config(b.URL)
			if phase == "queued" {
				c = coming()
			}
			r := start(t, c)
			ctx, leave := context.WithCancelCause(t.Context())
			defer leave(nil)
			var s taken
			body := streamed
			switch phase {
			case "before it began":
				leave(why)
			case "queued":
				go func() {
					eventually(t, phase, func() bool { d, _ := r.Demand("d0"); return d.Model.Waiting == 1 })
					leave(why)
				}()
			case "mid-stream":
				s.wrote = func(string) error { leave(why); return nil }
			case "mid-stream by its sink":
				s.wrote = func(string) error { return why }
			case "whole answer":
				body = chatBody
				fallthrough
			default:
				go func() { <-at; leave(why) }()
			}
			rec, failure := r.submit(ctx, chatPath, body, &s)
			if failure == nil || !errors.Is(failure, why) || failure.Code != "client_gone" || failure.Broken != strings.HasPrefix(phase, "mid-stream") {
				t.Errorf("%+v", failure)
			}
			if rec.Status != 499 || rec.Outcome != weir.Failure || rec.Fault != weir.CallerFault || phase == "before it began" && rec.Attempts != 0 {
				t.Errorf("%+v", rec)
			}
			if asked := b.calls.Load() > 0; asked == (phase == "before it began" || phase == "queued") {
				t.Errorf("the upstream was asked: %v", asked)
			} else if asked {
				<-gone
			}
			r.settled()
		})
	}
}

// Its body counts like that of any other request, is not copied, and no pool gets it.
func TestASubmissionsBodyCountsAndStaysItsOwn(t *testing.T) {
	held, free := make(chan struct{}), make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		held <- struct{}{}
		<-free
		answering(w, r)
	})
	c := config(b.URL)
	c.Bounds.MaxBodyMemory = 8 << 10
	r := start(t, c)
	body := []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 4096-55) + `"}]}`)
	if len(body) != 4096 {
		t.Fatal(len(body)) // the size that a pool would take
	}
	before := string(body)
	done := make(chan error)
	go func() {
		_, err := r.Submit(t.Context(), Submission{Tenant: "demo", Key: "ci", Op: weir.OpChat, Body: body}, new(taken))
		done <- err
	}()
	<-held
	if n := r.bodies.held.Load(); n != 4096 {
		t.Errorf("%d bytes are counted", n)
	}
	large := strings.Replace(before, "xxx", strings.Repeat("x", 5000), 1)
	if _, failure := r.submit(t.Context(), chatPath, large, new(taken)); failure == nil || failure.Code != "body_memory_full" {
		t.Errorf("%+v", failure)
	}
	close(free)
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.settled()
	for range 100 {
		if b := newBuffer(4096); &b.b[:1][0] == &body[0] {
			t.Fatal("a pool has it")
		}
	}
	if string(body) != before {
		t.Error("it was changed")
	}
}

// A stop accepts no more submissions, and waits for those in flight.
func TestAStopWaitsForSubmissions(t *testing.T) {
	held := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		held <- struct{}{}
		<-held
		answering(w, r)
	})
	r := start(t, config(b.URL), func(o *Options) { o.Drain = hang })
	done := make(chan *SubmitError)
	go func() {
		_, failure := r.submit(t.Context(), chatPath, chatBody, new(taken))
		done <- failure
	}()
	<-held
	r.stop()
	eventually(t, "no more is taken", func() bool {
		_, failure := r.submit(t.Context(), chatPath, `{`, new(taken))
		return failure != nil && failure.Code == "gateway_stopping" && failure.Status == 503
	})
	arrived := r.Levels().Arrived
	if rec, failure := r.submit(t.Context(), chatPath, chatBody, new(taken)); failure == nil || rec != (weir.Record{}) || r.Levels().Arrived != arrived {
		t.Errorf("%+v %+v", rec, failure)
	}
	select {
	case err := <-r.done:
		t.Fatal("it did not wait: ", err)
	default:
	}
	held <- struct{}{}
	if failure := <-done; failure != nil {
		t.Error(failure)
	}
}

func TestAStopCutsSubmissionsThatTakeLonger(t *testing.T) {
	held := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		held <- struct{}{}
		<-r.Context().Done()
	})
	r := start(t, config(b.URL), func(o *Options) { o.Drain = time.Millisecond })
	done := make(chan *SubmitError)
	go func() {
		_, failure := r.submit(t.Context(), chatPath, chatBody, new(taken))
		done <- failure
	}()
	<-held
	r.stop()
	if failure := <-done; failure == nil || failure.Code != "gateway_stopping" || failure.Fault != weir.GatewayFault || failure.Unwrap() != nil {
		t.Errorf("%+v", failure)
	}
}

// A panic is the request's failure, also in its Record, and nothing stays held.
func TestAPanicOfASubmissionIsItsOwnFailure(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	_, failure := r.submit(t.Context(), chatPath, chatBody, &taken{wrote: func(string) error { panic("of the sink") }})
	if rec := r.rec(); failure == nil || failure.Code != "internal_error" || !failure.Broken || rec.Code != "internal_error" || rec.Fault != weir.GatewayFault {
		t.Errorf("%+v %+v", failure, rec)
	}
	r.settled()
}
