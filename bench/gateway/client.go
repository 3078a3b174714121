package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// request is a chat request of a size in all, header not counted.
func request(ask string, size int) []byte {
	const model = `,"model":"bench","max_tokens":100,`
	head := "{" + ask + model
	if ask != askAnswer {
		head += `"stream":true,"stream_options":{"include_usage":true},`
	}
	head += `"messages":[{"role":"user","content":"`
	const tail = `"}]}`
	words := bytes.Repeat([]byte("some words of a prompt, "), size/24+1)
	body := head + string(words[:max(0, size-len(head)-len(tail))]) + tail
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		benchKey, len(body), body)
}

// embedding is a request of 1 KB whose answer has 1,536 numbers.
func embedding() []byte {
	body := fmt.Appendf(nil, `{%s,"model":"bench","input":"%s"}`, askEmbed, bytes.Repeat([]byte("some words of a text, "), 1<<10/22))
	return fmt.Appendf(nil, "POST /v1/embeddings HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		benchKey, len(body), body)
}

// client is one connection of a caller, and uses as little CPU as it can.
type client struct {
	c  net.Conn
	in *bufio.Reader
}

func dial(addr string) (*client, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &client{c, bufio.NewReaderSize(c, 2<<10)}, nil
}

func (c *client) close() { c.c.Close() }

// ask sends a request and reads its answer to the end.
func (c *client) ask(req []byte) error {
	c.c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.c.Write(req); err != nil {
		return err
	}
	size, err := c.head()
	if err != nil {
		return err
	}
	if size < 0 {
		return errors.New("an answer without Content-Length")
	}
	_, err = c.in.Discard(size)
	return err
}

// head reads status and headers; size is -1 for a chunked body.
func (c *client) head() (size int, err error) {
	size = -1
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		const name = "content-length:"
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")):
			rest, _ := io.ReadAll(io.LimitReader(c.in, 1000))
			return 0, fmt.Errorf("answered %q %s", line, rest)
		case len(line) <= 2:
			return size, nil
		case len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)):
			if size, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return 0, err
			}
		}
	}
}

// stream sends a request and reads its events. It calls event for each data
// line, and ends with the line that says so or when event returns false.
func (c *client) stream(req []byte, event func() bool) error {
	c.c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := c.c.Write(req); err != nil {
		return err
	}
	if _, err := c.head(); err != nil {
		return err
	}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(line, []byte("data: ")) {
			continue
		}
		if bytes.HasPrefix(line, []byte("data: [DONE]")) {
			return c.lastChunk()
		}
		if !event() {
			return nil
		}
	}
}

// lastChunk reads to the end of a chunked body.
func (c *client) lastChunk() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if string(line) == "0\r\n" {
			_, err := c.in.Discard(2)
			return err
		}
	}
}
