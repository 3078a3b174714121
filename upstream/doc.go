// Package upstream talks to inference servers: OpenAI-compatible ones (vLLM,
// SGLang, llama.cpp, TGI, Ollama), Azure OpenAI and Anthropic.
//
// It owns the meaning of each provider's answers: usage, errors, retry times, the
// kinds of events. It does not know tenants, queues, the health of replicas, or money;
// the caller chooses the server and decides on retries. Package http1 is the transport,
// and package sse splits streams into events.
//
// It never changes a request body. A Reply ends with io.EOF only at its true end; any
// other end is an *Error that says what broke and whether the request may have reached
// the upstream.
package upstream
