package chunks

import (
	"bufio"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/index"
	"weir/index/chunk"
)

// hashed embeds by the words of a text. It says each request on Out.
type hashed struct {
	out   io.Writer
	texts int
}

func (h *hashed) Embed(_ context.Context, texts []string) (vs [][]float32, used index.Used, err error) {
	for _, text := range texts {
		v := make([]float32, 64)
		for w := range strings.FieldsSeq(text) {
			f := fnv.New64a()
			f.Write([]byte(w))
			v[f.Sum64()%64] += 1 + float32(f.Sum64()>>32%100)/100
		}
		vs = append(vs, v)
		used.Tokens += int64(chunk.Tokens(text))
	}
	h.texts += len(texts)
	if h.out != nil {
		fmt.Fprintln(h.out, "embedded")
	}
	return vs, used, nil
}

func builder(s index.Store, dir, version string, e *hashed) *index.Build {
	return &index.Build{Corpus: index.Folder{Dir: dir}, Store: s, Embedder: e, Space: index.Space{Model: "m", Version: version}, Chunks: chunk.Options{Tokens: 30}, Batch: 4}
}

// TestMain is also the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("WEIR_INDEX_DIR"); dir != "" {
		s, err := Open(os.Getenv("WEIR_INDEX_INTO"))
		if err == nil {
			b := builder(s, dir, os.Getenv("WEIR_INDEX_VERSION"), &hashed{out: os.Stdout})
			b.Each = func(index.Report) { fmt.Println("written") }
			_, err = b.Run(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("done")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// write makes a folder of documents; those in changed have other text.
func write(t *testing.T, dir string, n int, changed ...int) {
	t.Helper()
	for i := range n {
		text := fmt.Sprintf("# Document %d\n\n", i)
		for p := range 4 {
			text += fmt.Sprintf("## Part %d\n\nThis is paragraph %d of document %d, version %d.\n\n", p, p, i, count(changed, i)*boolOf(p == 2))
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("d%03d.md", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func boolOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

func count(list []int, i int) int { return boolOf(slices.Contains(list, i)) }

// dump is everything that is searched.
func dump(t *testing.T, path string) string {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	live, err := s.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%+v\n", live)
	rows, err := s.read.Query("SELECT d.id || d.hash || d.attributes || c.place || c.hash || c.first || c.last || c.heading || c.body || hex(c.vector) FROM document d JOIN chunk c ON c.space = d.space AND c.document = d.id ORDER BY d.id, c.place")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			t.Fatal(err)
		}
		out += row + "\n"
	}
	return out
}

// A run that is killed at any moment, again and again, ends as one that is not. Until then
// what was searched before is there whole.
func TestARunThatIsKilledGoesOn(t *testing.T) {
	dir, into, clean := t.TempDir(), filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "b.db")
	r := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	write(t, dir, 16)
	build(t, into, dir, "1")
	kills := 0
	for round, version := range []string{"1", "2"} { // changed documents, and a new space
		write(t, dir, 16, 3, 9, 10, 12+round)
		os.Remove(filepath.Join(dir, fmt.Sprintf("d%03d.md", round)))
		for run(t, dir, into, version, r.IntN(9)) {
			kills++
			if live := dump(t, into); strings.Count(live, "d015.md") == 0 {
				t.Fatal("the index is not whole between two runs")
			}
		}
		os.Remove(clean)
		build(t, clean, dir, version)
		if dump(t, into) != dump(t, clean) {
			t.Errorf("round %d: the end is another one than without kills", round)
		}
	}
	if kills == 0 {
		t.Error("no run was killed")
	}
}

// run lets another process build, and kills it when it has said so many lines; false: it
// came to its end.
func run(t *testing.T, dir, into, version string, lines int) (killed bool) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "WEIR_INDEX_DIR="+dir, "WEIR_INDEX_INTO="+into, "WEIR_INDEX_VERSION="+version)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	for n := 0; in.Scan(); n++ {
		if in.Text() == "done" {
			if err := c.Wait(); err != nil {
				t.Fatal(err)
			}
			return false
		}
		if n == lines {
			c.Process.Kill()
		}
	}
	c.Wait()
	return true
}

func build(t *testing.T, into, dir, version string) (r index.Report, e hashed) {
	t.Helper()
	s, err := Open(into)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if r, err = builder(s, dir, version, &e).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, e
}

// Only what has changed is embedded again; a dry run says so before.
func TestOnlyChangedChunksAreEmbedded(t *testing.T) {
	const n = 400
	dir, into := t.TempDir(), filepath.Join(t.TempDir(), "a.db")
	write(t, dir, n)
	all, e := build(t, into, dir, "1")
	if e.texts != all.Embedded || all.Embedded != all.Chunks || all.Documents != n || !all.Whole {
		t.Fatalf("%+v, %d texts", all, e.texts)
	}
	write(t, dir, n, 7, 70, 170, 270) // 1 %
	os.Remove(filepath.Join(dir, "d001.md"))
	s, err := Open(into)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := builder(s, dir, "1", &hashed{})
	b.Dry = true
	dry, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, e := build(t, into, dir, "1")
	if got.Embedded != 4 || e.texts != 4 || got.Changed != 4 || got.Deleted != 1 || got.Whole || dry.Embedded != 4 || dry.Deleted != 1 || dry.Estimated != got.Estimated || dry.Tokens != 0 {
		t.Errorf("%+v\ndry %+v", got, dry)
	}
	if share := float64(got.Embedded) / float64(all.Chunks); share >= 0.02 {
		t.Errorf("%.3f of the chunks", share)
	}
	if again, _ := build(t, into, dir, "1"); again.Changed != 0 || again.Embedded != 0 || again.Deleted != 0 {
		t.Errorf("%+v", again)
	}
}
