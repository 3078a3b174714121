package nearest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// clustered draws vectors as texts have them: near one of some centres.
func clustered(r *rand.Rand, n, dims, centres int) [][]float32 {
	draw := func() []float32 {
		v := make([]float32, dims)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	var cs [][]float32
	for range centres {
		cs = append(cs, draw())
	}
	out := make([][]float32, n)
	for i := range out {
		v, c := draw(), cs[r.IntN(len(cs))]
		for k := range v {
			v[k] += c[k]
		}
		out[i] = Unit(v)
	}
	return out
}

func exact(all [][]float32, q []float32, k int) []int {
	at := make([]int, len(all))
	score := make([]float32, len(all))
	for i := range all {
		at[i], score[i] = i, Dot(q, all[i])
	}
	slices.SortStableFunc(at, func(a, b int) int {
		if score[a] > score[b] {
			return -1
		} else if score[a] < score[b] {
			return 1
		}
		return 0
	})
	return at[:min(k, len(at))]
}

// recall is the part of the exact nearest k that are among those found, compared exactly.
func recall(s *Set, all [][]float32, qs [][]float32, k int) float64 {
	hits := 0
	for _, q := range qs {
		found := s.Search(q, k, nil)
		slices.SortStableFunc(found, func(a, b Found) int {
			if Dot(q, all[a.At]) > Dot(q, all[b.At]) {
				return -1
			}
			return 1
		})
		want := exact(all, q, k)
		for _, f := range found[:min(k, len(found))] {
			if slices.Contains(want, f.At) {
				hits++
			}
		}
	}
	return float64(hits) / float64(k*len(qs))
}

func filled(all [][]float32) *Set {
	s := &Set{}
	s.Grow(len(all), len(all[0]))
	for _, v := range all {
		s.Add(v)
	}
	return s
}

func TestNearlyAllOfTheNearestAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all := clustered(r, 5050, 384, 50)
	if got := recall(filled(all[50:]), all[50:], all[:50], 10); got < 0.98 {
		t.Errorf("recall@10 %.3f", got)
	}
}

// A set of no more vectors than a search compares gives the exact answer.
func TestASmallSetIsSearchedExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	all := clustered(r, 200, 30, 3)
	s := filled(all)
	for i, v := range all {
		if found := s.Search(v, 1, nil); found[0].At != i {
			t.Errorf("vector %d is nearest to %d", i, found[0].At)
		}
	}
	if found := s.Search(all[5], 300, func(at int) bool { return at%2 == 0 }); len(found) != 100 {
		t.Errorf("%d are allowed", len(found))
	}
	if s.Add([]float32{1}) || s.Len() != 200 || s.Search([]float32{1}, 1, nil) != nil {
		t.Error("another length was taken")
	}
}

func Benchmark100k(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	all := clustered(r, 100_100, 384, 500)
	s := filled(all[100:])
	b.ReportMetric(recall(s, all[100:], all[:100], 10), "recall@10")
	b.ReportMetric(float64(s.Bytes())/float64(s.Len()), "bytes/vector")
	for i := 0; b.Loop(); i++ {
		s.Search(all[i%100], 10, nil)
	}
}
