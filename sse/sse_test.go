package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// pieces is a source whose bytes come in steps. Every second step is in memory together
// with the one before it, in memory that the next one overwrites.
type pieces struct {
	rest []byte
	step int
	win  []byte
	odd  bool
	err  error // at the end; nil: io.EOF
}

func (p *pieces) Next() ([]byte, error) {
	clear(p.win)
	if len(p.rest) == 0 {
		if p.err != nil {
			return nil, p.err
		}
		return nil, io.EOF
	}
	n := min(p.step, len(p.rest))
	p.win = append(p.win[:0], p.rest[:n]...)
	p.rest, p.odd = p.rest[n:], !p.odd
	return p.win, nil
}

func (p *pieces) More() []byte {
	if !p.odd || len(p.rest) == 0 {
		return nil
	}
	n := min(p.step, len(p.rest))
	more := bytes.Clone(p.rest[:n])
	p.rest, p.odd = p.rest[n:], false
	return more
}

func (p *pieces) Refuse(reason error) error {
	p.rest, p.err = nil, reason
	return reason
}

func reader(body string, step int) *Reader {
	r := New(&pieces{rest: []byte(body), step: step})
	return &r
}

// tell writes events as lines of text.
func tell(r *Reader) (story string, raw []byte, err error) {
	var b strings.Builder
	for {
		ev, err := r.Next()
		if err == io.EOF {
			return b.String(), raw, nil
		}
		if err != nil {
			return b.String(), raw, err
		}
		raw = append(raw, ev.Raw...)
		switch {
		case ev.HasData:
			fmt.Fprintf(&b, "%s=%q\n", ev.Name, ev.Data)
		default:
			b.WriteString("comment\n")
		}
	}
}

func TestEventsAreCutAtBlankLines(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		for _, step := range []int{1, 2, 3, 1000} {
			got, raw, err := tell(reader(body, step))
			if strings.ReplaceAll(got, "\n", " ") != want+" " || string(raw) != body || err != nil {
				t.Errorf("%q in steps of %d: %q, %q, %v; want %q", body, step, got, raw, err, want)
			}
		}
	}
	f("data: a\n\ndata:b\n\n", `="a" ="b"`)
	f("data: a\r\ndata: b\r\n\r\n", `="a\nb"`)
	f("event: x\nevent: y\ndata:  a\nid: 7\n\n", `y=" a"`)
	f("data\ndata\n\n", `="\n"`)
	f("data:\n\n", `=""`)
	f(": waiting\n\n: b\n", `comment comment`)
	f("event: ping\n\n", `comment`)
	f("\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", `="a" comment`)
	f("data: a\n\ndata: b", `="a" ="b"`)
	f("\n\r\n\ndata: a\n\n", `comment comment comment ="a"`)
}

// FuzzEvents: however the bytes are cut into pieces, the events are the same, and in
// order they are the bytes. Buffered changes nothing, keeps returned events intact, and
// never returns true without cause.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("\n\r\n\n:x\ndata\n\ndata: a\r\ndata: b\n\r\ndata: [DONE]"), uint16(1))
	f.Add([]byte("event: error\ndata: {}\n\n\xef\xbb\xbfdata\n\n"), uint16(3))
	f.Fuzz(func(t *testing.T, body []byte, step uint16) {
		n := int(step)%200 + 1
		want, raw, err := tell(reader(string(body), len(body)+1))
		if err != nil || !bytes.Equal(raw, body) {
			t.Fatalf("%v: %q became %q", err, body, raw)
		}
		got, raw, err := tell(reader(string(body), n))
		if err != nil || got != want || !bytes.Equal(raw, body) {
			t.Fatalf("in steps of %d: %v\n%s\nat once:\n%s", n, err, got, want)
		}
		raw = nil
		for r := reader(string(body), n); ; {
			ev, err := r.Next()
			if err == io.EOF {
				break
			}
			before := bytes.Clone(ev.Raw)
			raw = append(raw, before...)
			if !r.Buffered() {
				continue
			}
			if !bytes.Equal(before, ev.Raw) {
				t.Fatalf("Buffered spoiled %q", before)
			}
			if ev, err = r.Next(); err != nil {
				t.Fatalf("Buffered promised an event, then %v", err)
			}
			raw = append(raw, ev.Raw...)
		}
		if !bytes.Equal(raw, body) {
			t.Fatalf("%q became %q", body, raw)
		}
	})
}

func TestAnEventBeyondTheBoundIsRefused(t *testing.T) {
	body := strings.Repeat("x", MaxEventBytes+8<<10) + "\n\n"
	if _, _, err := tell(reader(body, 4096)); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Error(err)
	}
	fits := strings.Repeat("x", MaxEventBytes-2) + "\n\n"
	if _, raw, err := tell(reader(fits, 4096)); err != nil || string(raw) != fits {
		t.Error(err)
	}
}

func TestAnEventThatIsCutInTwoIsNotReturned(t *testing.T) {
	cut := errors.New("cut")
	r := New(&pieces{rest: []byte("data: a\n\ndata: b"), step: 4, err: cut})
	if got, _, err := tell(&r); got != "=\"a\"\n" || err != cut {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAnEventInOnePieceAllocatesNothing(t *testing.T) {
	r := reader(strings.Repeat("data: {\"a\":1}\n\n", 2000), 1<<20)
	if got := testing.AllocsPerRun(1000, func() {
		if ev, err := r.Next(); err != nil || !ev.HasData {
			t.Fatal(ev, err)
		}
		r.Buffered()
	}); got != 0 {
		t.Errorf("%v allocations for each event, want none", got)
	}
}

func TestWhatBeginsAStream(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if got := Begins([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	f("data: {}", true)
	f("\xef\xbb\xbf\r\n: hello", true)
	f("event: x", true)
	f(`{"data":1}`, false)
	f("", false)
	f("<html>", false)
}

func TestWaitFindsTheEventThatNextReturns(t *testing.T) {
	r := reader("data: a\n\ndata: b\n\ndata: c", 5)
	for _, want := range []string{"a", "b", "c"} {
		for range 2 { // waiting twice passes no event over
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		if !r.Buffered() {
			t.Errorf("after Wait, %q is not said to be in memory", want)
		}
		if e, err := r.Next(); err != nil || string(e.Data) != want {
			t.Errorf("Next = %q, %v; want %q", e.Data, err, want)
		}
	}
	if err := r.Wait(); err != io.EOF {
		t.Errorf("Wait = %v at the end, want io.EOF", err)
	}
}
