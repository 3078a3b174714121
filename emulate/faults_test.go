package emulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const streamed = hello + `,"max_tokens":6,"stream":true}`

// faulty runs a test with one fault in force.
func faulty(t *testing.T, fault string, test func(*server)) {
	t.Helper()
	emulated(t, Options{}, func(s *server) {
		status, _, b := s.ask("PUT", "/admin/faults", `{"faults":[`+fault+`]}`)
		must(t, "PUT /admin/faults", status, 200)
		must(t, "faults", parse(t, b).at("faults").len(), 1)
		test(s)
	})
}

func TestFaultRefusesWithRetryHeaders(t *testing.T) {
	faulty(t, `{"kind":"status","status":429,"retry_after":"2","retry_after_ms":1500,"count":1}`, func(s *server) {
		status, header, b := s.ask("POST", "/v1/chat/completions", hello+`}`)
		must(t, "status", status, 429)
		must(t, "retry-after", header.Get("Retry-After"), "2")
		must(t, "retry-after-ms", header.Get("Retry-After-Ms"), "1500")
		must(t, "code", parse(t, b).at("error", "code").str(), "rate_limit_exceeded")
		s.post("/v1/chat/completions", hello+`}`) // count: once
		_, _, b = s.ask("GET", "/admin/faults", "")
		must(t, "seen", parse(t, b).at("faults", 0, "seen").num(), 2)
		must(t, "struck", parse(t, b).at("faults", 0, "struck").num(), 1)
	})
}

func TestFaultSpeaksTheDialectOfItsPath(t *testing.T) {
	faulty(t, `{"kind":"status","status":503,"path":"/v1/messages","message":"no"}`, func(s *server) {
		status, _, b := s.ask("POST", "/v1/messages", `{}`)
		must(t, "status", status, 503)
		must(t, "type", parse(t, b).at("error", "type").str(), "overloaded_error")
		must(t, "message", parse(t, b).at("error", "message").str(), "no")
		s.post("/v1/chat/completions", hello+`}`) // another path
	})
}

func TestFaultCanStrikeTheHealthPath(t *testing.T) {
	faulty(t, `{"kind":"status","status":500,"path":"/health"}`, func(s *server) {
		status, _, _ := s.ask("GET", "/health", "")
		must(t, "health", status, 500)
	})
}

func TestFaultSlowsHeaders(t *testing.T) {
	faulty(t, `{"kind":"slow_headers","delay_ms":3000}`, func(s *server) {
		began := time.Now()
		a, err := s.send(context.Background(), "POST", "/v1/chat/completions", streamed)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if took := time.Since(began); took < 3*time.Second {
			t.Errorf("headers after %v", took)
		}
		events, err := readEvents(a.Body, began)
		if err != nil || events[len(events)-1].data != "[DONE]" {
			t.Errorf("%v %v", events, err)
		}
	})
}

func TestFaultDropsTheConnection(t *testing.T) {
	faulty(t, `{"kind":"drop","count":10}`, func(s *server) {
		a, err := s.send(context.Background(), "POST", "/v1/chat/completions", streamed)
		if err == nil {
			a.Body.Close()
			t.Fatalf("answered %s", a.Status)
		}
	})
}

func TestFaultStallsAStreamBeforeAToken(t *testing.T) {
	for _, after := range []int{0, 3} {
		faulty(t, fmt.Sprintf(`{"kind":"stall","after_tokens":%d,"delay_ms":60000}`, after), func(s *server) {
			events, err := s.stream("/v1/chat/completions", streamed)
			if err != nil {
				t.Fatal(err)
			}
			for i, e := range events[1:7] {
				if late := e.at >= time.Minute; late != (i >= after) {
					t.Errorf("stall after %d: token %d came at %v", after, i, e.at)
				}
			}
		})
	}
}

func TestAStallWithoutEndFreesItsPlaceWhenTheClientGoes(t *testing.T) {
	faulty(t, `{"kind":"stall","after_tokens":1}`, func(s *server) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		a, err := s.send(ctx, "POST", "/v1/chat/completions", hello+`,"max_tokens":6,"stream":true}`)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if _, err := readEvents(a.Body, time.Now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the stream ended with %v", err)
		}
		synctest.Wait()
		must(t, "flows left", len(s.loop.flows), 0)
	})
}

func TestFaultCutsAStreamInsideAChunk(t *testing.T) {
	faulty(t, `{"kind":"cut","after_tokens":2}`, func(s *server) {
		events, err := s.stream("/v1/chat/completions", streamed)
		must(t, "whole events: the role and two tokens", len(events), 3)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the stream ended with %v, want it cut", err)
		}
		_, err = s.stream("/v1/responses", `{"input":"x","stream":true,"max_output_tokens":1}`)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a stream shorter than that ended with %v, want it cut at its end", err)
		}
		a, err := s.send(context.Background(), "POST", "/v1/chat/completions", hello+`}`)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if _, err := io.ReadAll(a.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a whole answer ended with %v, want it cut", err)
		}
		synctest.Wait()
		must(t, "flows left", len(s.loop.flows), 0)
	})
}

func TestFaultSendsAChunkThatIsNotJSON(t *testing.T) {
	faulty(t, `{"kind":"malformed","after_tokens":2}`, func(s *server) {
		events, err := s.stream("/v1/chat/completions", streamed)
		if err != nil {
			t.Fatal(err)
		}
		must(t, "events", len(events), 10) // role, six tokens, finish, [DONE], and the bad one
		for i, e := range events[:9] {
			must(t, fmt.Sprint("valid ", i), json.Valid([]byte(e.data)), i != 3)
		}
		_, _, b := s.ask("POST", "/v1/chat/completions", hello+`}`)
		must(t, "a whole answer", json.Valid(b), false)
	})
}

func TestFaultSendsAnErrorInsideA200(t *testing.T) {
	faulty(t, `{"kind":"error","after_tokens":2,"message":"CUDA error"}`, func(s *server) {
		events, err := s.stream("/v1/chat/completions", streamed)
		if err != nil {
			t.Fatal(err)
		}
		must(t, "events", len(events), 5) // role, two tokens, error, [DONE] as vLLM ends it
		must(t, "error", parse(t, []byte(events[3].data)).at("error", "message").str(), "CUDA error")
		events, err = s.stream("/v1/messages", `{"messages":[{"role":"user","content":"x"}],"max_tokens":9,"stream":true}`)
		if err != nil {
			t.Fatal(err)
		}
		last := events[len(events)-1]
		must(t, "Anthropic's error event", last.name, "error")
		must(t, "type", parse(t, []byte(last.data)).at("type").str(), "error")
		status, _, b := s.ask("POST", "/v1/embeddings", `{"input":"x"}`)
		must(t, "status", status, 200)
		must(t, "whole", parse(t, b).has("error"), true)
	})
}

func TestFaultsStrikeTheSameRequestsForTheSameSeed(t *testing.T) {
	pattern := func(seed int) string {
		out := ""
		emulated(t, Options{Seed: 9}, func(s *server) {
			s.ask("PUT", "/admin/faults", fmt.Sprintf(`{"seed":%d,"faults":[{"kind":"status","status":500,"probability":0.3}]}`, seed))
			for range 200 {
				status, _, _ := s.ask("POST", "/v1/completions", `{"prompt":"x","max_tokens":1}`)
				out += map[int]string{200: ".", 500: "x"}[status]
			}
		})
		return out
	}
	first := pattern(1)
	must(t, "again", pattern(1), first)
	if pattern(2) == first {
		t.Error("another seed struck the same requests")
	}
	if n := strings.Count(first, "x"); n < 35 || n > 85 {
		t.Errorf("struck %d of 200 at 30%%", n)
	}
}

func TestBadFaultsAreRefusedAndChangeNothing(t *testing.T) {
	faulty(t, `{"kind":"drop","path":"/nowhere"}`, func(s *server) {
		f := func(set, want string) {
			t.Helper()
			status, _, b := s.ask("PUT", "/admin/faults", set)
			must(t, set, status, 400)
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: %s: want it to say %q", set, b, want)
			}
		}
		f(`{"faults":[{"kind":"explode"}]}`, `kind`)
		f(`{"faults":[{"kind":"drop"},{"kind":"status"}]}`, "faults[1]: status 0")
		f(`{"faults":[{"kind":"slow_headers"}]}`, "delay_ms")
		f(`{"faults":[{"kind":"drop","probability":1.5}]}`, "probability 1.5")
		f(`{"faults":[{"kind":"stall","delay_ms":-1}]}`, "delay_ms -1")
		f(`{"faults":[{"kind":"drop","tokens":1}]}`, "unknown field")
		f(`{"faults":[`+strings.Repeat(`{"kind":"drop"},`, 100)+`{"kind":"drop"}]}`, "101 faults")
		f(`"drop"`, "cannot unmarshal")
		f(`[{"kind":"explode"}]`, "faults[0]: kind")
		_, _, b := s.ask("GET", "/admin/faults", "")
		must(t, "still there", parse(t, b).at("faults", 0, "path").str(), "/nowhere")
		status, _, _ := s.ask("DELETE", "/admin/faults", "")
		must(t, "DELETE", status, 200)
		_, _, b = s.ask("GET", "/admin/faults", "")
		must(t, "cleared", parse(t, b).at("faults").len(), 0)
		_, _, b = s.ask("PUT", "/admin/faults", `[{"kind":"drop","path":"/nowhere"}]`)
		must(t, "a list alone", parse(t, b).at("faults", 0, "kind").str(), "drop")
		status, header, _ := s.ask("PATCH", "/admin/faults", "")
		must(t, "PATCH", status, http.StatusMethodNotAllowed)
		must(t, "Allow", header.Get("Allow"), "GET, PUT, DELETE")
	})
}
