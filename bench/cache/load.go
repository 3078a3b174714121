package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const key = "weir-bench-key-0123456789abcdef0123456789abcdef"

// request is a chat completion of about that size, and its answer has the same.
func request(addr, what string, size int) []byte {
	body := fmt.Sprintf(`{"model":"bench","temperature":0,"user":"%s %d","messages":[{"role":"user","content":"%s %s"}]}`, what, size, what, strings.Repeat("word ", size/5))
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", addr, key, len(body), body)
}

// play sends a request n times over the connections, each the next when it has its answer.
func play(addr string, req []byte, n int) (sent int, err error) {
	var left atomic.Int64
	left.Store(int64(n))
	return share(min(n, connections), func() error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		r := bufio.NewReaderSize(c, 64<<10)
		for left.Add(-1) >= 0 {
			if err := ask(c, r, req); err != nil {
				return err
			}
		}
		return nil
	})
}

// crowded sends a request once from each of n callers.
func crowded(addr string, req []byte, n int) (int, error) {
	return share(n, func() error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		return ask(c, bufio.NewReader(c), req)
	})
}

func share(n int, f func() error) (int, error) {
	var all sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		all.Go(func() { errs <- f() })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

func ask(c net.Conn, r *bufio.Reader, req []byte) error {
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write(req); err != nil {
		return err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		return fmt.Errorf("status %d, %d bytes, %v", resp.StatusCode, n, err)
	}
	return nil
}

// upstream answers as a model would.
type upstream struct {
	addr  string
	calls atomic.Int64
}

func startUpstream() (*upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{addr: l.Addr().String()}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == "POST" { // weir also looks at the engine metrics
			u.calls.Add(1)
		}
		if strings.Contains(string(body), `"slow `) {
			time.Sleep(2 * time.Second) // all callers have come by then
		}
		answer := fmt.Sprintf(`{"id":"chatcmpl-0123456789","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":140,"total_tokens":240}}`, strings.Repeat("word ", max(len(body)-300, 10)/5))
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	}))
	return u, nil
}
