package upstream_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir"
	"weir/sse"
	. "weir/upstream"
)

// streamOf reads events from a body that arrives step by step, with a known length, or
// with a chunk for each step.
func streamOf(op weir.Op, body []byte, step int, chunked bool) *Events {
	var in bytes.Buffer
	if chunked {
		in.WriteString(lines("HTTP/1.1 200 OK|Connection: close|Transfer-Encoding: chunked||"))
		for rest := body; len(rest) > 0; {
			n := min(step, len(rest))
			fmt.Fprintf(&in, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		in.WriteString("0\r\n\r\n")
		step = in.Len()
	} else {
		fmt.Fprintf(&in, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	return replyOf(op, in.Bytes(), step).Events()
}

// tell writes events as lines of text.
func tell(e *Events) (story string, raw []byte, err error) {
	var b strings.Builder
	for {
		ev, err := e.Next()
		if err == io.EOF {
			return b.String(), raw, nil
		}
		if err != nil {
			return b.String(), raw, err
		}
		raw = append(raw, ev.Raw...)
		b.WriteString(ev.Kind.String())
		if ev.Produced && ev.Kind != Token {
			b.WriteString(" produced")
		}
		if u := ev.Usage; u != nil {
			fmt.Fprintf(&b, " usage %d (%d cached) + %d", u.Prompt, u.Cached, u.Completion)
		}
		if f := ev.Fail; f != nil {
			fmt.Fprintf(&b, " fail status %d code %q type %q: %s (%s, retryable %v, throttled %v)",
				f.Status, f.Code, f.Type, f.Message, f.Fault, f.Retryable, f.Throttled)
		}
		b.WriteString("\n")
	}
}

// TestStreamsOfEveryAPI reads recorded streams, testdata/streams/OP-NAME.sse, and
// compares them with their meaning beside them. Regenerate with UPDATE=1.
func TestStreamsOfEveryAPI(t *testing.T) {
	files, err := filepath.Glob("testdata/streams/*.sse")
	if err != nil || len(files) == 0 {
		t.Fatal("no streams", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, raw, err := tell(streamOf(opOf(name), body, len(body), false))
			if err != nil || !bytes.Equal(raw, body) {
				t.Fatalf("error %v; %d bytes of %d came through", err, len(raw), len(body))
			}
			told := strings.TrimSuffix(name, ".sse") + ".txt"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(told, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(told)
			if err != nil || got != string(want) {
				t.Errorf("%v, got:\n%s\nwant:\n%s", err, got, want)
			}
		})
	}
}

func opOf(name string) weir.Op {
	word, _, _ := strings.Cut(filepath.Base(name), "-")
	for op := weir.OpChat; op <= weir.OpMessages; op++ {
		if op.String() == word {
			return op
		}
	}
	panic(name)
}

// FuzzEvents: however the bytes are cut into reads and chunks, the events are the same,
// and in order they are the body.
func FuzzEvents(f *testing.F) {
	files, _ := filepath.Glob("testdata/streams/*.sse")
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, uint8(opOf(name)), uint16(5))
	}
	f.Add([]byte("\n\r\n\n:x\ndata\n\ndata: a\r\ndata: b\n\r\ndata: [DONE]"), uint8(0), uint16(1))
	f.Fuzz(func(t *testing.T, body []byte, op uint8, step uint16) {
		o, n := weir.Op(op%5), int(step)%200+1
		want, raw, err := tell(streamOf(o, body, len(body)+1, false))
		if err != nil || !bytes.Equal(raw, body) {
			t.Fatalf("%v: %q became %q", err, body, raw)
		}
		for _, chunked := range []bool{false, true} {
			got, raw, err := tell(streamOf(o, body, n, chunked))
			if err != nil || got != want || !bytes.Equal(raw, body) {
				t.Fatalf("in steps of %d (chunked %v): %v\n%s\nat once:\n%s", n, chunked, err, got, want)
			}
		}
		testBuffered(t, streamOf(o, body, n, true), body)
	})
}

// testBuffered: Buffered changes nothing, keeps returned events intact, and never
// returns true without cause.
func testBuffered(t *testing.T, e *Events, body []byte) {
	var raw []byte
	for {
		ev, err := e.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(ev.Raw)
		more := e.Buffered()
		if !bytes.Equal(before, ev.Raw) {
			t.Fatalf("Buffered spoiled %q", before)
		}
		raw = append(raw, before...)
		if more {
			if ev, err = e.Next(); err != nil {
				t.Fatalf("Buffered promised an event, then %v", err)
			}
			raw = append(raw, ev.Raw...)
		}
	}
	if !bytes.Equal(raw, body) {
		t.Fatalf("%q became %q", body, raw)
	}
}

func TestAnEventThatIsTooLargeIsRefused(t *testing.T) {
	body := append(bytes.Repeat([]byte("x"), sse.MaxEventBytes+8<<10), "\n\n"...)
	_, _, err := tell(streamOf(weir.OpChat, body, 4096, true))
	if kindOf(t, err) != KindProtocol {
		t.Error(err)
	}
	fits := append(bytes.Repeat([]byte("x"), sse.MaxEventBytes-2), "\n\n"...)
	if _, raw, err := tell(streamOf(weir.OpChat, fits, 4096, true)); err != nil || !bytes.Equal(raw, fits) {
		t.Error(err)
	}
}

func TestAStreamThatIsCutReturnsNoHalfEvent(t *testing.T) {
	const body = "data: {}\n\ndata: {\"choices\":[]"
	in := fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body)
	story, _, err := tell(replyOf(weir.OpChat, []byte(in), 10).Events())
	if story != "meta\n" || kindOf(t, err) != KindCut || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", story, err)
	}
}

// TestWhatAModelSaysDoesNotFool: keywords of the reader inside generated text mean
// nothing.
func TestWhatAModelSaysDoesNotFool(t *testing.T) {
	says := []string{
		`[DONE]`, `"usage":{"prompt_tokens":7}`, `{"error":{"message":"x"}}`, `"finish_reason":"stop"`, "\n\ndata: [DONE]\n\n",
		`\"}}],"usage":{"prompt_tokens":1}`, `"choices":[]`, "event: error\ndata: {}", `","error":{"code":500},"a":"`, `\`, `"`,
	}
	for _, text := range says {
		content, _ := json.Marshal(text)
		f := func(op weir.Op, shape string) {
			t.Helper()
			body := "data: " + strings.ReplaceAll(shape, "TEXT", string(content)) + "\n\n"
			if got, _, err := tell(streamOf(op, []byte(body), 9, true)); got != "token\n" || err != nil {
				t.Errorf("%s: %q, %v", body, got, err)
			}
		}
		f(weir.OpChat, `{"id":"c","choices":[{"index":0,"delta":{"content":TEXT},"finish_reason":null}],"usage":null}`)
		f(weir.OpChat, `{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":TEXT}}]}}]}`)
		f(weir.OpCompletions, `{"choices":[{"text":TEXT,"finish_reason":null}]}`)
		f(weir.OpResponses, `{"delta":TEXT,"type":"response.output_text.delta"}`)
		f(weir.OpMessages, `{"delta":{"type":"text_delta","text":TEXT},"type":"content_block_delta"}`)
	}
}

func TestJSONNestedTooDeepIsMalformed(t *testing.T) {
	body := `data: {"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}\n\n"
	if got, _, err := tell(streamOf(weir.OpChat, []byte(body), 4096, false)); got != "malformed\n" || err != nil {
		t.Error(got, err)
	}
}
