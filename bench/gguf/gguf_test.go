package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	parser "github.com/gpustack/gguf-parser-go"

	"weir/fit"
)

// shape is a llama-like model.
type shape struct {
	name                                                  string
	layers, hidden, heads, kvHeads, inter, vocab, context uint32
}

var shapes = []shape{
	{"Llama-3.1-8B", 32, 4096, 32, 8, 14336, 128256, 131072},
	{"Llama-3.1-70B", 80, 8192, 64, 8, 28672, 128256, 131072},
	{"Mistral-7B", 32, 4096, 32, 8, 14336, 32768, 32768},
	{"Yi-34B", 60, 7168, 56, 8, 20480, 64000, 4096},
}

// Tensor types of ggml.
const (
	f32  = 0
	q8   = 8
	q4k  = 12
	q6k  = 14
	q8w  = 34.0 / 32
	q4kw = 144.0 / 256
	q6kw = 210.0 / 256
)

type tensor struct {
	name string
	kind uint32
	dims []uint64
}

func (t tensor) bytes() uint64 {
	n := 1.0
	for _, d := range t.dims {
		n *= float64(d)
	}
	return uint64(n * map[uint32]float64{f32: 4, q8: q8w, q4k: q4kw, q6k: q6kw}[t.kind])
}

// tensors are those of llama.cpp's Q4_K_M: the output layer and half of the
// value and down projections in Q6_K (llama-quant.cpp, use_more_bits). With
// wide, everything is Q8_0.
func tensors(s shape, wide bool) []tensor {
	base, more := uint32(q4k), uint32(q6k)
	if wide {
		base, more = q8, q8
	}
	h, kv, inter := uint64(s.hidden), uint64(s.hidden/s.heads*s.kvHeads), uint64(s.inter)
	out := []tensor{{"token_embd.weight", base, []uint64{h, uint64(s.vocab)}}, {"output_norm.weight", f32, []uint64{h}}, {"output.weight", more, []uint64{h, uint64(s.vocab)}}}
	n := int(s.layers)
	for i := range n {
		better := base
		if i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2 {
			better = more
		}
		add := func(name string, kind uint32, dims ...uint64) {
			out = append(out, tensor{fmt.Sprintf("blk.%d.%s.weight", i, name), kind, dims})
		}
		add("attn_norm", f32, h)
		add("ffn_norm", f32, h)
		add("attn_q", base, h, h)
		add("attn_k", base, h, kv)
		add("attn_v", better, h, kv)
		add("attn_output", base, h, h)
		add("ffn_gate", base, h, inter)
		add("ffn_up", base, h, inter)
		add("ffn_down", better, inter, h)
	}
	return out
}

// write makes a file whose header is whole and whose weights are a hole.
func write(t *testing.T, s shape, wide bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), s.name+".gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	put := func(v any) { _ = binary.Write(w, binary.LittleEndian, v) }
	str := func(v string) { put(uint64(len(v))); _, _ = w.WriteString(v) }
	list := tensors(s, wide)
	_, _ = w.WriteString("GGUF")
	put(uint32(3))
	put(uint64(len(list)))
	numbers := []struct {
		key string
		v   uint32
	}{{"llama.block_count", s.layers}, {"llama.embedding_length", s.hidden}, {"llama.attention.head_count", s.heads}, {"llama.attention.head_count_kv", s.kvHeads},
		{"llama.feed_forward_length", s.inter}, {"llama.context_length", s.context}, {"llama.vocab_size", s.vocab}, {"llama.rope.dimension_count", s.hidden / s.heads},
		{"general.file_type", map[bool]uint32{false: 15, true: 7}[wide]}, {"general.alignment", 32}}
	put(uint64(len(numbers) + 2))
	str("general.architecture")
	put(uint32(8))
	str("llama")
	for _, n := range numbers {
		str(n.key)
		put(uint32(4))
		put(n.v)
	}
	str("tokenizer.ggml.tokens")
	put(uint32(9))
	put(uint32(8))
	put(uint64(s.vocab))
	for range s.vocab {
		str("x")
	}
	offset := uint64(0)
	for _, x := range list {
		str(x.name)
		put(uint32(len(x.dims)))
		put(x.dims)
		put(x.kind)
		put(offset)
		offset += (x.bytes() + 31) / 32 * 32
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	at, err := f.Seek(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate((at+31)/32*32 + int64(offset)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBothReadTheSameWeightsAndCache(t *testing.T) {
	const context = 4096
	for _, s := range shapes {
		for _, wide := range []bool{false, true} {
			path := write(t, s, wide)
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			m, err := fit.ParseGGUF(s.name, file)
			if err != nil {
				t.Fatal(err)
			}
			_ = file.Close()
			a, err := fit.Check(m, fit.Setup{GPU: fit.GPU{Name: "big", Total: 200 * fit.GiB, SM: 8}, Engine: fit.Engine{Name: "llama.cpp"}, Context: context, KV: "fp16"})
			if err != nil {
				t.Fatal(err)
			}
			other, err := parser.ParseGGUFFile(path)
			if err != nil {
				t.Fatal(err)
			}
			e := other.EstimateLLaMACppRun(parser.WithLLaMACppContextSize(context), parser.WithFlashAttention())
			weights, cache := uint64(other.ModelSize), uint64(0)
			for _, d := range e.Devices {
				cache += uint64(d.KVCache.Sum())
			}
			ours := a.Stages[0]
			ours.Weights += m.Stored.Embed // the table stays in host memory
			t.Logf("%-14s %-8s weights %6.3f GiB, gguf-parser-go %6.3f; KV %5.3f GiB, %5.3f", s.name, m.Native().Name, gib(ours.Weights), gib(int64(weights)), gib(a.PerRequest), gib(int64(cache)))
			if off := math.Abs(float64(ours.Weights)/float64(weights) - 1); off > 0.001 {
				t.Errorf("%s: weights %d, gguf-parser-go %d", s.name, ours.Weights, weights)
			}
			if a.PerRequest != int64(cache) {
				t.Errorf("%s: KV cache %d, gguf-parser-go %d", s.name, a.PerRequest, cache)
			}
		}
	}
}

func gib(bytes int64) float64 { return float64(bytes) / fit.GiB }
