package arm

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

type object = map[string]any

// maxBody bounds a request to the control plane (Resource Manager takes 4 MB).
const maxBody = 4 << 20

// A problem is why a request or an operation does not succeed, in the shape of
// Resource Manager: {"error":{"code","message"}}.
type problem struct {
	status        int
	code, message string
	after         time.Duration // emulated; the Retry-After of a throttled request
}

func refuse(status int, code, message string) *problem {
	return &problem{status: status, code: code, message: message}
}

func (p *problem) body() object { return object{"error": object{"code": p.code, "message": p.message}} }

func (c *Cloud) fail(w http.ResponseWriter, p *problem) {
	w.Header().Set("X-Ms-Error-Code", p.code)
	if p.after > 0 {
		c.retryAfter(w, p.after)
	}
	writeJSON(w, p.status, p.body())
}

// retryAfter sends a span of emulated time as real seconds, rounded up, and in
// milliseconds too when time is compressed: a whole second can be many minutes
// then. The SDKs read the second header first (azcore, shared.RetryAfter).
func (c *Cloud) retryAfter(w http.ResponseWriter, d time.Duration) {
	wall := c.wall(d)
	if c.o.Speed > 1 {
		w.Header().Set("X-Ms-Retry-After-Ms", strconv.FormatInt(max(wall.Milliseconds(), 1), 10))
	}
	w.Header().Set("Retry-After", strconv.FormatInt(int64((wall+time.Second-1)/time.Second), 10))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}

// locked answers under the lock, and sends the answer after it: a client that
// does not read holds up nothing but its own request.
func (c *Cloud) locked(w http.ResponseWriter, answer func(http.ResponseWriter)) {
	out := &held{ResponseWriter: w, status: http.StatusOK}
	func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		answer(out)
	}()
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body.Bytes())
}

// held is an answer that waits to be sent.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }

// readBody decodes a request's JSON object; an empty body is an empty object.
func readBody(w http.ResponseWriter, r *http.Request) (object, *problem) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "the body is longer than 4 MiB")
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "InvalidRequestContent", "the body could not be read: "+err.Error())
	}
	v := object{}
	if len(b) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, refuse(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized: "+err.Error())
	}
	if v == nil { // a change without a body removes
		return nil, refuse(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid: null, want an object.")
	}
	return v, nil
}

func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func text(n int64) string { return strconv.FormatInt(n, 10) }

// at walks down a JSON value; nil where there is none.
func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(object)
		if m == nil {
			return nil
		}
		v = m[p]
	}
	return v
}

func textAt(v any, path ...string) string { s, _ := at(v, path...).(string); return s }

func mapAt(v any, path ...string) object { m, _ := at(v, path...).(object); return m }

func arrayAt(v any, path ...string) []any { a, _ := at(v, path...).([]any); return a }

func boolAt(v any, path ...string) bool { b, _ := at(v, path...).(bool); return b }

// intAt reads a whole number; ok says whether there is one.
func intAt(v any, path ...string) (n int, ok bool) {
	switch f := at(v, path...).(type) {
	case float64:
		return int(f), f == float64(int(f))
	case int:
		return f, true
	}
	return 0, false
}

// clone copies a JSON value.
func clone(v any) any {
	switch v := v.(type) {
	case object:
		to := make(object, len(v))
		for k, e := range v {
			to[k] = clone(e)
		}
		return to
	case []any:
		to := make([]any, len(v))
		for i, e := range v {
			to[i] = clone(e)
		}
		return to
	}
	return v
}

// child is the object at a key, made where there is none.
func child(v object, key string) object {
	m, _ := v[key].(object)
	if m == nil {
		m = object{}
		v[key] = m
	}
	return m
}
