package arch

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEachDecisionHasItsNumber: a number names one decision, in the file's name
// and in its heading.
func TestEachDecisionHasItsNumber(t *testing.T) {
	files, err := filepath.Glob("../../docs/decisions/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d decisions, %v: the walk is broken", len(files), err)
	}
	first := map[int]string{}
	for _, file := range files {
		var number int
		name := filepath.Base(file)
		if _, err := fmt.Sscanf(name, "%04d-", &number); err != nil {
			t.Errorf("%s: want a name that begins with four digits: %v", name, err)
			continue
		}
		if other, ok := first[number]; ok {
			t.Errorf("%s has the number of %s: give it the next free one", name, other)
		}
		first[number] = name
		if want := fmt.Sprintf("# %d. ", number); !strings.HasPrefix(read(t, file), want) {
			t.Errorf("%s: want a heading that begins with %q", name, want)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)

// TestLinksLeadSomewhere: links of the documents inside the repository have a
// target.
func TestLinksLeadSomewhere(t *testing.T) {
	links := 0
	walk(t, func(file string) {
		if !strings.HasSuffix(file, ".md") {
			return
		}
		for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", file, m[1])
			}
		}
	})
	if links < 10 {
		t.Errorf("found %d links: the pattern is broken", links)
	}
}

// TestTheArchitectureListsWhatIsThere: each package, and each nested module,
// has one line in docs/ARCHITECTURE.md, marked P where the rules say it is
// pure. Packages that test an interface's implementations are in its line.
func TestTheArchitectureListsWhatIsThere(t *testing.T) {
	listed := map[string]bool{}
	text, _, _ := strings.Cut(read(t, "../../docs/ARCHITECTURE.md"), "\n## ")
	var parents [2]string // of the line, by its indentation
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), "/")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if !ok || indent != 2 && indent != 4 {
			continue
		}
		if more, after, ok := strings.Cut(rest, "/ "); ok && !strings.Contains(more, " ") {
			name, rest = name+"/"+more, after
		}
		if indent == 2 {
			parents[1] = name + "/"
		}
		name = parents[indent/2-1] + name
		if listed[name] {
			t.Errorf("docs/ARCHITECTURE.md lists %s twice", name)
		}
		listed[name] = true
		pure := strings.HasPrefix(strings.TrimSpace(rest), "P ")
		if p, ok := house["weir/"+name]; ok && p.pure != pure {
			t.Errorf("docs/ARCHITECTURE.md marks %s pure: %v; the rules say %v", name, pure, p.pure)
		}
	}
	for pkg := range house {
		name, inside := strings.CutPrefix(pkg, "weir/")
		if inside && !strings.HasSuffix(name, "test") && !strings.HasPrefix(name, "bench/") && !listed[name] {
			t.Errorf("docs/ARCHITECTURE.md does not list %s", name)
		}
	}
	walk(t, func(file string) {
		if filepath.Base(file) != "go.mod" {
			return
		}
		dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(file), filepath.Join("..", "..")+string(filepath.Separator)))
		if dir != filepath.ToSlash(filepath.Dir(file)) && !listed[dir] && !listed[path.Dir(dir)] {
			t.Errorf("docs/ARCHITECTURE.md does not list the module %s", dir)
		}
	})
	for name := range listed {
		if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
			t.Errorf("docs/ARCHITECTURE.md lists %s, which is not there", name)
		}
	}
}

// walk calls see with every file of the repository.
func walk(t *testing.T, see func(file string)) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == ".venv") {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			see(file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var metric = regexp.MustCompile(`\bweir_[a-z_]+[a-z]\b`)

// TestGuidesNameMetricsThatExist: observe makes every metric in a guide.
func TestGuidesNameMetricsThatExist(t *testing.T) {
	made := map[string]bool{}
	walk(t, func(file string) {
		if filepath.Base(filepath.Dir(file)) == "observe" && strings.HasSuffix(file, ".go") {
			for _, name := range metric.FindAllString(read(t, file), -1) {
				made[name] = true
			}
		}
	})
	guides, err := filepath.Glob("../../docs/guide/*.md")
	if err != nil || len(guides) == 0 || len(made) < 40 {
		t.Fatalf("found %d guides and %d metrics, %v: the walk is broken", len(guides), len(made), err)
	}
	for _, file := range guides {
		for _, name := range metric.FindAllString(read(t, file), -1) {
			if !made[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s names %s, which observe does not make", filepath.Base(file), name)
			}
		}
	}
}
