package emulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// azureOp is an operation of the data plane.
type azureOp struct {
	path      string
	operation string // its name in messages
	produces  bool   // it produces output tokens
	parse     parser // nil: embeddings
}

var azureOps = []azureOp{
	{"/chat/completions", "ChatCompletions_Create", true, parseChat},
	{"/completions", "Completions_Create", true, parseCompletion},
	{"/responses", "Responses_Create", true, parseResponse},
	{"/embeddings", "Embeddings_Create", false, nil},
}

// routes: the classic paths name the deployment and require api-version, except
// responses, which name it in the body; the v1 paths name it in the body and
// take no version ("API version lifecycle", 2026-03-19).
func (a *Azure) routes() http.Handler {
	m := http.NewServeMux()
	for _, op := range azureOps {
		m.HandleFunc("POST /openai/v1"+op.path, a.guard(false, a.inBody(op)))
		if op.path == "/responses" {
			m.HandleFunc("POST /openai/responses", a.guard(true, a.inBody(op)))
			continue
		}
		m.HandleFunc("POST /openai/deployments/{deployment}"+op.path, a.guard(true, a.inPath(op)))
	}
	m.HandleFunc("GET /openai/v1/models", a.guard(false, a.models))
	m.HandleFunc("GET /openai/models", a.guard(true, a.models))
	m.HandleFunc("/admin/faults", a.faults.admin)
	m.HandleFunc("GET /admin/deployments", a.show)
	m.HandleFunc("PUT /admin/deployments/{deployment}", a.lower)
	m.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	m.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { azureErrors.write(w, noResource) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", Name)
		w.Header().Set("X-Ms-Region", "Emulated")
		if id := r.Header.Get("X-Ms-Client-Request-Id"); id != "" && len(id) <= 200 {
			w.Header().Set("X-Ms-Client-Request-Id", id)
		}
		m.ServeHTTP(w, r)
	})
}

// guard checks the key and, where required, the version.
func (a *Azure) guard(classic bool, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.known(r) {
			azureErrors.write(w, noAccess)
			return
		}
		if classic && r.URL.Query().Get("api-version") == "" {
			azureErrors.write(w, noResource)
			return
		}
		next(w, r)
	}
}

// known accepts api-key, or Authorization: Bearer with an Entra ID token or, as
// the OpenAI SDKs send it to v1, a key ("API version lifecycle", 2026-03-19).
func (a *Azure) known(r *http.Request) bool {
	if key := r.Header.Get("Api-Key"); key != "" {
		return len(a.o.Keys) == 0 || slices.Contains(a.o.Keys, key)
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok || token == "":
		return false
	case slices.Contains(a.o.Keys, token), slices.Contains(a.o.Tokens, token):
		return true
	case len(a.o.Tokens) > 0:
		return false
	}
	return len(a.o.Keys) == 0 || strings.Count(token, ".") == 2 // a JWT has three parts
}

func (a *Azure) models(w http.ResponseWriter, _ *http.Request) {
	list := []any{}
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, name := range a.names {
		list = append(list, fields{"id": a.deployments[name].Model, "object": "model", "created_at": 0, "owned_by": Name, "status": "succeeded"})
	}
	writeJSON(w, http.StatusOK, fields{"object": "list", "data": list})
}

func (a *Azure) inPath(op azureOp) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if body, ok := a.body(w, r); ok {
			a.serveOn(w, r, op, r.PathValue("deployment"), body)
		}
	}
}

// inBody reads the deployment's name from the body's model.
func (a *Azure) inBody(op azureOp) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, ok := a.body(w, r)
		if !ok {
			return
		}
		var q struct {
			Model string `json:"model"`
		}
		_ = json.Unmarshal(body, &q) // the reader refuses invalid JSON
		a.serveOn(w, r, op, q.Model, body)
	}
}

func (a *Azure) body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		azureErrors.write(w, problem{status: http.StatusRequestEntityTooLarge, code: "413", message: "the body is longer than 32 MiB"})
		return nil, false
	}
	return body, err == nil
}

// serveOn serves a request on a deployment or, if that refuses and may spill
// over, on another.
func (a *Azure) serveOn(w http.ResponseWriter, r *http.Request, op azureOp, name string, body []byte) {
	d := a.named(name)
	if d == nil {
		azureErrors.write(w, noDeployment)
		return
	}
	h := w.Header()
	h.Set("X-Ms-Deployment-Name", d.Name)
	f := a.faults.pick(r)
	if f != nil && f.Kind != "status" {
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r = f.before(w, r); r == nil {
			return
		}
	}
	why := a.attempt(w, r, op, d, body, f, false)
	if why == nil {
		return
	}
	target := a.spillover(r, d)
	if target == nil || !why.spills {
		a.refuse(w, d, why)
		return
	}
	// "Manage traffic with spillover" (2026-03-04), identifying requests: the
	// two headers if it served; if not, the original answer with the other's
	// code.
	h.Set("X-Ms-Spillover-From-Deployment", d.Name)
	h.Set("X-Ms-Deployment-Name", target.Name)
	if failed := a.attempt(w, r, op, target, body, nil, true); failed != nil {
		h.Del("X-Ms-Spillover-From-Deployment")
		h.Set("X-Ms-Deployment-Name", d.Name)
		h.Set("X-Ms-Spillover-Error", strconv.Itoa(failed.status))
		a.refuse(w, d, why)
	}
}

// spillover is the target of a provisioned deployment's overflow: its property
// has precedence over the request's header (the same page, note on both being
// set).
func (a *Azure) spillover(r *http.Request, d *azureDeployment) *azureDeployment {
	if d.bucket == nil {
		return nil
	}
	d.mu.Lock()
	to := d.Spillover
	d.mu.Unlock()
	if to != "" {
		return a.named(to)
	}
	if t := a.named(r.Header.Get("X-Ms-Spillover-Deployment")); t != nil && t.bucket == nil {
		return t
	}
	return nil
}

// attempt serves a request on one deployment, or returns the refusal and writes
// nothing.
func (a *Azure) attempt(w http.ResponseWriter, r *http.Request, op azureOp, d *azureDeployment, body []byte, f *armed, spilled bool) *refusal {
	if f != nil && f.Kind == "status" {
		p := f.problem(f.Status)
		p.code = strconv.Itoa(f.Status)
		return &refusal{problem: p, spills: f.Status == 429 || f.Status == 500 || f.Status == 503, fault: f}
	}
	if p := d.unfit(op, body); p != nil {
		return &refusal{problem: *p}
	}
	// The parsers read the deployment from the path.
	r = r.WithContext(r.Context())
	r.SetPathValue("deployment", d.Name)
	r.Body = io.NopCloser(bytes.NewReader(body))
	c, p := op.read(w, r, d)
	if p != nil {
		return &refusal{problem: *p, spills: p.code == "context_length_exceeded"}
	}
	if d.MaxPrompt > 0 && c.prompt.tokens > d.MaxPrompt {
		return &refusal{problem: tooLongFor(d.MaxPrompt, c.prompt.tokens), spills: true}
	}
	m := marksOf(c)
	if m.prompt {
		return &refusal{problem: promptFiltered, content: true}
	}
	if why := d.admit(a.now(), op, c); why != nil {
		return why
	}
	if m.fail && !c.stream {
		d.settle(a.now(), c, 0, spilled)
		return &refusal{problem: innerFailure, spills: true}
	}
	a.describe(w.Header(), d)
	produced := op.answer(w, r, d, c, m, body)
	d.settle(a.now(), c, produced, spilled)
	return nil
}

// read parses a request; inputs of embeddings are counted.
func (op *azureOp) read(w http.ResponseWriter, r *http.Request, d *azureDeployment) (*call, *problem) {
	if op.parse != nil {
		return op.parse(w, r, d.server)
	}
	var q embeddingRequest
	if p := read(w, r, &q); p != nil {
		return nil, p
	}
	inputs, _, p := d.server.weigh(&q, "")
	if p != nil {
		return nil, p
	}
	c := &call{}
	for _, in := range inputs {
		c.prompt.add(in)
	}
	return c, nil
}

// answer sends the answer to the caller.
func (op *azureOp) answer(w http.ResponseWriter, r *http.Request, d *azureDeployment, c *call, m marks, body []byte) int {
	if op.parse == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		d.server.embeddings(w, r)
		return 0
	}
	m.apply(c)
	if m.fail {
		fault := &armed{Fault: Fault{Kind: "error", Message: innerFailure.message}}
		r = r.WithContext(context.WithValue(r.Context(), faultKey{}, fault))
	}
	return d.server.answer(w, r, &azureErrors, c)
}

// describe sets the headers of an answer: the limits of a standard deployment
// ("Manage quota", 2026-09-16), and the utilisation of a provisioned one, if
// enabled, which Microsoft's own azure-openai-benchmark reads and no current
// page names.
func (a *Azure) describe(h http.Header, d *azureDeployment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := a.now()
	if d.bucket != nil {
		if d.Utilisation {
			h.Set("Azure-Openai-Deployment-Utilization", strconv.FormatFloat(d.bucket.percent(now), 'f', 1, 64)+"%")
		}
		return
	}
	q := d.quota
	q.roll(now)
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"X-Ratelimit-Limit-Requests", int64(q.rpm)}, {"X-Ratelimit-Limit-Tokens", int64(q.tpm)},
		{"X-Ratelimit-Remaining-Requests", int64(max(0, q.most-q.requests))}, {"X-Ratelimit-Remaining-Tokens", int64(max(0, q.tpm-q.tokens))},
		{"X-Ratelimit-Reset-Requests", seconds(a.wall(q.window - now.Sub(q.began)))}, {"X-Ratelimit-Reset-Tokens", seconds(a.wall(minuteLeft(q, now)))},
	} {
		h.Set(v.name, strconv.FormatInt(v.value, 10))
	}
}

// refuse answers with a refusal. With 429 both deployment types send the wait,
// in milliseconds and in seconds rounded up ("Provisioned throughput",
// 2026-02-10; "Manage quota", 2026-09-16).
func (a *Azure) refuse(w http.ResponseWriter, d *azureDeployment, why *refusal) {
	h := w.Header()
	if why.fault != nil {
		if why.fault.RetryAfter != "" {
			h.Set("Retry-After", why.fault.RetryAfter)
		}
		if why.fault.RetryAfterMS > 0 {
			h.Set("Retry-After-Ms", strconv.Itoa(why.fault.RetryAfterMS))
		}
	}
	if why.after > 0 {
		wall := max(a.wall(why.after), 1)
		h.Set("Retry-After-Ms", strconv.FormatInt((wall.Nanoseconds()+999_999)/1_000_000, 10))
		h.Set("Retry-After", strconv.FormatInt(seconds(wall), 10))
		a.describe(h, d)
	}
	if why.content {
		writeJSON(w, why.status, filteredPrompt)
		return
	}
	azureErrors.write(w, why.problem)
}
