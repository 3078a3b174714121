package servers

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
)

// The size of the model of random weights: two layers, 64 wide, 0.7 MB.
const (
	tinyWidth, tinyLayers, tinyHeads, tinyKVHeads, tinyInner = 64, 2, 4, 2, 128
	tinyContext                                              = 2048
)

// gguf writes a model file in GGUF 3: counts, key and value pairs, the tensors'
// names and shapes, and behind them their numbers
// (github.com/ggml-org/ggml, docs/gguf.md).
type gguf struct {
	pairs, infos, data []byte
	nPairs, nInfos     uint64
	rng                *rand.Rand
}

// Types of values, as the format numbers them.
const (
	ggufUint32, ggufInt32, ggufFloat32, ggufString, ggufArray uint32 = 4, 5, 6, 8, 9
	ggufAlign                                                        = 32
)

func ggufText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

func (g *gguf) key(name string, kind uint32) {
	g.nPairs++
	g.pairs = binary.LittleEndian.AppendUint32(ggufText(g.pairs, name), kind)
}

func (g *gguf) text(name, v string) {
	g.key(name, ggufString)
	g.pairs = ggufText(g.pairs, v)
}

func (g *gguf) number(name string, v uint32) {
	g.key(name, ggufUint32)
	g.pairs = binary.LittleEndian.AppendUint32(g.pairs, v)
}

// list writes an array of numbers (uint32, int32, float32) or of strings.
func (g *gguf) list(name string, kind uint32, n int, numbers any, texts []string) {
	g.key(name, ggufArray)
	g.pairs = binary.LittleEndian.AppendUint32(g.pairs, kind)
	g.pairs = binary.LittleEndian.AppendUint64(g.pairs, uint64(n))
	if texts == nil {
		g.pairs, _ = binary.Append(g.pairs, binary.LittleEndian, numbers)
	}
	for _, t := range texts {
		g.pairs = ggufText(g.pairs, t)
	}
}

// tensor writes rows of so many numbers each, drawn by value.
func (g *gguf) tensor(name string, width, rows int, value func(row int) float32) {
	g.nInfos++
	g.infos = ggufText(g.infos, name)
	dims := []uint64{uint64(width), uint64(rows)}
	if rows == 1 {
		dims = dims[:1]
	}
	g.infos = binary.LittleEndian.AppendUint32(g.infos, uint32(len(dims)))
	for _, d := range dims {
		g.infos = binary.LittleEndian.AppendUint64(g.infos, d)
	}
	g.infos = binary.LittleEndian.AppendUint32(g.infos, 0) // float32
	g.infos = binary.LittleEndian.AppendUint64(g.infos, uint64(len(g.data)))
	vs := make([]float32, width*rows)
	for i := range vs {
		vs[i] = value(i / width)
	}
	g.data, _ = binary.Append(g.data, binary.LittleEndian, vs)
	g.data = padded(g.data)
}

func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&(ggufAlign-1))...) }

func (g *gguf) random(int) float32 { return float32(g.rng.NormFloat64()) / 20 }
func one(int) float32              { return 1 }

// tinyVocabulary is SentencePiece's: three marks, every byte, and pieces of
// text: the signs of ASCII and short syllables.
func tinyVocabulary() (pieces []string, scores []float32, kinds []int32) {
	const normal, unknown, control, byteKind = 1, 2, 3, 6
	add := func(piece string, score float32, kind int32) {
		pieces, scores, kinds = append(pieces, piece), append(scores, score), append(kinds, kind)
	}
	add("<unk>", 0, unknown)
	add("<s>", 0, control)
	add("</s>", 0, control)
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), 0, byteKind)
	}
	add("▁", -1, normal)
	for c := '!'; c <= '~'; c++ {
		add(string(c), -1000, normal)
	}
	for _, a := range strings.Split("b d f g k l m n p r s t v w st tr", " ") {
		for _, v := range "aeiou" {
			add("▁"+a+string(v), -100, normal)
		}
	}
	return pieces, scores, kinds
}

// writeTinyModel writes a model that llama.cpp serves: llama's architecture with
// random weights, the same in every run. The marks and the bytes have rows of
// zeros in the last matrix: a greedy answer holds none, so that it is plain text
// and as long as it may be.
func writeTinyModel(path string) error {
	g := &gguf{rng: rand.New(rand.NewPCG(1, 1))}
	pieces, scores, kinds := tinyVocabulary()
	g.text("general.architecture", "llama")
	g.text("general.name", "tiny random")
	for name, v := range map[string]uint32{
		"context_length": tinyContext, "embedding_length": tinyWidth, "block_count": tinyLayers, "feed_forward_length": tinyInner,
		"attention.head_count": tinyHeads, "attention.head_count_kv": tinyKVHeads, "rope.dimension_count": tinyWidth / tinyHeads, "vocab_size": uint32(len(pieces)),
	} {
		g.number("llama."+name, v)
	}
	g.key("llama.attention.layer_norm_rms_epsilon", ggufFloat32)
	g.pairs, _ = binary.Append(g.pairs, binary.LittleEndian, float32(1e-5))
	g.text("tokenizer.ggml.model", "llama")
	g.list("tokenizer.ggml.tokens", ggufString, len(pieces), nil, pieces)
	g.list("tokenizer.ggml.scores", ggufFloat32, len(scores), scores, nil)
	g.list("tokenizer.ggml.token_type", ggufInt32, len(kinds), kinds, nil)
	g.number("tokenizer.ggml.unknown_token_id", 0)
	g.number("tokenizer.ggml.bos_token_id", 1)
	g.number("tokenizer.ggml.eos_token_id", 2)
	g.text("tokenizer.chat_template", "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]")
	g.layers(len(pieces))
	head := append([]byte("GGUF"), 3, 0, 0, 0)
	head = binary.LittleEndian.AppendUint64(head, g.nInfos)
	head = binary.LittleEndian.AppendUint64(head, g.nPairs)
	all := padded(append(append(head, g.pairs...), g.infos...))
	return os.WriteFile(path, append(all, g.data...), 0o600)
}

func (g *gguf) layers(vocabulary int) {
	const plain = 3 + 256 // where pieces of text begin
	head := tinyWidth / tinyHeads
	g.tensor("token_embd.weight", tinyWidth, vocabulary, g.random)
	g.tensor("output_norm.weight", tinyWidth, 1, one)
	g.tensor("output.weight", tinyWidth, vocabulary, func(row int) float32 {
		if row < plain {
			return 0
		}
		return g.random(row)
	})
	for i := range tinyLayers {
		at := fmt.Sprintf("blk.%d.", i)
		g.tensor(at+"attn_norm.weight", tinyWidth, 1, one)
		g.tensor(at+"attn_q.weight", tinyWidth, tinyWidth, g.random)
		g.tensor(at+"attn_k.weight", tinyWidth, tinyKVHeads*head, g.random)
		g.tensor(at+"attn_v.weight", tinyWidth, tinyKVHeads*head, g.random)
		g.tensor(at+"attn_output.weight", tinyWidth, tinyWidth, g.random)
		g.tensor(at+"ffn_norm.weight", tinyWidth, 1, one)
		g.tensor(at+"ffn_gate.weight", tinyWidth, tinyInner, g.random)
		g.tensor(at+"ffn_up.weight", tinyWidth, tinyInner, g.random)
		g.tensor(at+"ffn_down.weight", tinyInner, tinyWidth, g.random)
	}
}
