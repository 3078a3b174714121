package upstream

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"weir"
)

// Failure is an error that an upstream reported.
type Failure struct {
	Status              int    // HTTP status; 0 inside a stream that states none
	Code, Type, Message string // as the upstream said; at most 128, 128 and 1,024 bytes

	Fault     weir.Fault // CallerFault: any other upstream would refuse it too
	Retryable bool       // another replica or deployment may succeed

	Throttled     bool          // overloaded: avoid it for a while
	Full          bool          // Throttled for requests in flight: there is room again as soon as one ends
	RetryAfter    time.Duration // as requested, in [0, 1 h]
	Asked         time.Duration // the requested time if it is longer; else 0
	HasRetryAfter bool
	Exhausted     bool // its account has no quota or credit left: waiting does not help

	ContextLength bool    // the prompt is too long for the model at this server
	Lacks         Feature // the server does not support this; another deployment may
	NoModel       bool    // it does not know the model's name, which Weir chose

	ContentFilter bool // refused for its content: never retried
}

const (
	maxFailureWord    = 128
	maxFailureMessage = 1 << 10
)

// statusOverloaded is Anthropic's overloaded_error.
const statusOverloaded = 529

// readStreamFailure parses an error inside a stream. Some servers (vLLM) give the
// status as its code.
func readStreamFailure(data []byte) *Failure {
	f := parseFailure(data)
	f.Status = statusOfCode(f.Code)
	f.judge(false)
	f.Exhausted = f.exhausted()
	f.Throttled = f.Status == http.StatusTooManyRequests || f.Status == statusOverloaded
	return &f
}

// wireFailure covers the shapes of errors: an object in error (OpenAI, Azure OpenAI,
// Anthropic, vLLM), a string there (TGI, Ollama), the members at the top (older vLLM;
// the Responses API's error event), in response (response.failed), "detail" (FastAPI).
type wireFailure struct {
	Error    json.RawMessage `json:"error"`
	Response struct {
		Error json.RawMessage `json:"error"`
	} `json:"response"`
	wireError
	ErrorType string          `json:"error_type"`
	Detail    json.RawMessage `json:"detail"`
}

type wireError struct {
	Code    json.RawMessage `json:"code"`
	Type    json.RawMessage `json:"type"`
	Message json.RawMessage `json:"message"`
	Inner   struct {
		Code json.RawMessage `json:"code"`
	} `json:"innererror"`
}

func parseFailure(body []byte) Failure {
	var w wireFailure
	body = bytes.TrimPrefix(body, bom)
	if json.Unmarshal(body, &w) != nil {
		return Failure{Message: bounded(strings.TrimSpace(string(body[:min(len(body), 2*maxFailureMessage)])), maxFailureMessage)}
	}
	e := w.wireError
	for _, nested := range []json.RawMessage{w.Error, w.Response.Error} {
		if len(nested) == 0 || string(nested) == "null" {
			continue
		}
		e = wireError{}
		if json.Unmarshal(nested, &e) == nil {
			break
		}
		if e = (wireError{Message: nested}); statusOfCode(string(nested)) != 0 {
			e.Code = nested
		}
		break
	}
	f := Failure{
		Code:    bounded(scalar(e.Code), maxFailureWord),
		Type:    bounded(scalar(e.Type), maxFailureWord),
		Message: bounded(scalar(e.Message), maxFailureMessage),
	}
	if f.Type == "" {
		f.Type = bounded(w.ErrorType, maxFailureWord)
	}
	if f.Message == "" {
		f.Message = bounded(scalar(w.Detail), maxFailureMessage)
	}
	f.ContentFilter = f.Code == "content_filter" || scalar(e.Inner.Code) == "ResponsibleAIPolicyViolation"
	return f
}

// bom is put before the JSON by some servers.
var bom = []byte("\xef\xbb\xbf")

// scalar is the text of a string, or the raw text of any other value.
func scalar(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// bounded cuts s to at most n bytes, at a rune boundary.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// statusOfCode reads a code that is an HTTP error status; 0 if it is not.
func statusOfCode(code string) int {
	if len(code) != 3 || code[0] != '4' && code[0] != '5' {
		return 0
	}
	n, err := strconv.ParseUint(code, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// judge decides whose fault it was and whether another upstream may succeed. kept: its
// servers store answers, so a stored answer may be the object that was not found.
func (f *Failure) judge(kept bool) {
	f.ContextLength = f.isContextLength()
	f.Status = f.impliedStatus()
	if f.ContentFilter || f.ContextLength {
		f.Fault = weir.CallerFault
		return
	}
	f.NoModel = f.isNoModel()
	f.Lacks = f.lacks(kept)
	switch {
	case f.NoModel:
		f.Fault, f.Retryable = weir.UpstreamFault, true
	case f.Lacks != NoFeature:
		f.Fault, f.Retryable = weir.CallerFault, true
	case f.isUnrouted():
		f.Fault, f.Retryable = weir.UpstreamFault, true
	case f.isUnreadable(), f.Status == http.StatusNotFound: // an object that the caller named
		f.Fault = weir.CallerFault
	case f.Status == http.StatusBadRequest, f.Status == http.StatusRequestEntityTooLarge, f.Status == http.StatusUnprocessableEntity:
		f.Fault = weir.CallerFault
	default:
		f.Fault, f.Retryable = weir.UpstreamFault, true
	}
}

// impliedStatus is the status that an error inside a stream would have had.
func (f *Failure) impliedStatus() int {
	if f.Status != 0 {
		return f.Status
	}
	for _, word := range [...]string{f.Code, f.Type} {
		switch word {
		case "rate_limit_exceeded", "rate_limit_error", "too_many_requests", "insufficient_quota", "RateLimitReached":
			return http.StatusTooManyRequests
		case "overloaded_error":
			return statusOverloaded
		case "invalid_request_error", "BadRequestError", "invalid_prompt":
			return http.StatusBadRequest
		case "server_error", "api_error", "InternalServerError":
			return http.StatusInternalServerError
		}
	}
	return 0
}

// isContextLength recognises a prompt that is too long: by code (OpenAI, Azure), or by
// the messages of vLLM, SGLang, llama.cpp, TGI and Anthropic.
func (f *Failure) isContextLength() bool {
	if f.Code == "context_length_exceeded" || f.Type == "exceed_context_size_error" {
		return true
	}
	if f.Status != 0 && f.Status != http.StatusBadRequest && f.Status != http.StatusUnprocessableEntity && f.Status != http.StatusRequestEntityTooLarge {
		return false
	}
	m := strings.ToLower(f.Message)
	for _, words := range [...]string{
		"maximum context length", "maximum model length", "context window", "context size", "context length",
		"prompt is too long", "inputs` tokens + `max_new_tokens` must be",
	} {
		if strings.Contains(m, words) {
			return true
		}
	}
	return false
}

// exhausted recognises an account without quota or credit. OpenAI reports it with the
// status of throttling, others with 402.
func (f *Failure) exhausted() bool {
	for _, word := range [...]string{f.Code, f.Type} {
		switch word {
		case "insufficient_quota", "billing_hard_limit_reached", "billing_not_active":
			return true
		}
	}
	return f.Status == http.StatusPaymentRequired
}
