// Package upstream talks to inference servers: OpenAI-compatible ones (vLLM,
// SGLang, llama.cpp, TGI, Ollama), Azure OpenAI and Anthropic.
//
// It owns the wire: a lean HTTP/1.1 client (pooled connections, the caller's
// goroutine does the work, strict parsing, every wait bounded), the reading of
// server-sent events, and what each provider's answers mean: usage, errors,
// retry times. It refuses to know tenants, queues, replicas' health or money;
// whom to ask, and whether to ask again, is decided by its caller.
//
// It stands apart from net/http because the Transport there costs about half
// of a small proxied call (two goroutines and their channels for each
// connection, header maps for each request). HTTP/2 upstreams go through
// net/http behind the same Reply.
//
// Only POST is spoken. A body of a request is never changed. A Reply ends with
// io.EOF only at its true end; everything else is an *Error that says what
// broke and whether the request may have reached the upstream.
package upstream
