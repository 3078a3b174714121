// Package upstream talks to inference servers: OpenAI-compatible ones (vLLM,
// SGLang, llama.cpp, TGI, Ollama), Azure OpenAI and Anthropic.
//
// It owns what each provider's answers mean: usage, errors, retry times, the kinds
// of events. It refuses to know tenants, queues, replicas' health or money; whom to
// ask, and whether to ask again, is decided by its caller. The wire is http1's, the
// cutting of streams into events sse's.
//
// A body of a request is never changed. A Reply ends with io.EOF only at its true
// end; everything else is an *Error that says what broke and whether the request
// may have reached the upstream.
package upstream
