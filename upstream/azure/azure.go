// Package azure is the protocol of Azure OpenAI: OpenAI's bodies below paths, errors
// and a version of its own.
//
// It owns paths and error shapes. It refuses to know connections, callers and what
// an answer costs.
package azure

import (
	"fmt"
	"net/url"
	"strings"

	"weir"
	"weir/jsonscan"
	"weir/upstream"
	"weir/upstream/openai"
)

// Dialect is the protocol.
type Dialect struct{ openai.Surface }

// Name is what weir.yaml calls it.
func (Dialect) Name() string { return "azureopenai" }

// Check wants the deployment's name where it stands in the path.
func (Dialect) Check(o *upstream.Options) error {
	if o.APIVersion != "" && o.Model == "" {
		return fmt.Errorf("upstream: the classic path (APIVersion %q) needs Model, the name of the Azure deployment", o.APIVersion)
	}
	return nil
}

// Base leads to the v1 surface, which lies below /openai/v1 and takes no version, or
// to the classic one, below /openai.
func (Dialect) Base(o *upstream.Options, path string) string {
	root := strings.TrimSuffix(path, "/openai") + "/openai"
	switch {
	case o.APIVersion != "":
		return root
	case upstream.EndsInVersion(path):
		return path
	}
	return root + "/v1"
}

// Target names, for the classic surface, the deployment in the path and the version,
// but for /openai/responses, which has the deployment in the body
// (learn.microsoft.com, "API version lifecycle", 2026-03-19).
func (Dialect) Target(o *upstream.Options, op weir.Op) upstream.Target {
	t := openai.Dialect{}.Target(o, op)
	if o.APIVersion == "" {
		return t
	}
	if op != weir.OpResponses {
		t.Path = "/deployments/" + url.PathEscape(o.Model) + t.Path
	}
	t.Query = "api-version=" + url.QueryEscape(o.APIVersion)
	return t
}

// Operation is OpenAI's, without the Messages API.
func (Dialect) Operation(op weir.Op) *upstream.Operation {
	switch op {
	case weir.OpMessages:
		return nil
	case weir.OpResponses:
		return responses
	}
	return openai.Dialect{}.Operation(op)
}

// responses is OpenAI's, but that a resource keeps answers for all its deployments.
var responses = func() *upstream.Operation {
	o := *openai.Dialect{}.Operation(weir.OpResponses)
	o.KeptByAddr = true
	return &o
}()

// Limit is OpenAI's newer name for chat, of versions that know it.
func (Dialect) Limit(o *upstream.Options, op weir.Op) string {
	if op == weir.OpChat && (o.APIVersion == "" || o.APIVersion >= "2024-09-01") {
		return "max_completion_tokens"
	}
	return openai.Dialect{}.Limit(o, op)
}

// StreamsUsage says whether streams of a version of the API tell their usage: the
// classic one refuses to be asked for it before 2024-08-01-preview.
func StreamsUsage(version string) bool { return version == "" || version >= "2024-08-01" }

// Version is what callers of the classic API say theirs by.
func (Dialect) Version() string { return "api-version" }

// Key is the header api-key.
func (Dialect) Key(secret string) upstream.Field {
	return upstream.Field{Name: "api-key", Value: secret}
}

// Locate reads a path below /openai/. In the classic surface the path names the
// deployment (Weir's model name) and the body need not name the model; the v1 one is
// OpenAI's below /openai.
func (Dialect) Locate(path string) (upstream.Route, bool) {
	rest, ok := strings.CutPrefix(path, "/openai/")
	if !ok {
		return upstream.Route{}, false
	}
	if below, v1 := strings.CutPrefix(rest, "v1/"); v1 {
		return openai.Below(below), true
	}
	below, classic := strings.CutPrefix(rest, "deployments/")
	if !classic { // Responses, lists, and clients that name the model in the body alone
		return openai.Below(rest), true
	}
	// A model's name may itself hold slashes, so the end of the path decides.
	for _, o := range classicOps {
		if model, ok := strings.CutSuffix(below, o.suffix); ok && model != "" {
			return upstream.Route{Service: upstream.CallModel, Op: o.op, Model: model}, true
		}
	}
	return upstream.Route{}, true
}

var classicOps = [...]struct {
	suffix string
	op     weir.Op
}{
	{"/chat/completions", weir.OpChat}, // before completions, whose suffix it has
	{"/completions", weir.OpCompletions},
	{"/embeddings", weir.OpEmbeddings},
	{"/responses", weir.OpResponses},
}

// codes are Azure's own for some of Weir's reasons.
var codes = map[string]string{
	"missing_api_key": "401", "invalid_api_key": "401", "unknown_url": "404", "response_not_found": "404",
	"missing_model": "BadRequest", "bad_request": "BadRequest", "model_not_found": "DeploymentNotFound",
	"unsupported_operation": "OperationNotSupported", "internal_error": "InternalServerError",
	"rate_limit_exceeded": "429", "concurrency_limit_exceeded": "429", "budget_exceeded": "429", "queue_full": "429", "throttled": "429",
}

// Error has the code first and says more below innererror.
func (Dialect) Error(b []byte, p *upstream.Problem) []byte {
	code := p.Code
	if own, ok := codes[p.Reason]; ok && p.Code == p.Reason {
		code = own
	}
	b = append(append(b, `{"error":{"code":`...), jsonscan.Quoted(code)...)
	b = append(append(b, `,"message":`...), jsonscan.Quoted(p.Message)...)
	b = openai.AppendKind(b, p)
	b = append(append(b, `,"innererror":{"code":`...), jsonscan.Quoted(p.Code)...)
	return append(b, "}}}"...)
}
