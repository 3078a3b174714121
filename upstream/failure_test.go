package upstream_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"weir"
	. "weir/upstream"
)

// headersOf reads "Name: value" lines.
func headersOf(text string) func(string) string {
	return func(name string) string {
		for line := range strings.SplitSeq(text, "\n") {
			if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
				return v
			}
		}
		return ""
	}
}

func TestRetryTimesInEveryForm(t *testing.T) {
	now := time.Date(2026, 10, 3, 12, 0, 0, 0, time.UTC)
	f := func(headers string, want time.Duration) {
		t.Helper()
		got, ok := ReadRetryAfter(headersOf(headers), now)
		if !ok || got != want {
			t.Errorf("%q: %v %v, want %v", headers, got, ok, want)
		}
	}
	f("retry-after: 7", 7*time.Second)
	f("Retry-After: 1.5", 1500*time.Millisecond)
	f("retry-after-ms: 43", 43*time.Millisecond)
	f("x-ms-retry-after-ms: 43.5", 43500*time.Microsecond)
	f("retry-after-ms: 43\nx-ms-retry-after-ms: 50", 50*time.Millisecond)
	f("retry-after-ms: 43\nretry-after: 1", 43*time.Millisecond) // the same, rounded up
	f("retry-after-ms: 1043\nretry-after: 2", 1043*time.Millisecond)
	f("retry-after-ms: 43\nretry-after: 30", 30*time.Second) // exceeds the exact time: the longest counts
	f("retry-after: Sat, 03 Oct 2026 12:00:09 GMT", 9*time.Second)
	f("retry-after: Sat, 03 Oct 2026 11:00:00 GMT", 0)
	f("retry-after: 0", 0)
	f("retry-after: 86400", time.Hour)
	f("retry-after: 1e300", time.Hour)
	f("retry-after-ms: +Inf", time.Hour)
	f("retry-after: Sat, 03 Oct 2099 11:00:00 GMT", time.Hour)
	f("x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 6m0s\nx-ratelimit-remaining-requests: 9\nx-ratelimit-reset-requests: 20m", 6*time.Minute)
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 12", 12*time.Second)
	for _, none := range []string{"", "retry-after: soon", "retry-after: -3", "retry-after: NaN", "x-ratelimit-reset-tokens: 6m0s"} {
		if got, ok := ReadRetryAfter(headersOf(none), now); ok || got != 0 {
			t.Errorf("%q: %v %v, want nothing", none, got, ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("1", "2", "3", "4s")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		h := headersOf("retry-after: " + a + "\nretry-after-ms: " + b + "\nx-ms-retry-after-ms: " + c + "\nx-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: " + d)
		if got, ok := ReadRetryAfter(h, time.Unix(1e9, 0)); got < 0 || got > MaxRetryAfter || !ok && got != 0 {
			t.Fatal(got, ok)
		}
	})
}

func TestFailuresAreRead(t *testing.T) {
	const filtered = `{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,
		"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"violence":{"filtered":true}}}}}`
	f := func(op weir.Op, status int, headers, body string, want Failure) {
		t.Helper()
		want.Status = status
		if got := ReadFailure(op, status, headersOf(headers), []byte(body), time.Unix(0, 0)); got != want {
			t.Errorf("%d %s:\n%+v, want\n%+v", status, body, got, want)
		}
	}
	caller, upstream := weir.CallerFault, weir.UpstreamFault
	f(weir.OpChat, 400, "", filtered, Failure{Code: "content_filter", Message: "The response was filtered", Fault: caller, ContentFilter: true})
	f(weir.OpChat, 400, "", `{"error":{"message":"m","type":"invalid_request_error","code":"context_length_exceeded"}}`,
		Failure{Code: "context_length_exceeded", Type: "invalid_request_error", Message: "m", Fault: caller, ContextLength: true})
	f(weir.OpChat, 400, "", `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}`,
		Failure{Code: "400", Type: "BadRequestError", Message: "This model's maximum context length is 4096 tokens.", Fault: caller, ContextLength: true})
	f(weir.OpChat, 400, "", `{"error":{"code":400,"message":"request (9) exceeds the available context size (8)","type":"exceed_context_size_error"}}`,
		Failure{Code: "400", Type: "exceed_context_size_error", Message: "request (9) exceeds the available context size (8)", Fault: caller, ContextLength: true})
	f(weir.OpMessages, 400, "", `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}`,
		Failure{Type: "invalid_request_error", Message: "prompt is too long: 9 > 8", Fault: caller, ContextLength: true})
	f(weir.OpChat, 422, "", `{"error":"Input validation error","error_type":"validation"}`, Failure{Type: "validation", Message: "Input validation error", Fault: caller})
	f(weir.OpChat, 422, "", `{"detail":[{"loc":["body"]}]}`, Failure{Message: `[{"loc":["body"]}]`, Fault: caller})
	f(weir.OpChat, 413, "", `<html>too large</html>`, Failure{Message: "<html>too large</html>", Fault: caller})
	f(weir.OpChat, 401, "", `{"error":{"code":"401","message":"Access denied"}}`, Failure{Code: "401", Message: "Access denied", Fault: upstream, Retryable: true})
	f(weir.OpChat, 404, "", `{"error":{"code":"DeploymentNotFound","message":"m"}}`, Failure{Code: "DeploymentNotFound", Message: "m", Fault: upstream, Retryable: true, NoModel: true})
	f(weir.OpResponses, 404, "", `{"error":{"code":"previous_response_not_found","message":"m"}}`, Failure{Code: "previous_response_not_found", Message: "m", Fault: caller})
	f(weir.OpResponses, 404, "", "", Failure{Fault: caller, Retryable: true, Lacks: WholeOperation})
	f(weir.OpChat, 429, "retry-after-ms: 43", `{"error":{"code":"429","message":"m"}}`,
		Failure{Code: "429", Message: "m", Fault: upstream, Retryable: true, Throttled: true, RetryAfter: 43 * time.Millisecond, HasRetryAfter: true})
	f(weir.OpChat, 429, "", "", Failure{Fault: upstream, Retryable: true, Throttled: true})
	f(weir.OpMessages, 529, "", "", Failure{Fault: upstream, Retryable: true, Throttled: true})
	f(weir.OpChat, 503, "", "", Failure{Fault: upstream, Retryable: true})
	f(weir.OpChat, 503, "retry-after: 2", "", Failure{Fault: upstream, Retryable: true, Throttled: true, RetryAfter: 2 * time.Second, HasRetryAfter: true})
	f(weir.OpChat, 408, "", "null", Failure{Fault: upstream, Retryable: true})
}

func TestFailuresAreBounded(t *testing.T) {
	long, _ := json.Marshal(strings.Repeat("é", 5000))
	body := `{"error":{"code":` + string(long) + `,"type":` + string(long) + `,"message":` + string(long) + `}}`
	for _, b := range []string{body, strings.Repeat("é", 5000)} {
		f := ReadFailure(weir.OpChat, 500, headersOf(""), []byte(b), time.Time{})
		if len(f.Code) > MaxFailureWord || len(f.Type) > MaxFailureWord || len(f.Message) > MaxFailureMessage || len(f.Message) < MaxFailureMessage-4 {
			t.Errorf("%d, %d, %d bytes", len(f.Code), len(f.Type), len(f.Message))
		}
		if !utf8.ValidString(f.Message) {
			t.Error("cut inside a letter")
		}
	}
}

func TestUsageOfWholeAnswers(t *testing.T) {
	f := func(op weir.Op, body string, want weir.Usage, ok bool) {
		t.Helper()
		if got, is := ReadUsage(op, []byte(body)); is != ok || ok && got != want {
			t.Errorf("%s: %+v %v, want %+v %v", body, got, is, want, ok)
		}
	}
	f(weir.OpChat, `{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],"usage":{"prompt_tokens":19,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":16}}}`, weir.Usage{Prompt: 19, Cached: 16, Completion: 10}, true)
	f(weir.OpEmbeddings, `{"data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}`, weir.Usage{Prompt: 8}, true)
	f(weir.OpResponses, `{"object":"response","usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":4},"output_tokens":87}}`, weir.Usage{Prompt: 36, Cached: 4, Completion: 87}, true)
	f(weir.OpMessages, `{"usage":{"input_tokens":5,"cache_read_input_tokens":10,"cache_creation_input_tokens":20,"output_tokens":7}}`, weir.Usage{Prompt: 35, Cached: 10, Completion: 7, Written: 20}, true)
	f(weir.OpChat, `{"usage":{"prompt_tokens":-5,"completion_tokens":"x","prompt_tokens_details":null}}`, weir.Usage{}, false)
	f(weir.OpChat, `{"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":1.9}}`, weir.Usage{}, false)
	f(weir.OpChat, `{"usage":{"prompt_tokens":3,"completion_tokens":1.0,"prompt_tokens_details":{"cached_tokens":null}}}`, weir.Usage{Prompt: 3, Completion: 1}, true)
	f(weir.OpChat, `{"usage":{"prompt_tokens":3,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":50}}}`, weir.Usage{Prompt: 3, Cached: 3}, true)
	f(weir.OpChat, `{"usage":null}`, weir.Usage{}, false)
	f(weir.OpChat, `{"usage":{"prompt_tokens":3}`, weir.Usage{}, false)
	f(weir.OpChat, `[]`, weir.Usage{}, false)
	f(weir.OpChat, ``, weir.Usage{}, false)
}
