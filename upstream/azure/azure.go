// Package azure is the protocol of Azure OpenAI: OpenAI's bodies, with its own paths,
// errors and version.
//
// It owns paths and error shapes. It does not know connections, callers or prices.
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

// Name is the protocol's name in weir.yaml.
func (Dialect) Name() string { return "azureopenai" }

// Check requires the deployment's name for paths that contain it.
func (Dialect) Check(o *upstream.Options) error {
	if o.APIVersion != "" && o.Model == "" {
		return fmt.Errorf("upstream: the classic path (APIVersion %q) needs Model, the name of the Azure deployment", o.APIVersion)
	}
	return nil
}

// Base is the v1 API, below /openai/v1 and without a version, or the classic one, below
// /openai.
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

// Target has, for the classic API, the deployment in the path and the version in the
// query, except for /openai/responses, which has the deployment in the body
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

// responses is OpenAI's, but a resource stores answers for all its deployments.
var responses = func() *upstream.Operation {
	o := *openai.Dialect{}.Operation(weir.OpResponses)
	o.KeptByAddr = true
	return &o
}()

// Limit is OpenAI's newer name for chat, in versions that support it.
func (Dialect) Limit(o *upstream.Options, op weir.Op) string {
	if op == weir.OpChat && (o.APIVersion == "" || o.APIVersion >= "2024-09-01") {
		return "max_completion_tokens"
	}
	return openai.Dialect{}.Limit(o, op)
}

// StreamsUsage says whether streams of an API version can report their usage: the
// classic API refuses the option before 2024-08-01-preview.
func StreamsUsage(version string) bool { return version == "" || version >= "2024-08-01" }

// Version is the query parameter with the version of the classic API.
func (Dialect) Version() string { return "api-version" }

// Key is the header api-key.
func (Dialect) Key(secret string) upstream.Field {
	return upstream.Field{Name: "api-key", Value: secret}
}

// Locate parses a path below /openai/. In the classic API the path names the deployment
// (Weir's model name) and the body need not name the model. The v1 API is OpenAI's
// below /openai.
func (Dialect) Locate(path string) (upstream.Route, bool) {
	rest, ok := strings.CutPrefix(path, "/openai/")
	if !ok {
		return upstream.Route{}, false
	}
	if below, v1 := strings.CutPrefix(rest, "v1/"); v1 {
		return openai.Below(below), true
	}
	below, classic := strings.CutPrefix(rest, "deployments/")
	if !classic { // Responses, lists, and clients that name the model only in the body
		return openai.Below(rest), true
	}
	// A model's name may contain slashes, so the end of the path decides.
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
	{"/chat/completions", weir.OpChat}, // before completions, its own suffix
	{"/completions", weir.OpCompletions},
	{"/embeddings", weir.OpEmbeddings},
	{"/responses", weir.OpResponses},
}

// codes are Azure's own codes for some of Weir's reasons.
var codes = map[string]string{
	"missing_api_key": "401", "invalid_api_key": "401", "unknown_url": "404", "response_not_found": "404",
	"missing_model": "BadRequest", "bad_request": "BadRequest", "model_not_found": "DeploymentNotFound",
	"unsupported_operation": "OperationNotSupported", "internal_error": "InternalServerError",
	"rate_limit_exceeded": "429", "concurrency_limit_exceeded": "429", "budget_exceeded": "429", "queue_full": "429", "throttled": "429",
}

// Error puts the code first and repeats Weir's code in innererror.
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
