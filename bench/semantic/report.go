package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"weir/cache/meaning"
)

func report(all []intent, rs []request, vectors map[string]meaning.Vector, seed uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Stored answers by meaning\n\nWritten by `make bench-semantic`, %s, seed %d. %s\n", time.Now().UTC().Format("2006-01-02"), seed, head)
	fmt.Fprintf(&b, "\n%d intents, %d requests, no text twice (an equal text is a plain hit and not counted here).\n", len(all), len(rs))
	b.WriteString("\n## How near\n\n" + nearTable(all, vectors, rs, seed))
	b.WriteString("\n## What is served\n\n| way | served | of them wrong | in the second half: served | wrong |\n|---|---|---|---|---|\n")
	var rows []result
	for _, guarded := range []bool{false, true} {
		with := map[bool]string{true: ", guard", false: ""}[guarded]
		for _, from := range []float64{0.80, 0.85, 0.90, 0.95} {
			rows = append(rows, threshold(fmt.Sprintf("cosine of at least %.2f%s", from, with), all, rs, vectors, from, guarded))
		}
	}
	for _, most := range []float64{0.01, 0.02, 0.05} {
		rows = append(rows, bounded(fmt.Sprintf("**`max_error: %g%%`**", 100*most), all, rs, vectors, most, true, seed))
	}
	half := len(rs) / 2
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.name, share(r.served, len(rs)), share(r.wrong, r.served), share(r.half[0], len(rs)-half), share(r.half[1], r.half[0]))
	}
	b.WriteString("\n## Which were wrong\n\nWrong answers by the swap between the two questions.\n\n" + kindTable(rows))
	b.WriteString(tail)
	return b.String()
}

func share(k, n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(k)/float64(n))
}

func kindTable(rows []result) string {
	var kinds []string
	for _, r := range rows {
		for k := range r.byKind {
			if !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
	}
	slices.Sort(kinds)
	var b strings.Builder
	b.WriteString("| way | " + strings.Join(kinds, " | ") + " |\n|---" + strings.Repeat("|---", len(kinds)) + "|\n")
	for _, r := range rows {
		b.WriteString("| " + r.name)
		for _, k := range kinds {
			fmt.Fprintf(&b, " | %d", r.byKind[k])
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

// nearTable compares pairs of one intent with pairs of one family, by kind.
func nearTable(all []intent, vectors map[string]meaning.Vector, rs []request, seed uint64) string {
	texts := map[int][]string{}
	for _, r := range rs {
		texts[r.intent] = append(texts[r.intent], r.text)
	}
	type pairs struct{ same, other, caught, kept []float64 }
	by, draw := map[string]*pairs{}, rand.New(rand.NewPCG(seed, 3))
	equal := func(a, b string) bool {
		x, _ := meaning.Guard(a)
		y, _ := meaning.Guard(b)
		return string(x) == string(y)
	}
	for range 60_000 {
		i, j := draw.IntN(len(all)), draw.IntN(len(all))
		if draw.IntN(2) == 0 {
			j = i
		}
		if all[i].family != all[j].family || len(texts[i]) == 0 || len(texts[j]) == 0 {
			continue
		}
		p := by[all[i].kind]
		if p == nil {
			p = &pairs{}
			by[all[i].kind] = p
		}
		a, b := texts[i][draw.IntN(len(texts[i]))], texts[j][draw.IntN(len(texts[j]))]
		if a == b {
			continue
		}
		near := meaning.Cosine(vectors[a], vectors[b])
		if i == j {
			p.same = append(p.same, near)
			if equal(a, b) {
				p.kept = append(p.kept, near)
			}
			continue
		}
		p.other = append(p.other, near)
		if !equal(a, b) {
			p.caught = append(p.caught, near)
		}
	}
	var b strings.Builder
	b.WriteString("| swap | median cosine of paraphrases | of questions that differ by the swap | paraphrases the guard lets be compared | swaps the guard sees |\n|---|---|---|---|---|\n")
	var kinds []string
	for k := range by {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		p := by[k]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", k, median(p.same), median(p.other), share(len(p.kept), len(p.same)), share(len(p.caught), len(p.other)))
	}
	return b.String()
}

func median(v []float64) string {
	if len(v) == 0 {
		return "none"
	}
	slices.Sort(v)
	return fmt.Sprintf("%.2f", v[len(v)/2])
}

const head = `The model is
paraphrase-MiniLM-L3-v2 (384 dimensions, Apache-2.0) with its real weights, run by
onnxruntime. The questions are made from rules (bench/semantic/set.go): paraphrases by
frames, greetings and synonyms, and beside each question others that differ by one swap. Answers are
right if both texts are of one intent; the comparison that Weir learns from is told so,
as by a judge that is never wrong. Thresholds store each request that asks the model and serve the
nearest stored answer, as other gateways do.`

const tail = `
"Opposite, not listed", "thing" and "name in small letters" are swaps that the guard's lists do not
have. Those who wrote the guard wrote the set too: the first table's last column is
about the lists, not about the world. Fixed thresholds learn nothing, so their share of
wrong answers stays; the bound's first half is spent on evidence.
`
