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

// Failure is what an upstream said went wrong.
type Failure struct {
	Status              int    // HTTP status; 0 inside a stream that told none
	Code, Type, Message string // as the upstream said; at most 128, 128 and 1,024 bytes

	Fault     weir.Fault // CallerFault: another upstream would refuse it too
	Retryable bool       // another replica or deployment may do better

	Throttled     bool          // asked too much of it: leave it alone for a while
	RetryAfter    time.Duration // as it asked, in [0, 1 h]
	Asked         time.Duration // as it asked, where that is more; else 0
	HasRetryAfter bool
	Exhausted     bool // the account behind it has no quota or credit left: waiting does not help

	ContextLength bool    // the prompt is too long for the model, there
	Lacks         Feature // the server does not do this: another deployment may
	NoModel       bool    // it does not know the model's name, which Weir chose

	ContentFilter bool // refused for what it says: never ask elsewhere
}

const (
	maxFailureWord    = 128
	maxFailureMessage = 1 << 10
)

// statusOverloaded is Anthropic's overloaded_error.
const statusOverloaded = 529

// readStreamFailure reads an error that stands inside a stream. Some servers
// (vLLM) give the status it would have had as its code.
func readStreamFailure(data []byte) *Failure {
	f := parseFailure(data)
	f.Status = statusOfCode(f.Code)
	f.judge(false)
	f.Exhausted = f.exhausted()
	f.Throttled = f.Status == http.StatusTooManyRequests || f.Status == statusOverloaded
	return &f
}

// wireFailure are the shapes errors come in: an object below error (OpenAI,
// Azure OpenAI, Anthropic, vLLM), a string there (TGI, Ollama), the members at
// the top (older vLLM; the Responses API's error event), below response
// (response.failed), "detail" (FastAPI).
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

// bom is what some servers put before their JSON.
var bom = []byte("\xef\xbb\xbf")

// scalar is the text of a string, or any other value as it stands.
func scalar(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// bounded cuts s to n bytes, between runes.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// statusOfCode reads a code that is an HTTP status, or one of the types that
// stand for one; 0 when it is neither.
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

// judge says whose fault it was and whether another upstream may do better. kept:
// its servers keep answers, so that one may be what was not found.
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
	case f.isUnreadable(), f.Status == http.StatusNotFound: // what the caller itself refers to
		f.Fault = weir.CallerFault
	case f.Status == http.StatusBadRequest, f.Status == http.StatusRequestEntityTooLarge, f.Status == http.StatusUnprocessableEntity:
		f.Fault = weir.CallerFault
	default:
		f.Fault, f.Retryable = weir.UpstreamFault, true
	}
}

// impliedStatus is the status an error inside a stream would have had.
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

// isContextLength recognises a prompt that is too long: by code (OpenAI,
// Azure), or by the words of vLLM, SGLang, llama.cpp, TGI and Anthropic.
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

// exhausted recognises an account that is used up, which OpenAI reports with the
// status of throttling, and others with 402.
func (f *Failure) exhausted() bool {
	for _, word := range [...]string{f.Code, f.Type} {
		switch word {
		case "insufficient_quota", "billing_hard_limit_reached", "billing_not_active":
			return true
		}
	}
	return f.Status == http.StatusPaymentRequired
}
