package main

import (
	"encoding/binary"
	"math/rand/v2"

	"weir/cache"
	"weir/cache/meaning"
)

// result is what a way of serving made of the stream.
type result struct {
	name          string
	served, wrong int
	byKind        map[string]int // wrong answers by the swap
	row           meaning.Row    // of the bound
	half          [2]int         // served and wrong in the second half
}

func (r *result) serve(all []intent, want, have int, late bool) {
	r.served++
	if late {
		r.half[0]++
	}
	if want == have {
		return
	}
	if late {
		r.half[1]++
	}
	r.wrong++
	kind := "another family"
	if all[want].family == all[have].family {
		kind = all[want].kind
	}
	r.byKind[kind]++
}

// circles gives each text a circle: by the guard, or one for all.
func circles(rs []request, guarded bool) []meaning.Circle {
	cs := make([]meaning.Circle, len(rs))
	for i, r := range rs {
		if !guarded {
			continue
		}
		turn := meaning.Turn{Text: r.text}
		cs[i], _ = meaning.CircleOf(&cache.Scope{Tenant: "t", Model: "m"}, &turn, "e")
	}
	return cs
}

// keyOf numbers a request's answer.
func keyOf(i int) (k cache.Key) {
	binary.BigEndian.PutUint64(k[:], uint64(i))
	return k
}

func ofKey(k cache.Key) int { return int(binary.BigEndian.Uint64(k[:])) }

// stored is a prompt of threshold.
type stored struct {
	vector meaning.Vector
	intent int
}

// threshold serves the nearest stored answer from a similarity on, as other gateways do. It
// forgets none.
func threshold(name string, all []intent, rs []request, vectors map[string]meaning.Vector, from float64, guarded bool) result {
	res, of, cs := result{name: name, byKind: map[string]int{}}, map[meaning.Circle][]stored{}, circles(rs, guarded)
	for i, r := range rs {
		v, near, have := vectors[r.text], from, -1
		for _, p := range of[cs[i]] {
			if c := meaning.Cosine(v, p.vector); c >= near && (have < 0 || c > near) {
				near, have = c, p.intent
			}
		}
		if have >= 0 {
			res.serve(all, r.intent, have, 2*i >= len(rs))
			continue
		}
		of[cs[i]] = append(of[cs[i]], stored{v, r.intent})
	}
	return res
}

// bounded serves by package meaning, whose comparisons are right here: it is told which
// texts are of one intent.
func bounded(name string, all []intent, rs []request, vectors map[string]meaning.Vector, most float64, guarded bool, seed uint64) result {
	res, s, cs := result{name: name, byKind: map[string]int{}}, meaning.New(1<<40), circles(rs, guarded)
	draw, terms := rand.New(rand.NewPCG(seed, 2)), meaning.Terms{MaxError: most}
	for i, r := range rs {
		m, ok := s.Nearest(cs[i], vectors[r.text])
		if ok {
			have := rs[ofKey(m.Key)].intent
			v := s.Decide(m, terms, draw.Float64())
			if v.Serve {
				res.serve(all, r.intent, have, 2*i >= len(rs))
				continue
			}
			if s.Learn(m, v, terms, have == r.intent); have == r.intent {
				continue
			}
		}
		s.Add(cs[i], meaning.Pool{Model: "m"}, vectors[r.text], keyOf(i))
	}
	res.row = s.Report()[0]
	return res
}
