package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"weir"
)

// canned is an inference server that allocates nothing per request: a benchmark then
// counts only the gateway's allocations (with net/http's).
func canned(b testing.TB, answer []byte) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r, body := bufio.NewReaderSize(c, 64<<10), make([]byte, 128<<10)
				for {
					n, _, err := readHead(r)
					if err != nil {
						return
					}
					if _, err := io.ReadFull(r, body[:n]); err != nil {
						return
					}
					c.Write(answer)
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

// readHead reads a request's or an answer's header and returns the length of
// its body (-1: chunked) and whether its first line holds " 200 ".
func readHead(r *bufio.Reader) (length int, ok bool, err error) {
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		switch {
		case err != nil:
			return 0, false, err
		case len(line) == 2:
			return length, ok, nil
		case first:
			ok = bytes.Contains(line, []byte(" 200 "))
		case len(line) > 15 && bytes.EqualFold(line[:15], []byte("Content-Length:")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(line[15:])))
		case bytes.HasPrefix(line, []byte("Transfer-Encoding:")):
			length = -1
		}
	}
}

// drive sends the same request over one connection b.N times.
func drive(b *testing.B, answer []byte, body string) {
	call := driver(b, answer, body)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

// driver sends the same request over one connection at each call and reads the answer.
func driver(t testing.TB, answer []byte, body string) func() {
	r := start(t, config(canned(t, answer)), func(o *Options) { o.Record = nil })
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	in, buf := bufio.NewReaderSize(c, 64<<10), make([]byte, 128<<10)
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		chatPath, testKey, len(body), body)
	return func() {
		c.Write(request)
		n, ok, err := readHead(in)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		for chunked := n < 0; ; {
			if chunked {
				line, err := in.ReadSlice('\n')
				if err != nil {
					t.Fatal(err)
				}
				size, _ := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
				n = int(size) + 2
			}
			if _, err := io.ReadFull(in, buf[:n]); err != nil {
				t.Fatal(err)
			}
			if !chunked || n == 2 {
				break
			}
		}
	}
}

// whole is an answer of size bytes of text, and the request that asks for it.
func whole(size int) (answer []byte, body string) {
	text := strings.Replace(answerText, "hello", strings.Repeat("word ", size/5), 1)
	answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	return answer, `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("word ", size/5) + `"}]}`
}

func BenchmarkWholeAnswer(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			answer, body := whole(size)
			drive(b, answer, body)
		})
	}
}

// The same without HTTP on the caller's side.
func BenchmarkSubmit(b *testing.B) {
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answerText), answerText)
	r := start(b, config(canned(b, answer)), func(o *Options) { o.Record = nil })
	s := Submission{Tenant: "demo", Key: "ci", Op: weir.OpChat, Body: []byte(chatBody)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Submit(b.Context(), s, nowhere{}); err != nil {
			b.Fatal(err)
		}
	}
}

type nowhere struct{}

func (nowhere) Start(int, map[string][]string)    {}
func (nowhere) Write(p []byte) (n int, err error) { return len(p), nil }

// The difference between the two, divided by 900, is the cost of an event.
func BenchmarkStream(b *testing.B) {
	for _, events := range []int{100, 1000} {
		b.Run(fmt.Sprintf("%devents", events), func(b *testing.B) { benchStream(b, events) })
	}
}

// A floor for the benchmark: events allocate nothing, however many arrive.
func TestAnEventAllocatesNothing(t *testing.T) {
	few := testing.Benchmark(func(b *testing.B) { benchStream(b, 100) })
	many := testing.Benchmark(func(b *testing.B) { benchStream(b, 1100) })
	if few.N == 0 || many.N == 0 {
		t.Fatal("a benchmark failed")
	}
	if per := float64(many.AllocsPerOp()-few.AllocsPerOp()) / 1000; per > 0.1 {
		t.Errorf("%.2f allocations an event", per)
	}
}

func benchStream(b *testing.B, events int) {
	var answer bytes.Buffer
	answer.WriteString(streamHead)
	for range events {
		chunk(&answer, tokenEvent)
	}
	chunk(&answer, finishEvent+usageEvent+doneEvent)
	answer.WriteString(end)
	drive(b, answer.Bytes(), streamed)
}

// The time until the upstream sees that the caller has left, before the first token and
// in the middle of a stream. The bound is 50 ms.
func BenchmarkCancel(b *testing.B) {
	for name, sent := range map[string]string{"beforeFirstToken": "", "midStream": streamHead + chunked(roleEvent, tokenEvent)} {
		b.Run(name, func(b *testing.B) {
			arrived, gone := make(chan struct{}), make(chan struct{})
			r := start(b, config(rawBackend(b, func(c net.Conn, _ int) {
				io.WriteString(c, sent)
				arrived <- struct{}{}
				c.Read(make([]byte, 1)) // ends with the connection
				gone <- struct{}{}
			})), func(o *Options) { o.Record = nil })
			for b.Loop() {
				c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
				if err != nil {
					b.Fatal(err)
				}
				fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", chatPath, testKey, len(streamed), streamed)
				<-arrived
				c.Close()
				<-gone
			}
		})
	}
}
