package upstream_test

import (
	"testing"
	"time"

	"weir"
	. "weir/upstream"
)

// Answers of real servers and their meaning. Sources: llama.cpp and vLLM as run on
// 2026-11-30, the others as documented.
func TestWhatAServerDoesNotDoIsRecognised(t *testing.T) {
	f := func(op weir.Op, status int, body string, lacks Feature, noModel bool, fault weir.Fault) {
		t.Helper()
		got := ReadFailure(op, status, headersOf(""), []byte(body), time.Unix(0, 0))
		if got.Lacks != lacks || got.NoModel != noModel || got.Fault != fault || got.Retryable != (lacks != NoFeature || noModel || fault == weir.UpstreamFault) {
			t.Errorf("%v %d %s: %+v", op, status, body, got)
		}
	}
	caller, upstream := weir.CallerFault, weir.UpstreamFault
	f(weir.OpEmbeddings, 404, `{"detail":"Not Found"}`, WholeOperation, false, caller)
	f(weir.OpResponses, 404, `{"detail":"Not Found"}`, WholeOperation, false, caller)
	f(weir.OpMessages, 404, `{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}`, WholeOperation, false, caller)
	f(weir.OpChat, 404, `404 page not found`, WholeOperation, false, caller)
	f(weir.OpChat, 404, `<html><body>nginx</body></html>`, WholeOperation, false, caller)
	f(weir.OpChat, 404, `{"error":{"code":"404","message":"Resource not found"}}`, WholeOperation, false, caller)
	f(weir.OpCompletions, 404, `{"error":{"message":"This is a chat model and not supported in the v1/completions endpoint. Did you mean to use v1/chat/completions?","type":"invalid_request_error","param":"model","code":null}}`, WholeOperation, false, caller)
	f(weir.OpEmbeddings, 405, `{"detail":"Method Not Allowed"}`, WholeOperation, false, caller)
	f(weir.OpEmbeddings, 501, `{"error":{"code":501,"message":"This server does not support embeddings. Start it with '--embeddings'","type":"not_supported_error"}}`, WholeOperation, false, caller)
	f(weir.OpEmbeddings, 400, `{"error":{"code":"OperationNotSupported","message":"The embeddings operation does not work with the specified model, gpt-4o."}}`, WholeOperation, false, caller)
	f(weir.OpEmbeddings, 400, `{"object":"error","message":"The model does not support Embeddings API","type":"BadRequestError","code":400}`, WholeOperation, false, caller)
	f(weir.OpChat, 500, `{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}`, Images, false, caller)
	f(weir.OpChat, 500, `{"error":{"code":500,"message":"audio input is not supported - hint: ...","type":"server_error"}}`, Audio, false, caller)
	f(weir.OpChat, 400, `{"object":"error","message":"x is not a multimodal model None","type":"BadRequestError","code":400}`, Images, false, caller)
	f(weir.OpChat, 400, `{"error":{"message":"registry.ollama.ai/library/gemma:2b does not support tools"}}`, Tools, false, caller)
	f(weir.OpChat, 404, `{"error":{"message":"No endpoints found that support image input","code":404}}`, Images, false, caller)
	f(weir.OpChat, 404, `{"error":{"message":"No endpoints found that support tool use. Try disabling \"f\".","code":404}}`, Tools, false, caller)
	f(weir.OpChat, 400, "{\"error\":{\"message\":\"Failed to deserialize the JSON body into the target type: messages[0]: unknown variant `image_url`, expected `text`\",\"type\":\"invalid_request_error\"}}", Images, false, caller)
	f(weir.OpChat, 400, "{\"error\":{\"message\":\"`tool calling` is not supported with this model\",\"type\":\"invalid_request_error\"}}", Tools, false, caller)
	f(weir.OpChat, 400, `{"object":"error","message":"Image input is not enabled for this model","type":"invalid_request_error"}`, Images, false, caller)
	f(weir.OpEmbeddings, 404, `{"error":"Unexpected endpoint or method. (POST /v1/embeddings)"}`, WholeOperation, false, caller)
	f(weir.OpEmbeddings, 0, `{"error":"Unexpected endpoint or method. (POST /v1/embeddings). Returning 200 anyway"}`, WholeOperation, false, caller)
	f(weir.OpEmbeddings, 500, `{"error":{"code":500,"message":"Pooling type 'none' is not OAI compatible. Please use a different pooling type","type":"server_error"}}`, WholeOperation, false, caller)
	f(weir.OpEmbeddings, 400, `{"object":"error","message":"This model does not appear to be an embedding model by default. Please add --is-embedding when launching the server.","code":400}`, WholeOperation, false, caller)
	f(weir.OpResponses, 400, `{"object":"error","message":"The model does not support Responses API","type":"BadRequestError","code":400}`, WholeOperation, false, caller)
	f(weir.OpChat, 500, `{"error":{"code":500,"message":"Failed to parse tools: Missing tool name: {}","type":"server_error"}}`, NoFeature, false, caller)
	f(weir.OpChat, 500, `{"error":{"code":500,"message":"[json.exception.out_of_range.403] key 'function' not found","type":"server_error"}}`, NoFeature, false, caller)
	f(weir.OpChat, 404, `{"object":"error","message":"The model 'up' does not exist.","type":"NotFoundError","code":404}`, NoFeature, true, upstream)
	f(weir.OpChat, 404, `{"error":{"message":"model \"up\" not found, try pulling it first","type":"api_error"}}`, NoFeature, true, upstream)
	f(weir.OpMessages, 404, `{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}`, NoFeature, true, upstream)
	f(weir.OpResponses, 404, `{"error":{"message":"Response with id 'resp_1' not found.","type":"invalid_request_error","code":null}}`, NoFeature, false, caller)
	f(weir.OpChat, 404, `{"error":{"message":"No such File object: file-1","type":"invalid_request_error"}}`, NoFeature, false, caller)
	f(weir.OpChat, 500, `{"error":{"message":"CUDA error: operation not supported"}}`, NoFeature, false, upstream)
	f(weir.OpChat, 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, NoFeature, false, upstream)
}
