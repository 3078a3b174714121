package gateway

import (
	"testing"

	"weir"
	"weir/upstream"
)

func TestPathsLeadToTheirService(t *testing.T) {
	f := func(path string, want surface) {
		t.Helper()
		got := protocols.locate(path)
		if got.service == callModel && (got.do == nil || got.do.Op != got.op) {
			t.Errorf("%s: the operation is %+v", path, got.do)
		}
		got.do, got.shared = nil, false
		if want.dialect == nil {
			want.dialect = openAI
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	call := func(d upstream.Dialect, op weir.Op, model string) surface {
		return surface{service: callModel, dialect: d, op: op, model: model}
	}
	f("/v1/chat/completions", call(openAI, weir.OpChat, ""))
	f("/v1/completions", call(openAI, weir.OpCompletions, ""))
	f("/v1/embeddings", call(openAI, weir.OpEmbeddings, ""))
	f("/v1/responses", call(openAI, weir.OpResponses, ""))
	f("/v1/messages", call(anthropic, weir.OpMessages, ""))
	f("/v1/models", surface{service: listModels})
	f("/v1/models/org/name", surface{service: showModel, model: "org/name"})
	f("/openai/v1/chat/completions", call(azure, weir.OpChat, ""))
	f("/openai/v1/responses", call(azure, weir.OpResponses, ""))
	f("/openai/v1/models", surface{service: listModels, dialect: azure})
	f("/openai/v1/messages", surface{dialect: azure})
	f("/openai/models", surface{service: listModels, dialect: azure})
	f("/openai/models/gpt-4o", surface{service: showModel, dialect: azure, model: "gpt-4o"})
	f("/openai/deployments/gpt-4o/chat/completions", call(azure, weir.OpChat, "gpt-4o"))
	f("/openai/deployments/gpt-4o/completions", call(azure, weir.OpCompletions, "gpt-4o"))
	f("/openai/deployments/org/m/embeddings", call(azure, weir.OpEmbeddings, "org/m"))
	f("/openai/deployments/chat/completions", call(azure, weir.OpCompletions, "chat"))
	f("/openai/deployments//chat/completions", call(azure, weir.OpCompletions, "/chat"))
	f("/openai/gpt-4o/chat/completions", surface{dialect: azure})
	f("/openai/responses", call(azure, weir.OpResponses, ""))
	f("/openai/chat/completions", call(azure, weir.OpChat, ""))
	f("/openai/deployments/gpt-4o/responses", call(azure, weir.OpResponses, "gpt-4o"))
	kept := func(d upstream.Dialect, id, below string) surface {
		return surface{service: keptAnswer, dialect: d, op: weir.OpResponses, id: id, below: below}
	}
	f("/v1/responses/resp_1", kept(openAI, "resp_1", ""))
	f("/v1/responses/resp_1/cancel", kept(openAI, "resp_1", "/cancel"))
	f("/openai/responses/resp_1/input_items", kept(azure, "resp_1", "/input_items"))
	f("/openai/v1/responses/resp_1", kept(azure, "resp_1", ""))
	f("/v1/responses/resp_1/else", surface{})
	f("/v1/responses/", surface{})
	f("/v1/responses/input_tokens", surface{service: countTokens, op: weir.OpResponses, below: "/input_tokens"})
	f("/v1/responses/compact", surface{service: notServed, op: weir.OpResponses, below: "/compact"})
	f("/v1/messages/count_tokens", surface{service: countTokens, dialect: anthropic, op: weir.OpMessages, below: "/count_tokens"})
	f("/v1/messages/batches", surface{dialect: anthropic})
	f("/v1/messages/", surface{dialect: anthropic})
	f("/healthz", surface{service: reportHealth})
	f("/health", surface{service: reportHealth})
	f("/readyz", surface{service: reportReady})
	for _, path := range []string{"", "/", "/v1", "/v1/", "/v1/chat", "/v1/models/", "/v2/chat/completions", "/v1/chat/completions/"} {
		if got := protocols.locate(path); got.service != noService {
			t.Errorf("%q: %+v", path, got)
		}
	}
}

func TestAQueryLosesTheVersionOfAProtocolAlone(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "api-version=1": "", "a=1&api-version=2024-10-21&&b=": "a=1&b=", "api-version": "api-version", "=x": "=x",
		"x-api-version=1": "x-api-version=1", "api-version=1&api-version=2": "",
	} {
		if got := protocols.queryFor(query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
}
