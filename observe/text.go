package observe

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// textHandler writes lines for people: time, level, message, and key=value
// pairs. Empty, zero and false values are left out and numbers are short: a
// request's line has two dozen values, few of them of interest. JSON has them
// all.
type textHandler struct {
	mu     *sync.Mutex
	w      io.Writer
	level  slog.Leveler
	before string // attributes of With, already formatted
	group  string // with its dot
	colour bool
}

func newTextHandler(w io.Writer, level slog.Leveler) *textHandler {
	return &textHandler{mu: &sync.Mutex{}, w: w, level: level, colour: terminal(w)}
}

// Enabled implements slog.Handler.
func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	if !r.Time.IsZero() {
		b.WriteString(r.Time.UTC().Format("2006-01-02T15:04:05.000Z "))
	}
	b.WriteString(h.word(r.Level))
	b.WriteByte(' ')
	b.WriteString(r.Message)
	b.WriteString(h.before)
	r.Attrs(func(a slog.Attr) bool { appendAttr(&b, h.group, a); return true })
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(b.Bytes())
	return err
}

// WithAttrs implements slog.Handler.
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b bytes.Buffer
	for _, a := range attrs {
		appendAttr(&b, h.group, a)
	}
	next := *h
	next.before += b.String()
	return &next
}

// WithGroup implements slog.Handler.
func (h *textHandler) WithGroup(name string) slog.Handler {
	next := *h
	if name != "" {
		next.group += name + "."
	}
	return &next
}

// word is the level in five letters, coloured on a terminal.
func (h *textHandler) word(l slog.Level) string {
	text, colour := "INFO ", ""
	switch {
	case l < slog.LevelInfo:
		text, colour = "DEBUG", "\x1b[2m"
	case l >= slog.LevelError:
		text, colour = "ERROR", "\x1b[31m"
	case l >= slog.LevelWarn:
		text, colour = "WARN ", "\x1b[33m"
	}
	if !h.colour || colour == "" {
		return text
	}
	return colour + text + "\x1b[0m"
}

func appendAttr(b *bytes.Buffer, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range v.Group() {
			appendAttr(b, group, inner)
		}
		return
	}
	text, says := shortValue(v)
	if !says {
		return
	}
	b.WriteByte(' ')
	b.WriteString(group)
	b.WriteString(a.Key)
	b.WriteByte('=')
	b.WriteString(text)
}

// shortValue is a value in few characters, and whether it is worth showing.
func shortValue(v slog.Value) (text string, says bool) {
	switch v.Kind() {
	case slog.KindString:
		return quoteSpaces(v.String()), v.String() != ""
	case slog.KindInt64:
		return v.String(), v.Int64() != 0
	case slog.KindUint64:
		return v.String(), v.Uint64() != 0
	case slog.KindFloat64:
		return strconv.FormatFloat(v.Float64(), 'f', decimals(v.Float64()), 64), v.Float64() != 0
	case slog.KindBool:
		return v.String(), v.Bool()
	case slog.KindDuration:
		return v.Duration().Round(time.Millisecond).String(), v.Duration() != 0
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339), !v.Time().IsZero()
	}
	return quoteSpaces(v.String()), v.Any() != nil
}

// decimals gives a number three significant digits; a number below a millionth
// has none.
func decimals(f float64) int {
	f = math.Abs(f)
	switch {
	case f >= 100:
		return 0
	case f >= 1:
		return 1
	case f < 1e-6 || math.IsNaN(f):
		return 9
	}
	return 2 - int(math.Floor(math.Log10(f)))
}

// quoteSpaces quotes a text that is not a single word.
func quoteSpaces(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == 0x7f || !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
