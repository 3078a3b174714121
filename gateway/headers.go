package gateway

import (
	"net/textproto"
	"strings"

	"weir/upstream"
)

// requestHeaders are the caller's headers an upstream is shown; no other is.
// Names as net/http holds them and as they are sent.
var requestHeaders = [...]string{
	"Anthropic-Version", "Anthropic-Beta", "Openai-Beta",
	"Traceparent", "Tracestate", "Idempotency-Key", "X-Ms-Client-Request-Id",
}

// passRequestHeaders appends those the caller sent.
func passRequestHeaders(x *exchange, fields []upstream.Field) []upstream.Field {
	for _, name := range requestHeaders {
		if v := x.get(name); v != "" {
			fields = append(fields, upstream.Field{Name: name, Value: v})
		}
	}
	return fields
}

// Answer headers of an upstream that the caller is not shown: those of one hop
// (RFC 9110, 7.6.1), those the gateway says itself, and cookies and promises
// made to the gateway, not to the caller.
var withheld = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Content-Length": true, "Date": true, "Server": true, "Via": true,
	"Set-Cookie": true, "Alt-Svc": true, "Strict-Transport-Security": true,
	"X-Request-Id": true, "X-Weir-Deployment": true, "X-Weir-Replica": true, "X-Weir-Queue-Ms": true, "X-Weir-Fault": true, "X-Weir-Route": true, "X-Weir-Queue-Position": true, "X-Weir-Max-Tokens": true, "X-Weir-Estimated": true,
	"Retry-After": true, "Retry-After-Ms": true, "X-Ms-Retry-After-Ms": true,
}

// passAnswerHeaders shows the caller the upstream's headers. The upstream's
// own request id, which its support will ask for, goes under another name.
func passAnswerHeaders(x *exchange, r *upstream.Reply, ours string) {
	named := r.Header("Connection")
	r.EachHeader(func(name, value string) {
		key := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case key == "X-Request-Id" && value != ours:
			x.set("X-Weir-Upstream-Request-Id", value)
		case withheld[key]:
		case named != "" && listed(named, key):
		default:
			x.add(key, value)
		}
	})
}

// listed says whether a comma-separated list names a header.
func listed(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(item), name) {
			return true
		}
	}
	return false
}

// saneID says whether a caller's request id may be echoed and logged: short,
// and made of letters that mean nothing anywhere.
func saneID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}
