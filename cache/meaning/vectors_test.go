package meaning

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"weir"
	"weir/cache"
)

// What a real model says of six questions, a paraphrase of each, and another question that
// is nearly always nearer than the paraphrase: no threshold of similarity tells them apart. In no
// circle are a question and another one together.
func TestARealModelFindsOtherQuestionsNearerThanParaphrases(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	var vectors []Vector
	for line := range strings.Lines(string(text)) {
		words, packed, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(packed)
		if err != nil {
			t.Fatal(err)
		}
		v := make(Vector, len(raw))
		for i, b := range raw {
			v[i] = float32(int8(b))
		}
		texts, vectors = append(texts, words), append(vectors, v.Unit())
	}
	if len(texts) != 18 || len(vectors[0]) != 384 {
		t.Fatalf("%d texts", len(texts))
	}
	circle := func(text string) Circle {
		c, _ := CircleOf(&cache.Scope{Tenant: "t", Op: weir.OpChat}, &Turn{Text: text}, "e")
		return c
	}
	nearer := 0
	for i := 0; i < len(texts); i += 3 {
		if Cosine(vectors[i], vectors[i+2]) > Cosine(vectors[i], vectors[i+1]) {
			nearer++
		}
		if circle(texts[i]) != circle(texts[i+1]) || circle(texts[i]) == circle(texts[i+2]) {
			t.Errorf("%q, %q: %v; %q: %v", texts[i], texts[i+1], circle(texts[i]) == circle(texts[i+1]), texts[i+2], circle(texts[i]) == circle(texts[i+2]))
		}
	}
	if nearer != 5 {
		t.Errorf("of %d questions another one is nearer than the paraphrase, want 5 of 6", nearer)
	}
}
