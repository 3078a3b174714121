package azure

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Trouble is what Azure said of a call that failed.
type Trouble struct {
	Status     int           // HTTP; 0: it gave no answer
	Code       string        // Azure's own word, such as OutOfCapacity; of several inside one another, the innermost
	Message    string        // one line
	RetryAfter time.Duration // as asked for; 0: not
}

// Bounds of what is kept of an error.
const (
	maxBody     = 64 << 10
	maxMessage  = 400
	mostNesting = 8
	maxWait     = 24 * time.Hour // the longest that Azure is left alone at its word
)

// Explain reads an error of the SDK; ok is false if Azure gave no answer.
func (a *Account) Explain(err error) (t Trouble, ok bool) {
	var r *azcore.ResponseError
	if !errors.As(err, &r) {
		return Trouble{Message: a.plain(err.Error())}, false
	}
	t = Trouble{Status: r.StatusCode, Code: r.ErrorCode}
	if r.RawResponse != nil {
		t.RetryAfter = RetryAfter(r.RawResponse.Header)
		if body, err := azruntime.Payload(r.RawResponse); err == nil && len(body) <= maxBody { // the SDK has it in memory
			t.read(body)
		}
	}
	t.Message = a.plain(t.Message)
	return t, true
}

// wire is an error of Azure Resource Manager (RPC 1.0, "Error response content");
// an operation has it under error as well.
type wire struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details []wire `json:"details"`
	Inner   *wire  `json:"error"`
}

// read takes code and message out of a body.
func (t *Trouble) read(body []byte) {
	var w wire
	if json.Unmarshal(body, &w) != nil {
		return
	}
	for range mostNesting {
		if w.Code != "" {
			t.Code, t.Message = w.Code, w.Message
		}
		switch {
		case w.Inner != nil:
			w = *w.Inner
		case len(w.Details) == 1:
			w = w.Details[0]
		default:
			return
		}
	}
}

// RetryAfter is how long an answer wants to be left alone, at most maxWait; 0: it
// does not say.
func RetryAfter(h http.Header) time.Duration {
	for _, name := range [...]string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} { // exact, as azcore reads them
		if n, err := strconv.Atoi(h.Get(name)); err == nil && n > 0 {
			return min(time.Duration(min(n, 1<<40))*time.Millisecond, maxWait)
		}
	}
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return min(time.Duration(min(n, 1<<32))*time.Second, maxWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, time.Until(at)), maxWait)
	}
	return 0
}

// Reason is an error of the SDK in one line, without a secret.
func (a *Account) Reason(err error) string {
	t, ok := a.Explain(err)
	if !ok {
		return t.Message
	}
	text := strings.TrimSpace(fmt.Sprintf("%d %s", t.Status, t.Code))
	if t.Message != "" {
		text += ": " + t.Message
	}
	return text
}

// Refused says whether the identity could not get a token.
func Refused(err error) bool {
	var f *azidentity.AuthenticationFailedError
	return errors.As(err, &f)
}

// hidden are texts that look like a credential: a bearer token, a JWT, a value after
// a name that says so, an account key.
var hidden = regexp.MustCompile(`(?i)bearer\s+[A-Za-z0-9._~+/=-]+|eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|(client_secret|client_assertion|password|primaryKey|secondaryKey|access_token|accessToken|api[-_]?key|AccountKey|sig)["']?\s*[=:]\s*["']?[^\s"'&,;]+`)

// plain makes one bounded line of a text, without secrets.
func (a *Account) plain(text string) string { return bound(a.Redact(text), maxMessage) }

// Redact removes from a text what is or looks like a secret.
func (a *Account) Redact(text string) string {
	if s := a.o.ClientSecret; s != "" {
		text = strings.ReplaceAll(text, s, "[hidden]")
	}
	return hidden.ReplaceAllString(text, "[hidden]")
}

// bound is a text on one line, of at most n characters.
func bound(text string, n int) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > n {
		return string(line[:n]) + "..."
	}
	return string(line)
}
