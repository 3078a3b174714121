package fit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Bounds of a GGUF header: tokenizers of 256k entries take some 10 MiB.
const (
	maxGGUF    = 128 << 20 // bytes read
	maxEntries = 1 << 16   // metadata entries, and tensors
	maxKey     = 1 << 10   // bytes of a key or tensor name
)

// ggufType is a tensor's storage: bytes of a block and elements in it
// (ggml-common.h; the block structs' sizes).
var ggufTypes = map[uint32]struct {
	name            string
	bytes, elements int64
}{
	0: {"fp32", 4, 1}, 1: {"fp16", 2, 1}, 2: {"q4_0", 18, 32}, 3: {"q4_1", 20, 32}, 6: {"q5_0", 22, 32}, 7: {"q5_1", 24, 32},
	8: {"q8_0", 34, 32}, 9: {"q8_1", 36, 32}, 10: {"q2_k", 84, 256}, 11: {"q3_k", 110, 256}, 12: {"q4_k", 144, 256}, 13: {"q5_k", 176, 256},
	14: {"q6_k", 210, 256}, 15: {"q8_k", 292, 256}, 16: {"iq2_xxs", 66, 256}, 17: {"iq2_xs", 74, 256}, 18: {"iq3_xxs", 98, 256},
	19: {"iq1_s", 50, 256}, 20: {"iq4_nl", 18, 32}, 21: {"iq3_s", 110, 256}, 22: {"iq2_s", 82, 256}, 23: {"iq4_xs", 136, 256},
	24: {"i8", 1, 1}, 25: {"i16", 2, 1}, 26: {"i32", 4, 1}, 27: {"i64", 8, 1}, 28: {"fp64", 8, 1}, 29: {"iq1_m", 56, 256}, 30: {"bf16", 2, 1},
	34: {"tq1_0", 54, 256}, 35: {"tq2_0", 66, 256}, 39: {"mxfp4", 17, 32},
}

// ParseGGUF reads the header of a GGUF file (version 2 or 3): the shape from
// its metadata, the weights from its tensor list. It reads at most 128 MiB and
// keeps no array. Specification: ggml docs/gguf.md.
func ParseGGUF(name string, r io.Reader) (Model, error) {
	g := ggufReader{r: bufio.NewReaderSize(r, 1<<16), left: maxGGUF}
	m, err := g.model(name)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the header is truncated")
		}
		return Model{}, fmt.Errorf("%w: GGUF %s: %w", ErrFile, name, err)
	}
	return m, nil
}

// ggufReader reads little-endian values within a budget of bytes.
type ggufReader struct {
	r    *bufio.Reader
	left int64
	buf  [8]byte
	num  map[string]float64
	text map[string]string
	list map[string]int // lengths of arrays
	most map[string]float64
}

func (g *ggufReader) model(name string) (Model, error) {
	var magic [4]byte
	if _, err := io.ReadFull(g.r, magic[:]); err != nil {
		return Model{}, err
	}
	if string(magic[:]) != "GGUF" {
		return Model{}, fmt.Errorf("begins with %q", magic[:])
	}
	version, err := g.uint(4)
	if err != nil {
		return Model{}, err
	}
	if version != 2 && version != 3 {
		return Model{}, fmt.Errorf("version %d, supported are 2 and 3", version)
	}
	tensors, err := g.bounded("tensors")
	if err != nil {
		return Model{}, err
	}
	entries, err := g.bounded("metadata entries")
	if err != nil {
		return Model{}, err
	}
	g.num, g.text, g.list, g.most = map[string]float64{}, map[string]string{}, map[string]int{}, map[string]float64{}
	for range entries {
		if err := g.entry(); err != nil {
			return Model{}, err
		}
	}
	stored, kind, err := g.tensors(tensors)
	if err != nil {
		return Model{}, err
	}
	m := g.shape(name)
	m.Stored = &stored
	m.Format = kind
	return m, m.validate()
}

func (g *ggufReader) take(n int64) error {
	if g.left -= n; g.left < 0 {
		return fmt.Errorf("header above %d bytes", int64(maxGGUF))
	}
	return nil
}

func (g *ggufReader) uint(width int) (uint64, error) {
	if err := g.take(int64(width)); err != nil {
		return 0, err
	}
	clear(g.buf[:])
	if _, err := io.ReadFull(g.r, g.buf[:width]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(g.buf[:]), nil
}

func (g *ggufReader) bounded(what string) (int, error) {
	n, err := g.uint(8)
	if err == nil && n > maxEntries {
		err = fmt.Errorf("%d %s, the limit is %d", n, what, maxEntries)
	}
	return int(min(n, maxEntries)), err
}

func (g *ggufReader) string() (string, error) {
	n, err := g.uint(8)
	if err != nil {
		return "", err
	}
	if n > maxKey {
		return "", fmt.Errorf("a name of %d bytes, the limit is %d", n, maxKey)
	}
	if err := g.take(int64(n)); err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(g.r, b)
	return string(b), err
}

func (g *ggufReader) skip(n uint64) error {
	if n > maxGGUF {
		return fmt.Errorf("a value of %d bytes, the limit is %d", n, int64(maxGGUF))
	}
	if err := g.take(int64(n)); err != nil {
		return err
	}
	k, err := g.r.Discard(int(n))
	if err == nil && k < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// widths of the scalar value types; 8 is a string, 9 an array.
var ggufWidths = map[uint64]int{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

func (g *ggufReader) entry() error {
	key, err := g.string()
	if err != nil {
		return err
	}
	kind, err := g.uint(4)
	if err != nil {
		return err
	}
	switch kind {
	case 8:
		n, err := g.uint(8)
		if err != nil {
			return err
		}
		if n > maxKey { // chat templates and licences are long
			return g.skip(n)
		}
		if err := g.take(int64(n)); err != nil {
			return err
		}
		b := make([]byte, n)
		_, err = io.ReadFull(g.r, b)
		g.text[key] = string(b)
		return err
	case 9:
		return g.array(key)
	}
	v, err := g.scalar(kind)
	g.num[key] = v
	return err
}

func (g *ggufReader) scalar(kind uint64) (float64, error) {
	width, ok := ggufWidths[kind]
	if !ok {
		return 0, fmt.Errorf("value type %d is not known", kind)
	}
	v, err := g.uint(width)
	switch kind {
	case 5:
		return float64(int32(v)), err
	case 6:
		return float64(math.Float32frombits(uint32(v))), err
	case 11:
		return float64(int64(v)), err
	case 12:
		return math.Float64frombits(v), err
	}
	return float64(v), err
}

// array skips its elements; it keeps the largest of numbers (KV heads per
// layer), and the length of any array (the vocabulary).
func (g *ggufReader) array(key string) error {
	kind, err := g.uint(4)
	if err != nil {
		return err
	}
	n, err := g.uint(8)
	if err != nil {
		return err
	}
	if kind != 8 && ggufWidths[kind] == 0 {
		return fmt.Errorf("array of type %d", kind)
	}
	if n > maxGGUF/max(uint64(ggufWidths[kind]), 8) {
		return fmt.Errorf("array of %d elements is longer than a header may be", n)
	}
	g.list[key] = int(n)
	for range n {
		if kind == 8 {
			length, err := g.uint(8)
			if err != nil {
				return err
			}
			if err := g.skip(length); err != nil {
				return err
			}
			continue
		}
		v, err := g.scalar(kind)
		if err != nil {
			return err
		}
		g.most[key] = max(g.most[key], v)
	}
	return nil
}

// tensors adds up the file's tensors; the format is the one with the most
// bytes.
func (g *ggufReader) tensors(n int) (Stored, string, error) {
	var out Stored
	by := map[uint32]int64{}
	for range n {
		name, err := g.string()
		if err != nil {
			return out, "", err
		}
		dims, err := g.uint(4)
		if err != nil {
			return out, "", err
		}
		if dims > 8 {
			return out, "", fmt.Errorf("tensor %.60q has %d dimensions", name, dims)
		}
		elements := int64(1)
		for range dims {
			d, err := g.uint(8)
			if err != nil {
				return out, "", err
			}
			if d == 0 || d > 1<<40 || elements > (1<<46)/int64(d) {
				return out, "", fmt.Errorf("tensor %.60q is larger than any GPU", name)
			}
			elements *= int64(d)
		}
		kind, err := g.uint(4)
		if err != nil {
			return out, "", err
		}
		if _, err := g.uint(8); err != nil { // offset
			return out, "", err
		}
		t, ok := ggufTypes[uint32(kind)]
		if !ok {
			return out, "", fmt.Errorf("tensor %.60q is of type %d, which is not known", name, kind)
		}
		bytes := (elements + t.elements - 1) / t.elements * t.bytes
		by[uint32(kind)] += bytes
		if err := out.put(name, int(dims), bytes); err != nil {
			return out, "", err
		}
	}
	return out, commonest(by), nil
}

func commonest(by map[uint32]int64) string {
	best, most := "fp16", int64(-1)
	for kind := uint32(0); kind < 64; kind++ {
		if by[kind] > most && ggufTypes[kind].name != "" && by[kind] > 0 {
			best, most = ggufTypes[kind].name, by[kind]
		}
	}
	if q, err := ParseQuant(best); err == nil {
		return q.Name
	}
	if _, err := ParseQuant(best + "_m"); err == nil {
		return best + "_m"
	}
	return "q4_0" // the width is measured; the name is only for people
}
