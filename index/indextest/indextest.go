// Package indextest says what every index.Store must do. Each store's tests run it.
package indextest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"weir/index"
	"weir/index/nearest"
)

// Run checks a store. open opens the same empty store each time it is called.
func Run(t *testing.T, open func(t *testing.T) index.Store) {
	s := open(t)
	t.Run("an empty index says so", func(t *testing.T) { empty(t, s) })
	t.Run("documents are replaced whole", func(t *testing.T) { replaced(t, s) })
	t.Run("the nearest are those of an exact search", func(t *testing.T) { exact(t, s) })
	t.Run("a filter selects documents", func(t *testing.T) { filtered(t, s) })
	t.Run("a new space is searched once it is published", func(t *testing.T) { swapped(t, s) })
	t.Run("vectors of two models are never compared", func(t *testing.T) { apart(t, s) })
	t.Run("another process sees it", func(t *testing.T) { another(t, s, open(t)) })
}

var one = index.Space{Model: "m", Version: "1", Chunks: "c"}

func empty(t *testing.T, s index.Store) {
	if _, err := s.Live(t.Context()); !errors.Is(err, index.ErrEmpty) {
		t.Error(err)
	}
	if _, err := s.Search(t.Context(), index.Query{Vector: vector(1)}); !errors.Is(err, index.ErrEmpty) {
		t.Error(err)
	}
}

const dims = 24

func vector(n int) []float32 {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return nearest.Unit(v)
}

// document has chunks with the vectors from..to.
func document(id string, from, to int) index.Stored {
	d := index.Stored{ID: id, Hash: fmt.Sprint(from, to), Attributes: map[string]any{"n": float64(from), "name": id, "even": from%2 == 0}}
	for n := from; n < to; n++ {
		d.Chunks = append(d.Chunks, index.Chunk{Hash: fmt.Sprint("h", n), Start: n, End: n + 1, Heading: "H", Text: fmt.Sprintf("text %d 'quoted' \u00e9", n), Vector: vector(n)})
	}
	return d
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func replaced(t *testing.T, s index.Store) {
	ctx := t.Context()
	space := must[int64](t)(s.Open(ctx, one))
	if again := must[int64](t)(s.Open(ctx, one)); again != space {
		t.Errorf("space %d is %d when it is opened again", space, again)
	}
	do(t, s.Put(ctx, space, []index.Stored{document("a", 0, 3), document("b", 3, 5)}))
	do(t, s.Put(ctx, space, []index.Stored{document("a", 10, 11), document("empty", 0, 0)}))
	docs := must[map[string]string](t)(s.Documents(ctx, space))
	if fmt.Sprint(docs) != "map[a:10 11 b:3 5 empty:0 0]" {
		t.Error(docs)
	}
	got := must[map[string][]float32](t)(s.Vectors(ctx, space, []string{"h0", "h3", "h10", "none"}))
	if len(got) != 2 || !slices.Equal(got["h3"], vector(3)) || !slices.Equal(got["h10"], vector(10)) {
		t.Errorf("%d vectors", len(got))
	}
	do(t, s.Publish(ctx, space))
	do(t, s.Delete(ctx, space, []string{"b", "none"}))
	if docs := must[map[string]string](t)(s.Documents(ctx, space)); len(docs) != 2 {
		t.Error(docs)
	}
	hits := must[[]index.Hit](t)(s.Search(ctx, index.Query{Vector: vector(10)}))
	if len(hits) != 1 || hits[0].Document != "a" || hits[0].Score < 0.999 || hits[0].Text != "text 10 'quoted' \u00e9" || hits[0].Heading != "H" || hits[0].Start != 10 || hits[0].End != 11 || hits[0].Attributes["name"] != "a" {
		t.Errorf("%+v", hits)
	}
	if live := must[index.Space](t)(s.Live(ctx)); live != one {
		t.Errorf("%+v", live)
	}
}

func exact(t *testing.T, s index.Store) {
	ctx := t.Context()
	space := must[int64](t)(s.Open(ctx, one))
	do(t, s.Delete(ctx, space, []string{"a", "empty"}))
	const n = 300
	for at := 0; at < n; at += 30 {
		do(t, s.Put(ctx, space, []index.Stored{document(fmt.Sprintf("d%03d", at), at, at+30)}))
	}
	for q := 1000; q < 1010; q++ {
		hits := must[[]index.Hit](t)(s.Search(ctx, index.Query{Vector: vector(q), Most: 7}))
		var want []int
		for i := range n {
			want = append(want, i)
		}
		slices.SortFunc(want, func(a, b int) int {
			if nearest.Dot(vector(q), vector(a)) > nearest.Dot(vector(q), vector(b)) {
				return -1
			}
			return 1
		})
		for i, h := range hits {
			if h.Start != want[i] {
				t.Errorf("query %d: hit %d is chunk %d, want %d", q, i, h.Start, want[i])
			}
		}
		least := hits[2].Score
		if few := must[[]index.Hit](t)(s.Search(ctx, index.Query{Vector: vector(q), Most: 7, Least: least - 1e-5})); len(few) != 3 {
			t.Errorf("%d hits of at least %v", len(few), least)
		}
	}
	if _, err := s.Search(ctx, index.Query{Vector: []float32{1, 0}}); err == nil {
		t.Error("a vector of another length is no error")
	}
}

func filtered(t *testing.T, s index.Store) {
	f := func(want string, filter index.Filter) {
		t.Helper()
		hits := must[[]index.Hit](t)(s.Search(t.Context(), index.Query{Vector: vector(1), Most: 50, Filter: &filter}))
		var docs []string
		for _, h := range hits {
			docs = append(docs, h.Document)
		}
		slices.Sort(docs)
		if got := fmt.Sprint(slices.Compact(docs)); got != want {
			t.Errorf("%+v: %s, want %s", filter, got, want)
		}
	}
	f("[d030]", index.Filter{Type: "eq", Key: "n", Value: 30.0})
	f("[d030 d060]", index.Filter{Type: "in", Key: "name", Value: []any{"d030", "d060", "'; drop table chunk"}})
	f("[d000 d030]", index.Filter{Type: "and", Filters: []index.Filter{{Type: "lt", Key: "n", Value: 60.0}, {Type: "eq", Key: "even", Value: true}}})
	f("[]", index.Filter{Type: "gt", Key: "absent", Value: 1.0})
	f("[d240 d270]", index.Filter{Type: "gte", Key: "name", Value: "d240"})
}

func swapped(t *testing.T, s index.Store) {
	ctx := t.Context()
	two := one
	two.Version = "2"
	space := must[int64](t)(s.Open(ctx, two))
	do(t, s.Put(ctx, space, []index.Stored{document("new", 500, 503)}))
	search := func() string {
		hits := must[[]index.Hit](t)(s.Search(ctx, index.Query{Vector: vector(500), Most: 1}))
		return hits[0].Document
	}
	if got := search(); got == "new" {
		t.Error("it is searched before it is published")
	}
	do(t, s.Publish(ctx, space))
	if got := search(); got != "new" {
		t.Errorf("%q is found", got)
	}
	if live := must[index.Space](t)(s.Live(ctx)); live != two {
		t.Errorf("%+v", live)
	}
	old := must[int64](t)(s.Open(ctx, one))
	if docs := must[map[string]string](t)(s.Documents(ctx, old)); len(docs) != 0 {
		t.Errorf("the old space still has %d documents", len(docs))
	}
}

func apart(t *testing.T, s index.Store) {
	ctx := t.Context()
	live := must[index.Space](t)(s.Live(ctx))
	if hits := must[[]index.Hit](t)(s.Search(ctx, index.Query{Vector: vector(500), Space: live})); len(hits) != 3 {
		t.Errorf("%d hits", len(hits))
	}
	if _, err := s.Search(ctx, index.Query{Vector: vector(500), Space: one}); !errors.Is(err, index.ErrSwapped) {
		t.Error(err)
	}
	space := must[int64](t)(s.Open(ctx, live))
	longer := document("longer", 700, 701)
	longer.Chunks[0].Vector = append(longer.Chunks[0].Vector, 0)
	if err := s.Put(ctx, space, []index.Stored{longer}); err == nil {
		t.Error("vectors of another length are taken")
	}
	if docs := must[map[string]string](t)(s.Documents(ctx, space)); len(docs) != 1 {
		t.Error(docs)
	}
}

func another(t *testing.T, s, other index.Store) {
	ctx := context.Background()
	space := must[int64](t)(s.Open(ctx, index.Space{Model: "m", Version: "2", Chunks: "c"}))
	for n, want := range []int{3, 4, 0} {
		if want == 4 {
			do(t, s.Put(ctx, space, []index.Stored{document("more", 600, 601)}))
		} else if want == 0 {
			do(t, s.Delete(ctx, space, []string{"more", "new"}))
		}
		if hits := must[[]index.Hit](t)(other.Search(ctx, index.Query{Vector: vector(500)})); len(hits) != want {
			t.Errorf("step %d: %d hits, want %d", n, len(hits), want)
		}
	}
}
