package emulate

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// This file refuses requests that do not suit a deployment's model, and body
// members the API does not have. Messages are as public bug reports quote them.

// Widths of the embedding models ("Azure OpenAI models", 2026-09-23).
var azureWidths = map[string]int{"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}

// width is the length of a model's embeddings.
func (d *AzureDeployment) width() int {
	if w := azureWidths[d.Model]; w > 0 {
		return w
	}
	return 1536
}

// reasoning are models that accept only max_completion_tokens, and only 1 for
// temperature and top_p ("Reasoning models", not supported, 2026-09-20).
var reasoning = regexp.MustCompile(`^(o[134]|gpt-5(-mini|-nano|-pro|-codex)?)(-mini|-pro|-preview)?$`)

// generating are models that make no embeddings.
var generating = regexp.MustCompile(`^(gpt|o[0-9]|codex|model-router)`)

// known are the members in the API's reference, by operation. Any other member
// of a body of chats, completions or embeddings is refused; responses are not
// checked.
var known = map[string][]string{
	"/chat/completions": strings.Fields(`messages model audio data_sources frequency_penalty function_call functions logit_bias logprobs
		max_completion_tokens max_tokens metadata modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key
		prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream stream_options
		temperature tool_choice tools top_logprobs top_p user user_security_context verbosity web_search_options`),
	"/completions": strings.Fields(`prompt model best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop stream
		stream_options suffix temperature top_p user`),
	"/embeddings": strings.Fields(`input model dimensions encoding_format input_type user`),
}

// unfit says why a deployment refuses a body altogether.
func (d *AzureDeployment) unfit(op azureOp, body []byte) *problem {
	embeds, generates := strings.Contains(d.Model, "embedding"), generating.MatchString(d.Model)
	if embeds && op.path != "/embeddings" || generates && op.path == "/embeddings" {
		return &problem{status: http.StatusBadRequest, code: "OperationNotSupported", message: "The " + operationWords[op.path] +
			" operation does not work with the specified model, " + d.Model + ". Please choose different model and try again."}
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil // the reader refuses it
	}
	if p := unrecognized(op.path, members); p != nil {
		return p
	}
	if reasoning.MatchString(d.Model) {
		return unreasonable(members)
	}
	return nil
}

var operationWords = map[string]string{"/chat/completions": "chatCompletion", "/completions": "completion", "/responses": "responses", "/embeddings": "embeddings"}

func unrecognized(path string, members map[string]json.RawMessage) *problem {
	list, ok := known[path]
	if !ok {
		return nil
	}
	var strange []string
	for name := range members {
		if !slices.Contains(list, name) {
			strange = append(strange, name)
		}
	}
	if strange == nil {
		return nil
	}
	slices.Sort(strange)
	plural := ""
	if len(strange) > 1 {
		plural = "s"
	}
	return &problem{status: http.StatusBadRequest, kind: "invalid_request_error", message: "Unrecognized request argument" + plural + " supplied: " + strings.Join(strange, ", ")}
}

// unreasonable is the refusal of a reasoning model.
func unreasonable(members map[string]json.RawMessage) *problem {
	if _, has := members["max_tokens"]; has {
		return &problem{status: http.StatusBadRequest, kind: "invalid_request_error", param: "max_tokens", code: "unsupported_parameter",
			message: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}
	}
	for _, name := range []string{"temperature", "top_p"} {
		var v float64
		if raw, has := members[name]; has && string(raw) != "null" && (json.Unmarshal(raw, &v) != nil || v != 1) {
			return &problem{status: http.StatusBadRequest, kind: "invalid_request_error", param: name, code: "unsupported_value",
				message: "Unsupported value: '" + name + "' does not support " + string(raw) + " with this model. Only the default (1) value is supported."}
		}
	}
	return nil
}
