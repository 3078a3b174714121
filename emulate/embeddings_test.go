package emulate

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"
)

func vector(t *testing.T, n tree) []float64 {
	t.Helper()
	var out []float64
	if s, ok := n.v.(string); ok {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+4 <= len(b); i += 4 {
			out = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))))
		}
		return out
	}
	for _, v := range n.v.([]any) {
		x, err := v.(json.Number).Float64()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, float64(float32(x)))
	}
	return out
}

func dot(a, b []float64) (d float64) {
	for i := range a {
		d += a[i] * b[i]
	}
	return d
}

func TestEmbeddingsAreUnitVectorsNearEachOtherWhereWordsAreShared(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		a := s.post("/v1/embeddings", `{"model":"tiny","input":["how do I reset my password","how can I reset my password please","the weather in Paris","","!?"]}`)
		must(t, "object", a.at("object").str(), "list")
		must(t, "how many", a.at("data").len(), 5)
		must(t, "tokens", a.at("usage", "total_tokens").num(), 7+9+5+1+1)
		var vs [][]float64
		for i := range 5 {
			v := vector(t, a.at("data", i, "embedding"))
			must(t, "dimension", len(v), 384)
			must(t, "index", a.at("data", i, "index").num(), i)
			if l := dot(v, v); math.Abs(l-1) > 1e-5 {
				t.Errorf("length %v, want 1", l)
			}
			vs = append(vs, v)
		}
		if near, far := dot(vs[0], vs[1]), dot(vs[0], vs[2]); near < 0.6 || far > 0.3 {
			t.Errorf("texts that share words are %v alike, others %v", near, far)
		}
	})
}

func TestBase64HoldsTheSameVectorAsNumbersDo(t *testing.T) {
	emulated(t, Options{EmbeddingDim: 8}, func(s *server) {
		f := func(input string, tokens int) {
			t.Helper()
			a := s.post("/v1/embeddings", `{"model":"tiny","dimensions":100,"input":`+input+`}`)
			b := s.post("/v1/embeddings", `{"model":"tiny","dimensions":100,"encoding_format":"base64","input":`+input+`}`)
			va, vb := vector(t, a.at("data", 0, "embedding")), vector(t, b.at("data", 0, "embedding"))
			must(t, "dimension", len(vb), 100)
			for i := range va {
				must(t, "element", va[i], vb[i])
			}
			must(t, "tokens", a.at("usage", "prompt_tokens").num(), tokens)
		}
		f(`"hello world"`, 3)
		f(`[1,2,3]`, 3)
		f(`[[9,8,7,6]]`, 4)
		a := s.post("/v1/embeddings", `{"input":"x"}`)
		must(t, "dimension when not said", a.at("data", 0, "embedding").len(), 8)
	})
}
