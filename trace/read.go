package trace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Reader is a Source over one of three published formats, identified by the
// first line, gzip'd or not:
//
//   - CSV with a header of arrival_s, input_tokens, output_tokens and, optionally,
//     prefix_blocks (ids separated by spaces) and client;
//   - Azure's LLM inference traces: CSV with TIMESTAMP, ContextTokens and
//     GeneratedTokens (github.com/Azure/AzurePublicDataset);
//   - Mooncake's: one JSON object a line with timestamp in milliseconds,
//     input_length, output_length and hash_ids (github.com/kvcache-ai/Mooncake).
//
// It holds one line in memory. Arrivals before their predecessor, missing
// columns and values out of range are errors with their line number: a result
// from half a trace would mislead.
type Reader struct {
	lines *bufio.Scanner
	line  int
	width int // columns of the header
	parse func(text []byte) (Arrival, error)
	first []byte // a line of data read ahead
	last  time.Duration
	start time.Time // of Azure timestamps
}

// NewReader looks at the beginning of r and returns a Reader for its format.
func NewReader(r io.Reader) (*Reader, error) {
	buf := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := buf.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, fmt.Errorf("%w: gzip: %w", ErrFormat, err)
		}
		buf = bufio.NewReaderSize(z, 1<<16)
	}
	t := &Reader{lines: bufio.NewScanner(buf)}
	t.lines.Buffer(make([]byte, 0, 1<<16), maxLine)
	head, err := t.next()
	if errors.Is(err, io.EOF) {
		return nil, faultf(1, "the file is empty")
	}
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) {
		t.parse, t.first = t.mooncake, bytes.Clone(head)
		return t, nil
	}
	return t, t.header(string(head))
}

// Next returns the next arrival.
func (t *Reader) Next() (Arrival, error) {
	text := t.first
	t.first = nil
	for len(bytes.TrimSpace(text)) == 0 {
		var err error
		if text, err = t.next(); err != nil {
			return Arrival{}, err
		}
	}
	a, err := t.parse(text)
	if err != nil {
		return Arrival{}, err
	}
	switch {
	case a.Prompt < 1 || a.Prompt > maxTokens || a.Output < 1 || a.Output > maxTokens:
		return Arrival{}, faultf(t.line, "%d prompt and %d output tokens: each must be 1 to %d", a.Prompt, a.Output, maxTokens)
	case a.At < t.last:
		return Arrival{}, faultf(t.line, "arrives at %v, before the line above it (%v): sort the file by arrival", a.At, t.last)
	}
	t.last = a.At
	return a, nil
}

func (t *Reader) next() ([]byte, error) {
	if t.lines.Scan() {
		t.line++
		return t.lines.Bytes(), nil
	}
	switch err := t.lines.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, faultf(t.line+1, "longer than %d bytes", maxLine)
	default:
		return nil, fmt.Errorf("%w: after line %d: %w", ErrFormat, t.line, err)
	}
}

// header finds the columns of a CSV.
func (t *Reader) header(head string) error {
	at := map[string]int{}
	names := strings.Split(strings.TrimPrefix(strings.TrimRight(head, "\r"), "\ufeff"), ",")
	t.width = len(names)
	for i, name := range names {
		name = strings.TrimSpace(name)
		if _, twice := at[name]; twice {
			return faultf(1, "column %.40q appears twice", name)
		}
		at[name] = i
	}
	column := func(name string) int {
		if i, ok := at[name]; ok {
			return i
		}
		return -1
	}
	if c := (azureColumns{column("TIMESTAMP"), column("ContextTokens"), column("GeneratedTokens")}); c.at >= 0 && c.in >= 0 && c.out >= 0 {
		t.parse = func(text []byte) (Arrival, error) { return t.azure(text, c) }
		return t.began(c)
	}
	c := columns{column("arrival_s"), column("input_tokens"), column("output_tokens"), column("prefix_blocks"), column("client")}
	if c.at < 0 || c.in < 0 || c.out < 0 {
		return faultf(1, "no trace format has these columns: %.200q; want arrival_s,input_tokens,output_tokens, or TIMESTAMP,ContextTokens,GeneratedTokens, or JSON lines with timestamp, input_length, output_length", head)
	}
	t.parse = func(text []byte) (Arrival, error) { return t.csv(text, c) }
	return nil
}

// began reads ahead to the first line of Azure's format, whose time is the
// beginning of the trace.
func (t *Reader) began(c azureColumns) error {
	for len(bytes.TrimSpace(t.first)) == 0 {
		text, err := t.next()
		if errors.Is(err, io.EOF) {
			return nil // no arrivals
		}
		if err != nil {
			return err
		}
		t.first = bytes.Clone(text)
	}
	_, err := t.azure(t.first, c)
	return err
}

// Start is when the trace began, if its format tells: for Azure's, the time of
// the first line; else the zero Time.
func (t *Reader) Start() time.Time { return t.start }

type columns struct{ at, in, out, prefix, client int }

func (t *Reader) csv(text []byte, c columns) (Arrival, error) {
	f, err := t.fields(text)
	if err != nil {
		return Arrival{}, err
	}
	at, err := t.seconds(field(f, c.at))
	if err != nil {
		return Arrival{}, err
	}
	a := Arrival{At: at}
	if a.Prompt, err = t.integer("input_tokens", field(f, c.in)); err != nil {
		return Arrival{}, err
	}
	if a.Output, err = t.integer("output_tokens", field(f, c.out)); err != nil {
		return Arrival{}, err
	}
	if s := field(f, c.client); s != "" {
		if a.Client, err = t.integer("client", s); err != nil {
			return Arrival{}, err
		}
	}
	if s := field(f, c.prefix); s != "" {
		ids := strings.Fields(s)
		if len(ids) > maxBlocks {
			return Arrival{}, faultf(t.line, "%d prefix blocks: at most %d", len(ids), maxBlocks)
		}
		a.Prefix = make([]uint64, len(ids))
		for i, id := range ids {
			if a.Prefix[i], err = strconv.ParseUint(id, 10, 64); err != nil {
				return Arrival{}, faultf(t.line, "prefix block %.40q is not a number", id)
			}
		}
	}
	return a, nil
}

type azureColumns struct{ at, in, out int }

func (t *Reader) azure(text []byte, c azureColumns) (Arrival, error) {
	f, err := t.fields(text)
	if err != nil {
		return Arrival{}, err
	}
	stamp := field(f, c.at)
	when, err := time.Parse("2006-01-02 15:04:05.999999999", strings.TrimSuffix(stamp, "+00:00"))
	if err != nil {
		return Arrival{}, faultf(t.line, "TIMESTAMP %.60q is not like 2023-11-16 18:15:46.6805900", stamp)
	}
	if t.start.IsZero() {
		t.start = when
	}
	a := Arrival{At: when.Sub(t.start)}
	if a.Prompt, err = t.integer("ContextTokens", field(f, c.in)); err != nil {
		return Arrival{}, err
	}
	if a.Output, err = t.integer("GeneratedTokens", field(f, c.out)); err != nil {
		return Arrival{}, err
	}
	return a, nil
}

func (t *Reader) mooncake(text []byte) (Arrival, error) {
	var row struct {
		Timestamp *float64 `json:"timestamp"`
		Input     int      `json:"input_length"`
		Output    int      `json:"output_length"`
		Blocks    []uint64 `json:"hash_ids"`
	}
	if err := json.Unmarshal(text, &row); err != nil {
		return Arrival{}, faultf(t.line, "not a JSON object of a trace: %v", err)
	}
	if row.Timestamp == nil {
		return Arrival{}, faultf(t.line, "no timestamp")
	}
	at, ok := nanoseconds(*row.Timestamp / 1e3)
	if !ok {
		return Arrival{}, faultf(t.line, "timestamp %v ms is out of range", *row.Timestamp)
	}
	if len(row.Blocks) > maxBlocks {
		return Arrival{}, faultf(t.line, "%d blocks: at most %d", len(row.Blocks), maxBlocks)
	}
	return Arrival{At: at, Prompt: row.Input, Output: row.Output, Prefix: row.Blocks}, nil
}

func (t *Reader) seconds(s string) (time.Duration, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, faultf(t.line, "arrival_s %.40q is not a number of seconds", s)
	}
	d, ok := nanoseconds(v)
	if !ok {
		return 0, faultf(t.line, "arrival_s %v is out of range: 0 to ten years", v)
	}
	return d, nil
}

// nanoseconds rounds seconds to the nanosecond, if they lie within ten years.
func nanoseconds(s float64) (time.Duration, bool) {
	const tenYears = 10 * 366 * 24 * 3600
	if math.IsNaN(s) || s < 0 || s > tenYears {
		return 0, false
	}
	return time.Duration(math.Round(s * 1e9)), true
}

func (t *Reader) integer(what, s string) (int, error) {
	v, err := strconv.Atoi(s)
	if err != nil {
		return 0, faultf(t.line, "%s %.40q is not an integer", what, s)
	}
	return v, nil
}

// fields splits at commas: no published trace quotes.
func (t *Reader) fields(text []byte) ([]string, error) {
	f := strings.Split(strings.TrimRight(string(text), "\r"), ",")
	if len(f) != t.width {
		return nil, faultf(t.line, "%d columns, the header has %d", len(f), t.width)
	}
	return f, nil
}

func field(f []string, i int) string {
	if i < 0 || i >= len(f) {
		return ""
	}
	return strings.TrimSpace(f[i])
}
