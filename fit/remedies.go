package fit

import (
	"fmt"
	"slices"
)

// Remedy is a change that makes the model fit.
type Remedy struct {
	Change  string  `json:"change"` // what to change, with the flags
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why"`
	GPUs    int     `json:"gpus"` // for one replica
}

// remedies lists the nearest changes that fit, cheapest first: a little quality
// or length before money. Two changes together are tried where no single one
// keeps the requests and the context asked for, or where they do with fewer
// GPUs; three, where two do not. others are larger GPUs, smallest first.
func remedies(m *Model, s Setup, others []GPU) []Remedy {
	length, sizes := lengthChanges(m, s), sizeChanges(s, others)
	keep := [][]change{quantChanges(m, s), cacheChanges(m, s), tensorChanges(m, s)}
	narrower, shorter, wider := singly(m, s, keep[:2]), singly(m, s, [][]change{length}), singly(m, s, keep[2:])
	larger := singly(m, s, [][]change{sizes})
	if len(narrower) > 0 {
		return slices.Concat(narrower, shorter, wider, larger)
	}
	if len(larger) == 0 {
		keep = append(keep, sizes)
	}
	more := together(m, s, keep, 2)
	if len(more)+len(wider)+len(larger) == 0 {
		more = together(m, s, keep, 3)
	}
	if len(more)+len(shorter)+len(wider)+len(larger) == 0 {
		more = together(m, s, append(keep, length), 2)
	}
	for _, w := range wider {
		more = slices.DeleteFunc(more, func(r Remedy) bool { return r.GPUs >= w.GPUs })
	}
	return slices.Concat(shorter, more[:min(4, len(more))], wider, larger)
}

// singly is the first single change of each kind that fits.
func singly(m *Model, s Setup, groups [][]change) []Remedy {
	var out []Remedy
	for _, g := range groups {
		if r, ok := nearestOf(m, s, change{apply: func(s Setup) Setup { return s }}, [][]change{g}); ok {
			out = append(out, r)
		}
	}
	return out
}

// together tries n changes of different kinds at once: the nearest of each
// combination, fewest GPUs first.
func together(m *Model, s Setup, groups [][]change, n int) []Remedy {
	var out []Remedy
	var choose func(from int, kinds [][]change)
	choose = func(from int, kinds [][]change) {
		if len(kinds) == n {
			if r, ok := nearestOf(m, s, change{apply: func(s Setup) Setup { return s }}, kinds); ok {
				out = append(out, r)
			}
			return
		}
		for i := from; i < len(groups); i++ {
			choose(i+1, append(slices.Clone(kinds), groups[i]))
		}
	}
	choose(0, nil)
	slices.SortStableFunc(out, func(a, b Remedy) int { return a.GPUs - b.GPUs })
	return out
}

// nearestOf is the first combination of one change of each kind that fits with
// the fewest GPUs.
func nearestOf(m *Model, s Setup, so change, kinds [][]change) (Remedy, bool) {
	if len(kinds) == 0 {
		return so.try(m, s)
	}
	var best Remedy
	found := false
	for _, c := range kinds[0] {
		what := c.what
		if so.what != "" {
			what = so.what + " and " + c.what
		}
		both := change{what, func(s Setup) Setup { return c.apply(so.apply(s)) }}
		if r, ok := nearestOf(m, s, both, kinds[1:]); ok && (!found || r.GPUs < best.GPUs) {
			best, found = r, true
		}
	}
	return best, found
}

// change is one possible change of a setup.
type change struct {
	what  string
	apply func(Setup) Setup
}

func (c change) try(m *Model, s Setup) (Remedy, bool) {
	t := c.apply(s)
	if t.validate() != nil || t.Engine.accepts(m, &t) != nil || layoutRules(m, t) != nil {
		return Remedy{}, false
	}
	a := check(m, t)
	return Remedy{Change: c.what, Verdict: a.Verdict, Why: a.Why, GPUs: t.TP * t.PP}, a.Verdict.Serves()
}

// quantChanges are narrower formats, the widest first.
func quantChanges(m *Model, s Setup) []change {
	names := []string{"fp8", "awq"}
	switch {
	case s.Engine.Name == "llama.cpp":
		names = []string{"q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m"}
	case !s.GPU.FP8:
		names = []string{"int8", "awq"}
	}
	var out []change
	for _, n := range names {
		q := mustQuant(n)
		if q.Linear >= m.mixed(s.Quant).Linear || !m.generates() || m.Stored != nil || q.Expert >= s.Quant.Expert && m.Experts > 0 {
			continue
		}
		out = append(out, change{"quantise to " + n + " (--quant " + n + ")", func(s Setup) Setup { s.Quant = q; return s }})
	}
	return out
}

func cacheChanges(m *Model, s Setup) []change {
	if !m.generates() || s.kvBytes(m) <= 1 {
		return nil
	}
	if s.Engine.Name == "llama.cpp" {
		return []change{{"keep the KV cache in q8_0 (--kv q8_0)", func(s Setup) Setup { s.KV = "q8_0"; return s }}}
	}
	return []change{{"keep the KV cache in fp8 (--kv fp8)", func(s Setup) Setup { s.KV = "fp8"; return s }}}
}

// lengthChanges are fewer requests, then shorter ones, as far as they fit now;
// and a smaller batch, for which the sampler reserves less.
func lengthChanges(m *Model, s Setup) []change {
	a := check(m, s)
	var out []change
	if m.generates() && a.MaxConcurrent >= 1 && a.MaxConcurrent < s.Concurrency {
		n := a.MaxConcurrent
		out = append(out, change{fmt.Sprintf("at most %d requests at once (--concurrency %d)", n, n), func(s Setup) Setup { s.Concurrency = n; return s }})
	}
	if room := a.Stages[a.Tight].Cache; m.generates() && room > 0 {
		c := m.cache(s, s.TP, stageLayers(m.Layers, s.PP)[a.Tight])
		if n := longest(m, c, int64(float64(room)/1.11)/int64(s.Concurrency), s.BatchTokens, s.Context); n >= 512 && n < s.Context {
			n -= n % 256
			out = append(out, change{fmt.Sprintf("a context of %d tokens (--context %d)", n, n), func(s Setup) Setup { s.Context = n; return s }})
		}
	}
	if s.MaxSeqs > 64 && s.Engine.traits().claims && s.Concurrency <= 64 {
		out = append(out, change{"a batch of 64 (--max-seqs 64)", func(s Setup) Setup { s.MaxSeqs = 64; return s }})
	}
	return out
}

func tensorChanges(m *Model, s Setup) []change {
	var out []change
	for n := s.TP + 1; n <= max(16, 4*s.TP); n++ {
		if n&(n-1) != 0 { // machines have GPUs in powers of two
			continue
		}
		if s.Engine.traits().layersOnly {
			out = append(out, change{fmt.Sprintf("layers over %d GPUs (--pp %d)", n, n), func(s Setup) Setup { s.PP = n; return s }})
			continue
		}
		out = append(out, change{fmt.Sprintf("%d GPUs, tensor parallel (--tp %d)", n, n), func(s Setup) Setup { s.TP = n; return s }})
	}
	return out
}

func sizeChanges(s Setup, others []GPU) []change {
	var out []change
	for _, g := range others {
		if g.Total > s.GPU.Total {
			out = append(out, change{"a larger GPU (--gpu " + g.Name + ")", func(s Setup) Setup { s.GPU = g; return s }})
		}
	}
	return out
}
