// Package openai is the protocol of OpenAI and of compatible servers: vLLM, SGLang,
// llama.cpp, TGI, Ollama. Its operations are chat, completions, embeddings, the
// Responses API, and the Messages API, which vLLM and others serve too.
//
// It owns paths, bodies and error shapes. It does not know connections, callers or
// prices.
package openai

import (
	"strings"

	"weir"
	"weir/upstream"
	"weir/upstream/anthropic"
)

// Dialect is the protocol.
type Dialect struct{ Surface }

// Name is the protocol's name in weir.yaml.
func (Dialect) Name() string { return "openai" }

// Check refuses options that only Azure has.
func (d Dialect) Check(o *upstream.Options) error { return upstream.NoVersion(d, o) }

// Base appends /v1 to a path that does not end in a version segment (/v1, /v4), as the
// SDKs' base_url expects.
func (Dialect) Base(_ *upstream.Options, path string) string {
	if upstream.EndsInVersion(path) {
		return path
	}
	return path + "/v1"
}

// Target is the operation's own path.
func (Dialect) Target(_ *upstream.Options, op weir.Op) upstream.Target {
	return upstream.Target{Path: paths[op]}
}

var paths = map[weir.Op]string{
	weir.OpChat:        "/chat/completions",
	weir.OpCompletions: "/completions",
	weir.OpEmbeddings:  "/embeddings",
	weir.OpResponses:   "/responses",
	weir.OpMessages:    "/messages",
}

// Operation returns an operation, or nil.
func (Dialect) Operation(op weir.Op) *upstream.Operation {
	if op == weir.OpMessages {
		return anthropic.Messages
	}
	return operations[op]
}

var operations = map[weir.Op]*upstream.Operation{
	weir.OpChat: {
		Op: weir.OpChat, Format: completions{chat: true}, Tokens: upstream.AnswerTokens, Prompt: "messages", Streams: true, AsksUsage: true,
	},
	weir.OpCompletions: {
		Op: weir.OpCompletions, Format: completions{}, Tokens: upstream.AnswerTokens, Prompt: "prompt", EachPart: true, Streams: true, AsksUsage: true,
	},
	weir.OpEmbeddings: {
		Op: weir.OpEmbeddings, Format: embeddings{}, Tokens: upstream.PromptTokens, Prompt: "input", EachPart: true,
	},
	weir.OpResponses: {
		Op: weir.OpResponses, Format: responses{}, Tokens: upstream.AnswerTokens, Prompt: "input", Streams: true, EndsAtFinish: true, Kept: true, Broken: broken,
		CountHead: `"object":"response.input_tokens",`,
	},
}

// Limit is max_tokens, which servers have supported for longer. OpenAI itself refuses
// it for reasoning models and accepts the newer name for all.
func (Dialect) Limit(o *upstream.Options, op weir.Op) string {
	switch {
	case op == weir.OpResponses:
		return "max_output_tokens"
	case op == weir.OpChat && strings.HasPrefix(o.BaseURL, "https://api.openai.com"):
		return "max_completion_tokens"
	}
	return "max_tokens"
}

// Key is a bearer token.
func (Dialect) Key(secret string) upstream.Field {
	return upstream.Field{Name: "authorization", Value: "Bearer " + secret}
}
