package gateway

import (
	"net/textproto"
	"strings"

	"weir/upstream"
)

// requestHeaders are the only headers of the caller that are passed to an upstream,
// under net/http's canonical names. Of a list every line is passed, since SDKs send a
// line for each feature; of the others only the first.
var requestHeaders = [...]struct {
	name string
	list bool
}{
	{"Anthropic-Version", false}, {"Anthropic-Beta", true}, {"Openai-Beta", true},
	{"Traceparent", false}, {"Tracestate", true}, {"Idempotency-Key", false}, {"X-Ms-Client-Request-Id", false},
}

// passRequestHeaders appends those the caller sent.
func passRequestHeaders(x *exchange, fields []upstream.Field) []upstream.Field {
	for _, h := range requestHeaders {
		for i, v := range x.all(h.name) {
			if v != "" && (i == 0 || h.list) {
				fields = append(fields, upstream.Field{Name: h.name, Value: v})
			}
		}
	}
	return fields
}

// answerHeaders are the upstream's headers passed to the caller, besides the prefixes
// in shownBegins: those that describe the answer, the provider's limits, and IDs for
// its support. No other header is passed: one that addresses a browser or a proxy
// (Location, Refresh, Set-Cookie, Content-Security-Policy, Access-Control-*) is meant
// for the gateway, and would take effect under the gateway's own name.
var answerHeaders = map[string]bool{
	"Content-Type": true, "Content-Language": true, "Content-Encoding": true, "Cache-Control": true, "X-Accel-Buffering": true,
	"Request-Id": true, "Apim-Request-Id": true, "Azureml-Model-Session": true,
	"X-Ms-Region": true, "X-Ms-Deployment-Name": true, "X-Ms-Rai-Invoked": true, "X-Ms-Client-Request-Id": true, "X-Ms-Served-Model": true,
}

var shownBegins = [...]string{"X-Ratelimit-", "Anthropic-", "Openai-", "X-Ms-Spillover-"}

// passAnswerHeaders passes the upstream's headers to the caller. The upstream's own
// request ID, which its support asks for, gets another name.
func passAnswerHeaders(x *exchange, r *upstream.Reply, ours string) {
	named := r.Header("Connection")
	r.EachHeader(func(name, value string) {
		key := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case key == "X-Request-Id" && value != ours:
			x.set("X-Weir-Upstream-Request-Id", value)
		case !shown(key):
		case named != "" && listed(named, key):
		default:
			x.add(key, value)
		}
	})
}

// shown says whether an upstream's header, by canonical name, is passed to callers.
func shown(key string) bool {
	if answerHeaders[key] {
		return true
	}
	for _, begin := range shownBegins {
		if strings.HasPrefix(key, begin) {
			return true
		}
	}
	return false
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

// saneID says whether a caller's request ID may be echoed and logged: it is short and
// has only harmless characters.
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
