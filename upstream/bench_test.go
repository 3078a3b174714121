package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"weir"
	. "weir/upstream"
)

// benchServer answers every request on raw connections with fixed bytes, so only the
// client is measured.
func benchServer(b *testing.B, answer []byte) (url string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveFixed(c, answer)
		}
	}()
	return "http://" + l.Addr().String()
}

// serveFixed reads requests by their length only.
func serveFixed(c net.Conn, answer []byte) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		length := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 2 {
				break
			}
			if name, value, ok := bytes.Cut(line, []byte(": ")); ok && len(name) == len("Content-Length") {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// bothClients runs a call with this package and with a net/http Transport, one after
// the other in the same run: the second is the baseline of the first.
func bothClients(b *testing.B, url string, body []byte, read func(b *testing.B, op weir.Op, r io.Reader)) {
	b.Run("upstream", func(b *testing.B) {
		c, err := New(Options{Dialect: OpenAI, BaseURL: url})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			call := &Call{Op: weir.OpChat, Body: net.Buffers{body}, RequestID: "0123456789abcdef"}
			for p.Next() {
				r, err := c.Do(ctx, "", call)
				if err != nil {
					b.Error(err)
					return
				}
				read(b, weir.OpChat, r)
				r.Close()
			}
		})
	})
	b.Run("net_http", func(b *testing.B) {
		t := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
		defer t.CloseIdleConnections()
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for p.Next() {
				req, err := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("X-Request-Id", "0123456789abcdef")
				r, err := t.RoundTrip(req)
				if err != nil {
					b.Error(err)
					return
				}
				read(b, weir.OpChat, r.Body)
				r.Body.Close()
			}
		})
	})
}

func BenchmarkCall(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			body := bytes.Repeat([]byte("x"), size)
			answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nDate: Sat, 03 Oct 2026 12:00:00 GMT\r\nServer: uvicorn\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", size, body)
			bothClients(b, benchServer(b, answer), body, func(b *testing.B, _ weir.Op, r io.Reader) {
				buf := buffers32k.get()
				defer buffers32k.put(buf)
				for n := 0; ; {
					k, err := r.Read(buf)
					if n += k; err == io.EOF && n == size {
						return
					}
					if err != nil {
						b.Error(n, err)
						return
					}
				}
			})
		})
	}
}

// buffers32k are the buffers that answers are read into.
var buffers32k = free{make(chan []byte, 64)}

type free struct{ c chan []byte }

func (f free) get() []byte {
	select {
	case b := <-f.c:
		return b
	default:
		return make([]byte, 32<<10)
	}
}

func (f free) put(b []byte) {
	select {
	case f.c <- b:
	default:
	}
}

const tokenEvent = `data: {"id":"chatcmpl-123456789","object":"chat.completion.chunk","created":1700000000,"model":"llama-3.3-70b","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}` + "\n\n"

// BenchmarkEvents reads a stream of 1,000 token events from memory, one chunk for each,
// as inference servers send it.
func BenchmarkEvents(b *testing.B) {
	var in bytes.Buffer
	in.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
	for range 1000 {
		fmt.Fprintf(&in, "%x\r\n%s\r\n", len(tokenEvent), tokenEvent)
	}
	in.WriteString("0\r\n\r\n")
	c := fixed(in.Bytes(), 1<<20)
	b.SetBytes(int64(in.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r, err := c.Do(context.Background(), "", &Call{Op: weir.OpChat})
		if err != nil {
			b.Fatal(err)
		}
		e := r.Events()
		for n := 0; ; n++ {
			ev, err := e.Next()
			if err == io.EOF && n == 1000 {
				break
			}
			if err != nil || ev.Kind != Token {
				b.Fatal(n, ev.Kind, err)
			}
			e.Buffered()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}

// TestAnEventOfAStreamAllocatesNothing is the basis of the benchmark.
func TestAnEventOfAStreamAllocatesNothing(t *testing.T) {
	body := []byte(strings.Repeat(tokenEvent, 2000))
	e := streamOf(weir.OpChat, body, 1000, true)
	got := testing.AllocsPerRun(1000, func() {
		if ev, err := e.Next(); err != nil || ev.Kind != Token {
			t.Fatal(ev.Kind, err)
		}
		e.Buffered()
	})
	if got != 0 {
		t.Errorf("%v allocations for each event, want none", got)
	}
}

// TestAQuietStreamHoldsLittle: the memory of 500 open streams between two events, of
// client and server together, without a goroutine.
func TestAQuietStreamHoldsLittle(t *testing.T) {
	const streams, limit = 500, 8 << 10
	s := serveRaw(t, func(c net.Conn, in *bufio.Reader) {
		takeRequest(in)
		io.WriteString(c, lines("HTTP/1.1 200 OK|Transfer-Encoding: chunked||"))
		fmt.Fprintf(c, "%x\r\n%s\r\n", len(tokenEvent), tokenEvent)
		in.Reset(nil) // and its buffer with it
		var b [1]byte
		c.Read(b[:])
	})
	c := newClient(t, Options{BaseURL: s})
	held := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	var open []*Events
	for range streams {
		r, err := c.Do(context.Background(), "", chat("{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		e := r.Events()
		if ev, err := e.Next(); err != nil || ev.Kind != Token {
			t.Fatal(ev.Kind, err)
		}
		open = append(open, e)
	}
	each := (held() - before) / streams
	t.Logf("%d bytes for each of %d streams", each, len(open))
	if each > limit {
		t.Errorf("%d bytes for each quiet stream, want at most %d", each, limit)
	}
}
