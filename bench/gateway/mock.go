package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// A word in the first bytes of a body says what the upstream is to do.
const (
	askAnswer = `"user":"answer"` // about 1 KB of JSON
	askEmbed  = `"user":"embed"`  // a vector of 1,536 numbers
	askPaced  = `"user":"paced"`  // an event each 20 ms, the first at once
	askHeld   = `"user":"held"`   // one event, then nothing until the caller has gone
)

const (
	pace        = 20 * time.Millisecond
	pacedEvents = 100
)

// The events of a stream; usage comes last, as with include_usage.
var (
	tokenEvent = []byte(`data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}` + "\n\n")
	endEvents  = []byte(`data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\n" +
		`data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":100,"total_tokens":200}}` + "\n\ndata: [DONE]\n\n")
	streamHead = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nServer: mock\r\nTransfer-Encoding: chunked\r\n\r\n")
	lastChunk  = []byte("0\r\n\r\n")
)

// vector is an embedding as OpenAI writes it: about 19 KB.
var vector = func() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	body := []byte(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[`)
	for i := range 1536 {
		if i > 0 {
			body = append(body, ',')
		}
		body = strconv.AppendFloat(body, float64(float32(r.NormFloat64()/39)), 'g', 9, 64)
	}
	body = append(body, `]}],"model":"bench","usage":{"prompt_tokens":250,"total_tokens":250}}`...)
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: mock\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}()

var answer = func() []byte {
	body := []byte(`{"id":"chatcmpl-0123456789","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		string(bytes.Repeat([]byte("word "), 140)) + `"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":140,"total_tokens":240,"prompt_tokens_details":{"cached_tokens":0}}}`)
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: mock\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}()

func chunk(b []byte) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(b), b) }

// serveMock is the upstream: it does as little as possible for a request, so the
// proxies are measured and not the upstream.
func serveMock(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer c.Close()
			in := bufio.NewReaderSize(c, 4<<10)
			for serveOne(c, in) == nil {
			}
		}()
	}
}

func serveOne(c net.Conn, in *bufio.Reader) error {
	size, err := requestHead(in)
	if err != nil {
		return err
	}
	first, err := in.Peek(min(size, 64))
	if err != nil {
		return err
	}
	embed := bytes.Contains(first, []byte(askEmbed))
	paced, held := bytes.Contains(first, []byte(askPaced)), bytes.Contains(first, []byte(askHeld))
	if _, err := in.Discard(size); err != nil {
		return err
	}
	switch {
	case embed:
		_, err = c.Write(vector)
		return err
	case paced:
		return servePaced(c)
	case held:
		c.Write(append(bytes.Clone(streamHead), chunk(tokenEvent)...))
		_, err := in.ReadByte()
		return err
	}
	_, err = c.Write(answer)
	return err
}

// requestHead reads up to the body and returns its length.
func requestHead(in *bufio.Reader) (size int, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			return size, nil
		}
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return 0, io.ErrUnexpectedEOF
			}
		}
	}
}

func servePaced(c net.Conn) error {
	token := chunk(tokenEvent)
	if _, err := c.Write(append(bytes.Clone(streamHead), token...)); err != nil {
		return err
	}
	next := time.Now()
	for range pacedEvents - 1 {
		next = next.Add(pace)
		time.Sleep(time.Until(next))
		if _, err := c.Write(token); err != nil {
			return err
		}
	}
	_, err := c.Write(append(chunk(endEvents), lastChunk...))
	return err
}
