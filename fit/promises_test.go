package fit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"weir/price"
)

// Promises in the package's comments. internal/mutants has a wrong change for
// each.

func TestAnEngineThatClaimsNothingHasWhatIsFree(t *testing.T) {
	m, _ := model(t, "Qwen/Qwen3-8B")
	e, err := ParseEngine("llama.cpp")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		free int64
		want Verdict
	}{{0, Fits}, {4 * GiB, DoesNotFit}} {
		a, err := Check(m, Setup{GPU: card(t, "H100-80GB"), Engine: e, Quant: mustQuant("q8_0"), Context: 4096, FreeBytes: c.free})
		if err != nil || (a.Verdict == DoesNotFit) != (c.want == DoesNotFit) {
			t.Errorf("%d bytes free: %s: %s, %v", c.free, a.Verdict, a.Why, err)
		}
	}
}

// "1, 2, 4 and every multiple of 8 (16 above 256) up to twice the sequences, at
// most 512: 51 sizes in all"
func TestGraphsAreCapturedAsVLLMDoes(t *testing.T) {
	for top, want := range map[int]int{1: 1, 2: 2, 4: 3, 8: 4, 256: 35, 272: 36, 512: 51} {
		if got := captured(top); got != want {
			t.Errorf("up to %d: %d sizes, want %d", top, got, want)
		}
	}
}

func TestADeviceOfUnknownSizeCountsForLess(t *testing.T) {
	unknown := 0
	for _, g := range catalogue(t).GPUs() {
		if g.UsableGiB.Known() || !g.MemoryGB.Known() || strings.Contains(g.Note, "unified") {
			continue
		}
		unknown++
		out, err := NewGPU(g)
		if nominal := g.MemoryGB.Value() * GiB; err != nil || float64(out.Total) > 0.93*nominal || float64(out.Total) < 0.91*nominal {
			t.Errorf("%s: %.3g of its nominal size, %v", g.Name, float64(out.Total)/nominal, err)
		}
	}
	if unknown == 0 {
		var g price.GPU
		t.Errorf("every device of the catalogue is known: make one here, like %+v", g)
	}
}

func TestTheLongestContextIsTheModelsOwnAtMost(t *testing.T) {
	m, _ := model(t, "Qwen/Qwen3-0.6B")
	a, err := Check(m, Setup{GPU: card(t, "H200"), Context: 4096})
	if err != nil || m.MaxContext == 0 || a.MaxContext != m.MaxContext {
		t.Errorf("there is room for far more: %d tokens, want the model's %d, %v", a.MaxContext, m.MaxContext, err)
	}
}

func TestLayersOfNearlyEqualNumberFormOneGroup(t *testing.T) {
	for _, c := range []struct{ full, window, want int }{{5, 6, 6}, {4, 5, 4}, {6, 24, 6}, {0, 7, 7}} {
		if got := (cache{full: c.full, window: c.window}).groupSize(); got != c.want {
			t.Errorf("%d full and %d window layers: groups of %d, want %d", c.full, c.window, got, c.want)
		}
	}
}

// A tied table is the embedding of the first stage and the output layer of the
// last: in a pipeline both hold it, as an untied model's do.
func TestAPipelineHoldsATiedTableTwice(t *testing.T) {
	m, _ := model(t, "Qwen/Qwen3-0.6B")
	if !m.Tied {
		t.Fatal("its table is not tied: this proves nothing")
	}
	untied := m
	untied.Tied = false
	for i := range 2 {
		var got [2]int64
		for k, one := range []Model{m, untied} {
			a, err := Check(one, Setup{GPU: card(t, "H100-80GB"), PP: 2, Context: 4096})
			if err != nil {
				t.Fatal(err)
			}
			got[k] = a.Stages[i].Weights
		}
		if got[0] != got[1] {
			t.Errorf("stage %d holds %d bytes, with a table of its own %d", i, got[0], got[1])
		}
	}
}

func TestNoMoreThanTheWeightsIsOffloaded(t *testing.T) {
	m, _ := model(t, "Qwen/Qwen3-0.6B")
	a, err := Check(m, Setup{GPU: card(t, "H100-80GB"), Context: 4096, Offload: 1 << 40})
	if w := a.Stages[0].Weights; err != nil || w < 0 || w > 16<<20 { // a rotary table stays
		t.Errorf("a TiB is offloaded, and %d bytes of weights are left, %v", w, err)
	}
}

func TestTheLastStageHasTheFewestLayers(t *testing.T) {
	for _, c := range []struct {
		layers, pp int
		want       []int
	}{{6, 3, []int{2, 2, 2}}, {7, 3, []int{2, 3, 2}}, {8, 3, []int{3, 3, 2}}, {1, 1, []int{1}}} {
		if got := stageLayers(c.layers, c.pp); !slices.Equal(got, c.want) {
			t.Errorf("%d layers over %d stages: %v, want %v", c.layers, c.pp, got, c.want)
		}
	}
}

func TestTensorParallelDividesTheKVHeadsOrIsAMultipleOfThem(t *testing.T) {
	m := Model{}
	m.Heads, m.KVHeads, m.Vocab, m.Intermediate = 24, 8, 768, 2400
	for tp, allowed := range map[int]bool{4: true, 8: true, 24: true, 12: false, 6: false} {
		if why := tpRule(&m, tp, false); (why == "") != allowed || !allowed && !strings.Contains(why, "8 KV heads") {
			t.Errorf("tensor parallel %d over 8 KV heads: %q", tp, why)
		}
	}
}

func TestAPackingSaysHowFarFromTheBestItIs(t *testing.T) {
	size := bins{memory: 100, compute: math.MaxInt32}
	for _, c := range []struct {
		each        int64
		gpus, least int
		optimal     bool
	}{
		{60, 20, 20, true}, // no two of them can share one
		{40, 10, 8, false}, // nor can three of these, which is not proven
		{50, 10, 10, true},
	} {
		var shards []Share
		for i := range 20 {
			shards = append(shards, Share{Name: "m", Replica: i + 1, Shard: 1, memory: c.each})
		}
		gpus, optimal := size.pack(shards)
		if least := size.least(shards); len(gpus) != c.gpus || least != c.least || optimal != c.optimal {
			t.Errorf("20 shards of %d %% of a GPU: %d GPUs, %d at least, proven is %v; want %d, %d, %v", c.each, len(gpus), least, optimal, c.gpus, c.least, c.optimal)
		}
	}
}

// A vocabulary of 32,001, from one added token, has no useful divisor; engines
// store 32,064 rows, which two GPUs can halve.
func TestTheVocabularyIsPaddedTo64(t *testing.T) {
	for v, want := range map[int]int{0: 0, 1: 64, 64: 64, 65: 128, 32001: 32064} {
		if got := paddedVocab(v); got != want {
			t.Errorf("%d tokens are stored as %d rows, want %d", v, got, want)
		}
	}
	m, q := model(t, "meta-llama/Llama-3.1-8B")
	m.Vocab = 32001
	if rows := m.count().embed / int64(m.Hidden); rows != 32064 {
		t.Errorf("an embedding of %d rows, want 32064", rows)
	}
	if _, err := Check(m, Setup{GPU: card(t, "H100"), Quant: q, TP: 2, Context: 4096}); err != nil {
		t.Error(err)
	}
}

// Two changes that need as many GPUs as the single change to more GPUs are no
// remedy: the single change costs no quality.
func TestTwoChangesAreARemedyOnlyWithFewerGPUs(t *testing.T) {
	m, q := model(t, "Qwen/Qwen3-32B")
	for _, c := range []struct {
		context, concurrency int
		want                 []string
	}{
		{4096, 1, []string{"quantise to fp8 (--quant fp8) and 2 GPUs, tensor parallel (--tp 2)", "4 GPUs, tensor parallel (--tp 4)"}},
		{32768, 8, []string{"8 GPUs, tensor parallel (--tp 8)"}},
	} {
		a, err := Check(m, Setup{GPU: card(t, "L4"), Quant: q, Context: c.context, Concurrency: c.concurrency})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range a.Remedies {
			got = append(got, r.Change)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d requests of %d tokens: %q, want %q", c.concurrency, c.context, got, c.want)
		}
	}
}

func TestAListOfUnlikeCountsIsNoCount(t *testing.T) {
	for widths, want := range map[string]int{"14336": 14336, "[14336,14336]": 14336, "[14336,7168]": 0, "[7168,14336]": 0, "[]": 0} {
		m, err := ParseConfig("m", []byte(strings.Replace(llamaConfig, `"intermediate_size":14336`, `"intermediate_size":`+widths, 1)))
		if want > 0 && (err != nil || m.Intermediate != want) {
			t.Errorf("widths %s are read as %d, %v", widths, m.Intermediate, err)
		}
		if want == 0 && (!errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "lacks intermediate")) {
			t.Errorf("widths %s are read as %d, %v: want an error that names what is missing", widths, m.Intermediate, err)
		}
	}
}

// DeciLM has one number of KV heads for each layer. Where they differ none is
// taken, and least of all that of the heads of attention.
func TestUnlikeKVHeadsAreNotTakenForHeadsOfAttention(t *testing.T) {
	const one = `"num_key_value_heads":8`
	for keys, want := range map[string]int{
		one: 8, `"num_key_value_heads":[8,8]`: 8, `"num_key_value_heads_per_layer":[4,4,4]`: 4, `"num_key_value_heads":null`: 32,
		`"num_key_value_heads":[8,4]`: 0, `"num_key_value_heads":[4,8]`: 0, `"num_kv_heads":[3,4]`: 0, `"num_key_value_heads":[]`: 0, `"num_key_value_heads_per_layer":[4,2]`: 0,
		`"num_key_value_heads":[` + strings.Repeat("8,", 1000) + `4]`: 0,
	} {
		m, err := ParseConfig("mine", []byte(strings.Replace(llamaConfig, one, keys, 1)))
		if want > 0 && (err != nil || m.KVHeads != want) {
			t.Errorf("%s: %d KV heads, %v; want %d", keys, m.KVHeads, err, want)
		}
		if want == 0 && (!errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "mine lacks kv_heads: num_key_value_heads is [") || len(err.Error()) > 300) {
			t.Errorf("%s: %d KV heads, %v; want an error that says what is missing", keys, m.KVHeads, err)
		}
	}
}

// "the number of layers and the hidden size are never assumed".
func TestLayersAndHiddenSizeAreNeverAssumed(t *testing.T) {
	for kind := range classDefaults {
		f := func(keys string, sentinel error, say string) {
			t.Helper()
			m, err := ParseConfig("mine", []byte(`{"model_type":"`+kind+`",`+keys+`}`))
			if !errors.Is(err, sentinel) || !strings.Contains(err.Error(), say) {
				t.Errorf("%s with %s alone: %d layers of %d, %v; want an error with %q", kind, keys, m.Layers, m.Hidden, err, say)
			}
		}
		f(`"hidden_size":1024`, ErrFile, "no num_hidden_layers")
		f(`"num_hidden_layers":2`, ErrShape, "hidden")
	}
}

// zeros is a file of only zeros; it counts the bytes read.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.read += len(p)
	return len(p), nil
}

// Each of the values is shorter than the limit; two together are longer.
func TestAGGUFHeaderIsReadUpTo128MiB(t *testing.T) {
	const start, long = 24, 65 << 20 // metadata begins at start
	for _, values := range []int{1, 2} {
		header := gguf(2)
		binary.LittleEndian.PutUint64(header[16:], binary.LittleEndian.Uint64(header[16:])+uint64(values))
		entry := binary.LittleEndian.AppendUint64(nil, 1)
		entry = binary.LittleEndian.AppendUint32(append(entry, 'k'), 8) // a string
		entry = binary.LittleEndian.AppendUint64(entry, long)
		var z zeros
		parts := []io.Reader{bytes.NewReader(header[:start])}
		for range values {
			parts = append(parts, bytes.NewReader(entry), io.LimitReader(&z, long))
		}
		m, err := ParseGGUF("long", io.MultiReader(append(parts, bytes.NewReader(header[start:]))...))
		if values == 1 && (err != nil || m.Layers != 2) {
			t.Errorf("a value of %d bytes: %d layers, %v", long, m.Layers, err)
		}
		if values == 2 && (!errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "header above 134217728 bytes")) {
			t.Errorf("two values of %d bytes: %v", long, err)
		}
		if z.read > maxGGUF {
			t.Errorf("%d bytes of the values are read, the limit is %d", z.read, maxGGUF)
		}
	}
}
