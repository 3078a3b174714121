// Command index measures an index of documents: how many of the nearest chunks a search
// finds, the processor time it takes, and how much of a corpus is embedded again when a
// part of it changes. It writes docs/benchmarks/index.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"weir/index"
	"weir/index/chunk"
	"weir/index/nearest"
	"weir/store/chunks"
)

func main() {
	out := flag.String("out", "", "write the page to this `file`")
	flag.Parse()
	page := "# An index of documents\n\nWritten by `make bench-index`. Processor time (user and system) of the whole process, on one of\n" +
		fmt.Sprintf("%s's %s cores; the vectors are drawn from a seed.\n\n", runtime.GOARCH, cpu()) + searches() + documents()
	if *out == "" {
		fmt.Print(page)
		return
	}
	if err := os.WriteFile(*out, []byte(page), 0o644); err != nil {
		log.Fatal(err)
	}
}

func cpu() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// used is the processor time of this process.
func used() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		log.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

const (
	vectors = 100_000
	dims    = 384
	queries = 200
	most    = 10
)

// searches measures an index of 100,000 vectors.
func searches() string {
	text := fmt.Sprintf("## %d vectors of %d numbers\n\n%d queries for the nearest %d in SQLite, after one that loads the vectors. Recall is the part of the\nnearest %d by exact comparison that is found.\n\n", vectors, dims, queries, most, most) +
		"| vectors | recall@10 | processor time of a search | of it in memory | memory | loading |\n|---|---|---|---|---|---|\n"
	for _, centres := range []int{500, 0} {
		name := fmt.Sprintf("near one of %d centres, as texts on %d subjects", centres, centres)
		if centres == 0 {
			name = "independent of each other: the worst case"
		}
		text += "| " + name + " | " + search(draw(vectors+queries, centres)) + " |\n"
	}
	return text + "\n"
}

func draw(n, centres int) [][]float32 {
	r := rand.New(rand.NewPCG(1, 2))
	one := func() []float32 {
		v := make([]float32, dims)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	var cs [][]float32
	for range centres {
		cs = append(cs, one())
	}
	out := make([][]float32, n)
	for i := range out {
		v := one()
		if centres > 0 {
			for k, f := range cs[r.IntN(centres)] {
				v[k] += f
			}
		}
		out[i] = nearest.Unit(v)
	}
	return out
}

func search(all [][]float32) string {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "weir-bench-index-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := chunks.Open(filepath.Join(dir, "index.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	space, err := s.Open(ctx, index.Space{Model: "m"})
	check(err)
	qs, all := all[:queries], all[queries:]
	for at := 0; at < len(all); at += 1000 {
		d := index.Stored{ID: fmt.Sprint(at), Hash: "h"}
		for i := at; i < at+1000; i++ {
			d.Chunks = append(d.Chunks, index.Chunk{Hash: fmt.Sprint(i), Start: i, Text: "a chunk of text", Vector: all[i]})
		}
		check(s.Put(ctx, space, []index.Stored{d}))
	}
	check(s.Publish(ctx, space))
	began := used()
	_, err = s.Search(ctx, index.Query{Vector: qs[0], Most: most})
	check(err)
	load := used() - began
	set := &nearest.Set{}
	for _, v := range all {
		set.Add(v)
	}
	began = used()
	for _, q := range qs {
		set.Search(q, most, nil)
	}
	inMemory := (used() - began) / queries
	hits := make([][]index.Hit, len(qs))
	runtime.GC()
	began = used()
	for i, q := range qs {
		hits[i], err = s.Search(ctx, index.Query{Vector: q, Most: most})
		check(err)
	}
	whole := (used() - began) / queries
	found := 0
	for i, q := range qs {
		want := exact(all, q)
		for _, h := range hits[i] {
			if slices.Contains(want, h.Start) {
				found++
			}
		}
	}
	return fmt.Sprintf("%.4f | %.1f ms | %.1f ms | %d MB | %.1f s", float64(found)/float64(queries*most), ms(whole), ms(inMemory), set.Bytes()>>20, load.Seconds())
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// exact are the nearest by exact comparison.
func exact(all [][]float32, q []float32) (best []int) {
	scores := make([]float32, len(all))
	for i := range all {
		scores[i] = nearest.Dot(q, all[i])
	}
	sorted := slices.Clone(scores)
	slices.Sort(sorted)
	least := sorted[len(sorted)-most]
	for i, f := range scores {
		if f >= least {
			best = append(best, i)
		}
	}
	return best
}

// words embeds by the words of a text.
type words struct{ texts int }

func (w *words) Embed(_ context.Context, texts []string) (vs [][]float32, u index.Used, err error) {
	w.texts += len(texts)
	for _, text := range texts {
		v := make([]float32, dims)
		for word := range strings.FieldsSeq(text) {
			f := fnv.New64a()
			f.Write([]byte(word))
			v[f.Sum64()%dims]++
		}
		vs = append(vs, v)
	}
	return vs, u, nil
}

// documents measures what is embedded again after changes in 1 % of 10,000 documents.
func documents() string {
	const n = 10_000
	dir, err := os.MkdirTemp("", "weir-bench-index-")
	check(err)
	defer os.RemoveAll(dir)
	docs := filepath.Join(dir, "docs")
	check(os.Mkdir(docs, 0o700))
	r := rand.New(rand.NewPCG(3, 4))
	text := make([]string, n)
	for i := range text {
		text[i] = page(r)
	}
	write := func(i int) {
		check(os.WriteFile(filepath.Join(docs, fmt.Sprintf("%05d.md", i)), []byte(text[i]), 0o600))
	}
	for i := range text {
		write(i)
	}
	s, err := chunks.Open(filepath.Join(dir, "index.db"))
	check(err)
	defer s.Close()
	run := func() (index.Report, time.Duration) {
		began := used()
		b := index.Build{Corpus: index.Folder{Dir: docs}, Store: s, Embedder: &words{}, Space: index.Space{Model: "m"}, Chunks: chunk.Options{}}
		rep, err := b.Run(context.Background())
		check(err)
		return rep, used() - began
	}
	first, took := run()
	for i := 0; i < n; i += 100 { // one word more, somewhere
		at := r.IntN(len(text[i]))
		text[i] = text[i][:at] + " changed " + text[i][at:]
		write(i)
	}
	again, tookAgain := run()
	_, nothing := run()
	return fmt.Sprintf("## %d documents, 1 %% of them changed\n\nMarkdown of about %d chunks each, in SQLite. A word is put in somewhere in each changed document.\n\n"+
		"| run | documents changed | chunks embedded | of all chunks | processor time |\n|---|---|---|---|---|\n"+
		"| the first | %d | %d | 100 %% | %.1f s |\n| after the change | %d | %d | %.2f %% | %.1f s |\n| without a change | 0 | 0 | 0 %% | %.1f s |\n",
		n, first.Chunks/n, first.Changed, first.Embedded, took.Seconds(), again.Changed, again.Embedded, 100*float64(again.Embedded)/float64(first.Embedded), tookAgain.Seconds(), nothing.Seconds())
}

// page is a document of several sections.
func page(r *rand.Rand) string {
	var b strings.Builder
	for range 3 + r.IntN(4) {
		fmt.Fprintf(&b, "## %s\n\n", sentence(r, 3))
		for range 1 + r.IntN(4) {
			b.WriteString(sentence(r, 40+r.IntN(80)) + ".\n\n")
		}
	}
	return b.String()
}

func sentence(r *rand.Rand, n int) string {
	var out []string
	for range n {
		out = append(out, fmt.Sprintf("w%d", r.IntN(20_000)))
	}
	return strings.Join(out, " ")
}
