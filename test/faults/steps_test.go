package faults

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// step is one thing an upstream does to a request. An error ends the
// connection.
type step func(*exchange) error

// say answers with a status, headers ("name: value") and a body with its
// length.
func say(status int, body string, headers ...string) step {
	return func(x *exchange) error {
		x.status = strconv.Itoa(status)
		return x.write(head(status, append(headers, "content-length: "+strconv.Itoa(len(body)))) + body)
	}
}

func head(status int, headers []string) string {
	b := fmt.Sprintf("HTTP/1.1 %d Said\r\n", status)
	for _, h := range headers {
		b += h + "\r\n"
	}
	return b + "\r\n"
}

const asJSON = "content-type: application/json"

// wrong is an error in OpenAI's shape.
func wrong(kind, code, message string) string {
	return fmt.Sprintf(`{"error":{"message":%q,"type":%q,"param":null,"code":%q}}`, message, kind, code)
}

// fails answers with an error.
func fails(status int, headers ...string) step {
	kind, code := "server_error", "injected"
	if status == 429 {
		kind, code = "requests", "rate_limit_exceeded"
	}
	return say(status, wrong(kind, code, "an injected fault"), append(headers, asJSON)...)
}

// The good answer: five tokens, and what they cost.
const (
	goodText   = "one two three four five"
	goodTokens = 5
	goodUsage  = `{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}`
)

func wholeAnswer(usage string) string {
	if usage != "" {
		usage = `,"usage":` + usage
	}
	return `{"id":"c","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		goodText + `"},"finish_reason":"stop"}]` + usage + `}`
}

// good answers as asked: in one piece or as a stream, with usage.
func good(x *exchange) error {
	if !strings.Contains(x.asked.body, `"stream":true`) {
		return say(200, wholeAnswer(goodUsage), asJSON)(x)
	}
	return run(x, begin, tokens(goodTokens), finish, usage(goodUsage), done, end)
}

func run(x *exchange, steps ...step) error {
	for _, s := range steps {
		if err := s(x); err != nil {
			return err
		}
	}
	return nil
}

// begin sends a stream's headers and its first event, which carries no token.
func begin(x *exchange) error {
	if err := headers(x); err != nil {
		return err
	}
	return event(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`)(x)
}

// headers sends a stream's headers alone.
func headers(x *exchange) error {
	x.status, x.chunked = "200", true
	return x.write(head(200, []string{"content-type: text/event-stream", "transfer-encoding: chunked"}))
}

// raw writes bytes as a part of the body.
func raw(s string) step {
	return func(x *exchange) error {
		switch {
		case x.framed:
			return x.frame(frameData, 0, x.stream, s)
		case x.chunked:
			return x.write(fmt.Sprintf("%x\r\n%s\r\n", len(s), s))
		}
		return x.write(s)
	}
}

// wire writes bytes as they are, outside any framing.
func wire(s string) step {
	return func(x *exchange) error {
		if x.status == "" {
			x.status = "bytes"
		}
		return x.write(s)
	}
}

func event(data string) step { return raw("data: " + data + "\n\n") }

// comment is a keep-alive.
var comment = raw(": still here\n\n")

// tokens sends n tokens, an event each.
func tokens(n int) step {
	return func(x *exchange) error {
		for i := range n {
			if err := token(fmt.Sprintf("t%d ", i))(x); err != nil {
				return err
			}
		}
		return nil
	}
}

func token(text string) step {
	return event(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":null}]}`)
}

// endless sends tokens, one each millisecond, until the other side leaves.
func endless(x *exchange) error {
	return every(x, time.Millisecond, token("on "))
}

// flood sends large events as fast as they are taken.
func flood(x *exchange) error {
	return every(x, 0, token(strings.Repeat("x", 32<<10)))
}

func every(x *exchange, d time.Duration, s step) error {
	x.u.note(func() { x.asked.waiting = true })
	for {
		if err := s(x); err != nil {
			return err
		}
		time.Sleep(d)
	}
}

var finish = event(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`)

func usage(u string) step {
	return event(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[],"usage":` + u + `}`)
}

var done = event("[DONE]")

// end ends a chunked body.
func end(x *exchange) error { return x.write("0\r\n\r\n") }

// stall does nothing until the other side leaves.
func stall(x *exchange) error {
	x.u.note(func() { x.asked.waiting = true })
	_, err := x.in.ReadByte()
	if err == nil {
		return errors.New("bytes came where none may")
	}
	return err
}

// pause does nothing for a while, less if the other side leaves.
func pause(d time.Duration) step {
	return func(x *exchange) error {
		x.u.note(func() { x.asked.waiting = true })
		if err := x.c.SetReadDeadline(time.Now().Add(d)); err != nil {
			return err
		}
		_, err := x.in.ReadByte()
		if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
			return x.c.SetReadDeadline(time.Time{})
		}
		if err == nil {
			err = errors.New("bytes came where none may")
		}
		return err
	}
}

// held waits until the test opens the upstream's gate.
func held(x *exchange) error {
	x.u.note(func() { x.asked.waiting = true })
	<-x.u.gate
	return nil
}

// cut ends the connection in order, as a server does that stops.
func cut(x *exchange) error { return errBroke }

// reset ends it with a TCP reset, as one does that dies.
func reset(x *exchange) error {
	if err := x.c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return errBroke
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// rest is a good stream after its headers.
func rest(x *exchange) error { return run(x, tokens(goodTokens), finish, usage(goodUsage), done, end) }

// failsUntil answers 429 until a date.
func failsUntil(from time.Duration) step {
	return func(x *exchange) error {
		return fails(429, "retry-after: "+time.Now().Add(from).UTC().Format(http.TimeFormat))(x)
	}
}

// murmur sends keep-alives until the other side leaves.
func murmur(x *exchange) error { return every(x, 10*time.Millisecond, comment) }

// murmurFor sends keep-alives for so long.
func murmurFor(d time.Duration) step {
	return func(x *exchange) error {
		for end := time.Now().Add(d); time.Now().Before(end); {
			if err := run(x, comment, pause(50*time.Millisecond)); err != nil {
				return err
			}
		}
		return nil
	}
}

// padding sends white space, as a part of a JSON body, until the other side leaves.
func padding(x *exchange) error {
	x.chunked = true
	return every(x, time.Millisecond, raw(strings.Repeat(" ", 32<<10)))
}

// zippedStream sends a good stream in gzip.
func zippedStream(x *exchange) error {
	x.status, x.chunked = "200", true
	if err := x.write(head(200, []string{"content-type: text/event-stream", "content-encoding: gzip", "transfer-encoding: chunked"})); err != nil {
		return err
	}
	if err := raw(zipped(`data: {"id":"c","choices":[{"index":0,"delta":{"content":"zipped"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"))(x); err != nil {
		return err
	}
	return end(x)
}

// closes ends the connection after an answer that did not say so.
func closes(x *exchange) error {
	x.closing = true
	return nil
}
