package faults

import (
	"slices"
	"strings"
	"time"
)

var scenarios = []scenario{
	{
		name: "refused", fault: "the connection is refused; another deployment stands by", second: true, stream: true,
		a: script{}, want: want{caller: "answered 200 5 tokens", a: "not asked", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "refused-alone", fault: "the connection is refused, and there is no other",
		a: script{}, want: want{caller: "refused 502 upstream_unreachable", a: "not asked", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "reset", fault: "the connection is reset before an answer", second: true, stream: true,
		a: always(reset), want: want{caller: "answered 200 5 tokens", a: "1x broke", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "slow-headers", fault: "no header within the time limit", second: true, timeouts: timeouts{header: 2 * time.Second},
		a: always(stall), want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "slow-headers-alone", fault: "no header within the time limit, three times", timeouts: timeouts{header: 2 * time.Second},
		a: always(stall), want: want{caller: "refused 504 upstream_timeout", a: "3x left", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "slow-first-token", fault: "keep-alives for longer than the stall limit, then a good answer", stream: true, timeouts: timeouts{stall: 3 * time.Second},
		a:    always(headers, murmurFor(4*time.Second), rest),
		want: want{caller: "answered 200 5 tokens", a: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "no-first-token", fault: "headers and a first event, then nothing: the other deployment answers", second: true, stream: true, timeouts: timeouts{stall: 3 * time.Second},
		a: always(begin, stall), want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "stall", fault: "a stream stands still after three tokens", second: true, stream: true, timeouts: timeouts{stall: 3 * time.Second},
		a: always(begin, tokens(3), stall), want: want{caller: "broken 200 upstream_stalled 3 tokens", a: "1x left", b: "not asked", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "cut", fault: "the connection ends after three tokens", second: true, stream: true,
		a: always(begin, tokens(3), cut), want: want{caller: "broken 200 upstream_cut 3 tokens", a: "1x broke", b: "not asked", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "cut-early", fault: "the connection ends after the first event, before a token", second: true, stream: true,
		a: always(begin, cut), want: want{caller: "answered 200 5 tokens", a: "1x broke", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "reset-mid-stream", fault: "the connection is reset after three tokens", stream: true,
		a: always(begin, tokens(3), reset), want: want{caller: "broken 200 upstream_cut 3 tokens", a: "1x broke", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "clean-end-no-finish", fault: "the stream ends in order, but without a finish", stream: true,
		a: always(begin, tokens(3), end), want: want{caller: "broken 200 upstream_cut 3 tokens", a: "1x 200", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "malformed", fault: "an event that is not JSON after three tokens", stream: true,
		a:    always(begin, tokens(3), event(`{"id":"c","choices":[{"index":0,"delta":{"conte`), stall),
		want: want{caller: "broken 200 upstream_protocol 3 tokens", a: "1x left", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "malformed-first", fault: "the first event is not JSON", second: true, stream: true,
		a: always(headers, event(`{"id":"c","cho`), stall), want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "truncated-json", fault: "a whole answer shorter than its length", second: true,
		a:    always(wire("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\":\"c\",\"cho"), cut),
		want: want{caller: "answered 200 5 tokens", a: "1x broke", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "not-json", fault: "a whole answer that ends in order and is half a JSON", second: true,
		a:    always(say(200, wholeAnswer(goodUsage)[:90], asJSON)),
		want: want{caller: "answered 200 5 tokens", a: "1x 200", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "status-500", fault: "500, once; another deployment stands by", second: true,
		a: always(fails(500)), want: want{caller: "answered 200 5 tokens", a: "1x 500", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "status-503", fault: "503 without a time to come back", second: true, stream: true,
		a: always(fails(503)), want: want{caller: "answered 200 5 tokens", a: "1x 503", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "status-504", fault: "504 from a proxy, in HTML", second: true,
		a: always(say(504, "<html>Gateway Timeout</html>", "content-type: text/html")), want: want{caller: "answered 200 5 tokens", a: "1x 504", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "status-500-alone", fault: "500, three times, and there is no other",
		a: always(fails(500)), want: want{caller: "refused 502 upstream_error", a: "3x 500", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "status-400", fault: "the caller's own mistake: it is passed on and not tried elsewhere", second: true,
		a: always(fails(400)), want: want{caller: "refused 400 injected", a: "1x 400", b: "not asked", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "not-found", fault: "the deployment does not exist there; another one does", second: true,
		a:    always(say(404, wrong("", "DeploymentNotFound", "The API deployment for this resource does not exist."), asJSON)),
		want: want{caller: "answered 200 5 tokens", a: "1x 404", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "redirect", fault: "a redirect, which would take the key elsewhere", second: true,
		a: always(say(307, "", "location: http://127.0.0.1:1/")), want: want{caller: "answered 200 5 tokens", a: "1x 307", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "key-refused", fault: "401: the gateway's own key is not taken there", second: true,
		a: always(fails(401)), want: want{caller: "answered 200 5 tokens", a: "1x 401", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},

	// Throttled. The second of two calls must leave the first deployment alone
	// for as long as it asked.
	{
		name: "429-seconds", fault: "429 with retry-after in seconds", second: true, times: 2,
		a: always(fails(429, "retry-after: 60")), want: twiceSpilled,
	},
	{
		name: "429-date", fault: "429 with retry-after as a date", second: true, times: 2,
		a: always(failsUntil(time.Minute)), want: twiceSpilled,
	},
	{
		name: "429-ms", fault: "429 with retry-after-ms", second: true, times: 2,
		a: always(fails(429, "retry-after-ms: 60000")), want: twiceSpilled,
	},
	{
		name: "429-x-ms", fault: "429 with x-ms-retry-after-ms", second: true, times: 2,
		a: always(fails(429, "x-ms-retry-after-ms: 60000")), want: twiceSpilled,
	},
	{
		name: "429-ratelimit", fault: "429 with x-ratelimit-reset-tokens only", second: true, times: 2,
		a: always(fails(429, "x-ratelimit-remaining-tokens: 0", "x-ratelimit-reset-tokens: 1m0s")), want: twiceSpilled,
	},
	{
		name: "429-both", fault: "429 whose retry-after is retry-after-ms rounded up: the exact one counts, and the wait is short",
		a:    script{{fails(429, "retry-after-ms: 40", "retry-after: 1")}, {good}},
		want: want{caller: "answered 200 5 tokens", a: "1x 200, 1x 429", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "429-no-header", fault: "429 that does not say for how long", second: true,
		a: always(fails(429)), want: want{caller: "answered 200 5 tokens", a: "1x 429", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "429-alone", fault: "429 for a minute, and there is no other", within: time.Minute,
		a: always(fails(429, "retry-after-ms: 60000")), want: want{caller: "refused 429 throttled come back within 1m0s", a: "1x 429", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "429-a-day", fault: "429 for a day, as API Management may say, twice: the second call is refused without asking", times: 2, within: time.Hour,
		a:    always(fails(429, "retry-after: 86400")),
		want: want{caller: "refused 429 throttled come back within 1h0m0s; refused 429 throttled come back within 1h0m0s", a: "1x 429", metered: "1 refused, 1 failed; 0+0 tokens"},
	},
	{
		name: "429-past", fault: "429 until a date that has passed, from a server whose clock is wrong: waiting costs nothing, so it is asked once more while the request has time", second: true, calls: 1,
		a: always(failsUntil(-time.Hour)), acts: askedAgain,
		want: want{caller: "answered 200 5 tokens", a: "429 once or twice", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "503-retry-after", fault: "503 with a time to come back is a throttle, not a failure", second: true, times: 2,
		a: always(fails(503, "retry-after: 60")), want: want{caller: "answered 200 5 tokens; answered 200 5 tokens", a: "1x 503", b: "2x 200", metered: "2 completed; 14+10 tokens"},
	},
	{
		name: "429-storm", fault: "100 callers at once, and the first deployment throttles for a minute", second: true, stream: true, calls: 100,
		a: always(fails(429, "retry-after-ms: 60000")), acts: storm,
		want: want{caller: "100x answered 200 5 tokens", a: "429 at most once a call", b: "100x 200", metered: "100 completed; 700+500 tokens"},
	},
	{
		name: "429-storm-alone", fault: "40 callers at once, the only deployment throttles the first 20 requests for 100 ms each", stream: true, calls: 40, attempts: 10,
		a: append(slices.Repeat(script{{fails(429, "retry-after-ms: 100")}}, 20), []step{good}), acts: storm,
		want: want{caller: "40x answered 200 5 tokens", a: "20x 429, 40x 200", metered: "40 completed; 280+200 tokens"},
	},

	// Streams that say one thing and mean another.
	{
		name: "error-first", fault: "an error inside a 200 stream, before a token", second: true, stream: true,
		a:    always(begin, event(wrong("server_error", "engine_dead", "the engine died")), done, stall),
		want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "throttled-in-stream", fault: "a 429 inside a 200 stream, before a token", second: true, stream: true,
		a:    always(headers, event(wrong("requests", "rate_limit_exceeded", "slow down")), stall),
		want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "error-after", fault: "an error inside a 200 stream after three tokens, and then [DONE] as vLLM sends it", second: true, stream: true,
		a:    always(begin, tokens(3), event(wrong("server_error", "engine_dead", "the engine died")), done, stall),
		want: want{caller: "broken 200 upstream_error 3 tokens", a: "1x left", b: "not asked", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "done-no-finish", fault: "[DONE] without a finish: the answer is cut off, and the caller is told", stream: true,
		a: always(begin, tokens(3), done, end), want: want{caller: "broken 200 upstream_cut 3 tokens", a: "1x 200", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "finish-no-done", fault: "a finish without [DONE], and an orderly end: the gateway adds none", stream: true,
		a: always(begin, tokens(5), finish, end), want: want{caller: "answered 200 5 tokens, no [DONE]", a: "1x 200", metered: "1 completed; 15+5 tokens estimated"},
	},
	{
		name: "usage-none", fault: "a stream without usage", stream: true,
		a: always(begin, tokens(5), finish, done, end), want: want{caller: "answered 200 5 tokens", a: "1x 200", metered: "1 completed; 15+5 tokens estimated"},
	},
	{
		name: "usage-none-whole", fault: "a whole answer without usage: counted with a tokenizer",
		a: always(say(200, wholeAnswer(""), asJSON)), want: want{caller: "answered 200 5 tokens", a: "1x 200", metered: "1 completed; 13+5 tokens estimated"},
	},
	{
		name: "usage-negative", fault: "usage below zero", stream: true,
		a:    always(begin, tokens(5), finish, usage(`{"prompt_tokens":-7,"completion_tokens":-5}`), done, end),
		want: want{caller: "answered 200 5 tokens", a: "1x 200", metered: "1 completed; 15+5 tokens estimated"},
	},
	{
		name: "usage-words", fault: "usage in words", stream: true,
		a:    always(begin, tokens(5), finish, usage(`{"prompt_tokens":"seven","completion_tokens":[5]}`), done, end),
		want: want{caller: "answered 200 5 tokens", a: "1x 200", metered: "1 completed; 15+5 tokens estimated"},
	},
	{
		name: "usage-absurd", fault: "usage of a billion billion tokens", stream: true,
		a:    always(begin, tokens(5), finish, usage(`{"prompt_tokens":1000000000000000000,"completion_tokens":1000000000000000000}`), done, end),
		want: want{caller: "answered 200 5 tokens", a: "1x 200", metered: "1 completed; 15+5 tokens estimated"},
	},
	{
		name: "endless", fault: "a stream that never ends", stream: true, timeouts: timeouts{total: 4 * time.Second}, rough: true,
		a: always(begin, endless), want: want{caller: "broken 200 upstream_total_timeout some tokens", a: "1x left", metered: "1 failed; 15+some tokens estimated"},
	},
	{
		name: "endless-comments", fault: "keep-alives for ever, and no token: the time a request may take is used up, and no other deployment is asked", stream: true, second: true, timeouts: timeouts{total: 4 * time.Second},
		a: always(headers, murmur), want: want{caller: "refused 504 upstream_total_timeout", a: "1x left", b: "not asked", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "endless-whole", fault: "a whole answer that never ends", timeouts: timeouts{total: 4 * time.Second},
		a:    always(wire("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"), padding),
		want: want{caller: "broken 200 0 tokens", a: "1x left", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "large-event", fault: "an event of 900 KiB, which is allowed", stream: true,
		a:    always(begin, token(strings.Repeat("x", 900<<10)), finish, usage(goodUsage), done, end),
		want: want{caller: "answered 200 1 tokens", a: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "gigantic-event", fault: "an event of 4 MiB after three tokens: beyond the bound", stream: true,
		a:    always(begin, tokens(3), token(strings.Repeat("x", 4<<20)), stall),
		want: want{caller: "broken 200 upstream_protocol 3 tokens", a: "1x left", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "gigantic-chunk", fault: "an HTTP chunk that claims to hold 2^60 bytes", second: true, stream: true,
		a:    always(headers, wire("1000000000000000\r\nx"), stall),
		want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "gigantic-header", fault: "a header of 256 KiB", second: true,
		a:    always(wire("HTTP/1.1 200 OK\r\nx: "+strings.Repeat("x", 256<<10)+"\r\n\r\n"), stall),
		want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},

	// HTTP as it should not be.
	{
		name: "not-http", fault: "something that is not HTTP", second: true,
		a: always(wire("SSH-2.0-OpenSSH_9.7\r\n"), stall), want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "two-lengths", fault: "two lengths that differ, as in request smuggling", second: true,
		a:    always(wire("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}}"), stall),
		want: want{caller: "answered 200 5 tokens", a: "1x left", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "empty-whole", fault: "200 and an empty body", second: true,
		a: always(say(200, "", asJSON)), want: want{caller: "answered 200 5 tokens", a: "1x 200", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "html-200", fault: "200 and a page in HTML, from a proxy in between", second: true,
		a:    always(say(200, "<html>Maintenance</html>", "content-type: text/html")),
		want: want{caller: "answered 200 5 tokens", a: "1x 200", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "interim", fault: "two interim answers (103) before the real one",
		a:    always(wire("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"), good),
		want: want{caller: "answered 200 5 tokens", a: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "gzip", fault: "a whole answer in gzip, which was not asked for, so that what it used cannot be read", second: true,
		a:    always(say(200, zipped(wholeAnswer(goodUsage)), asJSON, "content-encoding: gzip")),
		want: want{caller: "answered 200 5 tokens", a: "1x 200", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "gzip-stream", fault: "a stream in gzip, which was not asked for", second: true, stream: true,
		a: always(zippedStream), want: want{caller: "answered 200 5 tokens", a: "1x 200", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "stale-connection", fault: "the connection kept from the first call is closed when the second comes", times: 2,
		a: script{{good, closes}, {good}}, want: want{caller: "answered 200 5 tokens; answered 200 5 tokens", a: "2x 200", metered: "2 completed; 14+10 tokens"},
	},
	{
		name: "cut-on-reuse", fault: "a kept connection ends when the second request is on it", times: 2,
		a: script{{good}, {cut}, {good}}, want: want{caller: "answered 200 5 tokens; answered 200 5 tokens", a: "1x broke, 2x 200", metered: "2 completed; 14+10 tokens"},
	},

	{
		name: "goaway-refused", fault: "HTTP/2: GOAWAY before the request was worked on: it is safe elsewhere", http2: true, needs: "http2", stream: true,
		a: script{{goAway(-1, codeNoError), cut}, good2}, want: want{caller: "answered 200 5 tokens", a: "1x 200, 1x broke", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "goaway-graceful", fault: "HTTP/2: GOAWAY in the middle of a stream that goes on to its end", http2: true, needs: "http2", stream: true, times: 2,
		a:    script{{begin2, data2(tokens(3)), goAway(0, codeNoError), data2(tokens(2), finish, usage(goodUsage), done), end2}, good2},
		want: want{caller: "answered 200 5 tokens; answered 200 5 tokens", a: "2x 200", metered: "2 completed; 14+10 tokens"},
	},
	{
		name: "goaway-mid-stream", fault: "HTTP/2: GOAWAY with an error, and the connection ends after three tokens", http2: true, needs: "http2", stream: true,
		a: always(begin2, data2(tokens(3)), goAway(0, codeInternalError), cut), want: want{caller: "broken 200 upstream_cut 3 tokens", a: "1x broke", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "http2-reset", fault: "HTTP/2: the stream is reset before its headers", http2: true, needs: "http2", second: true, stream: true,
		a: always(resetStream(codeInternalError)), want: want{caller: "answered 200 5 tokens", a: "1x RST_STREAM", b: "1x 200", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "http2-refused-stream", fault: "HTTP/2: the stream is refused, once", http2: true, needs: "http2", stream: true,
		a: script{{resetStream(codeRefusedStream)}, good2}, want: want{caller: "answered 200 5 tokens", a: "1x 200, 1x RST_STREAM", metered: "1 completed; 7+5 tokens"},
	},
	{
		name: "http2-reset-mid-stream", fault: "HTTP/2: the stream is reset after three tokens", http2: true, needs: "http2", stream: true,
		a: always(begin2, data2(tokens(3)), resetStream(codeInternalError)), want: want{caller: "broken 200 upstream_cut 3 tokens", a: "1x 200", metered: "1 failed; 15+3 tokens estimated"},
	},

	// Callers that leave, and one that does not take its answer.
	{
		name: "gone-queued", fault: "the caller leaves while its request waits for a slot", slots: 1, calls: 2, stream: true,
		a: always(begin, tokens(1), stall), acts: goneQueued,
		want: want{caller: "left while queued; the other left later", a: "1x left", metered: "2 failed; 15+1 tokens estimated"},
	},
	{
		name: "gone-before-token", fault: "the caller leaves before the first token", calls: 1, stream: true,
		a: always(begin, stall), acts: goneWhenWaiting, want: want{caller: "left", a: "1x left", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "gone-mid-stream", fault: "the caller leaves after three tokens", calls: 1, stream: true,
		a: always(begin, tokens(3), stall), acts: goneWhenWaiting, want: want{caller: "left", a: "1x left", metered: "1 failed; 15+3 tokens estimated"},
	},
	{
		name: "gone-whole", fault: "the caller of a whole answer leaves while it is made", calls: 1,
		a: always(stall), acts: goneWhenWaiting, want: want{caller: "left", a: "1x left", metered: "1 failed; 0+0 tokens"},
	},
	{
		name: "slow-caller", fault: "the caller does not take its answer: it is cut off after write_timeout", calls: 1, stream: true, rough: true,
		a: always(begin, flood), acts: slowCaller, want: want{caller: "cut off", a: "1x left", metered: "1 failed; 15+some tokens estimated"},
	},
}

// twiceSpilled is how two calls go whose first deployment throttles for longer
// than they take.
var twiceSpilled = want{caller: "answered 200 5 tokens; answered 200 5 tokens", a: "1x 429", b: "2x 200", metered: "2 completed; 14+10 tokens"}
