package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/scale"
)

// A change of the file by another program is reported, and the next line is
// whole and a checkpoint.
func TestAJournalThatIsChangedFromOutsideIsTold(t *testing.T) {
	f := func(want string, do func(path string) error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "journal")
		var told []string
		j, err := OpenJournal(JournalOptions{Path: path, Tell: func(s string) { told = append(told, s) }})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		m := mark{}
		write := func() {
			t.Helper()
			if m, err = j.write(Line{Version: Version, Deployment: "chat/a"}, m, &scale.Policy{}, &scale.State{}); err != nil {
				t.Fatal(err)
			}
		}
		write()
		write()
		if len(told) > 0 {
			t.Errorf("%s: told %q before anything happened", want, told)
		}
		if err := do(path); err != nil {
			t.Fatal(err)
		}
		write()
		write()
		if len(told) != 1 || !strings.Contains(told[0], want) {
			t.Errorf("told %q, want one with %q", told, want)
		}
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), `"policy"`) || !strings.HasSuffix(string(b), "}\n") {
			t.Errorf("%s: the file holds %q (%v)", want, b, err)
		}
	}
	f("bytes are lost", func(path string) error { return os.Truncate(path, 0) })
	f("was removed", os.Remove)
	f("was replaced", func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.WriteFile(path, []byte("{}\n"), 0o600)
	})
	f("bytes are not Weir's", func(path string) error {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteString("garbage\n")
		file.Close()
		return err
	})
}

func TestAJournalIsForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	j, err := OpenJournal(JournalOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestWhatIsWrongWithAJournalIsNamed(t *testing.T) {
	f := func(content, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		trouble, err := Examine(path)
		if have := strings.Join(trouble, "; "); err != nil || want == "" && have != "" || !strings.Contains(have, want) {
			t.Errorf("%q: have %q (%v), want %q", content, have, err, want)
		}
	}
	const good = `{"v":1,"deployment":"a"}` + "\n"
	f(good+good, "")
	f(good+`{"v":1,"depl`, "") // torn: its process was killed
	f("", "is empty: earlier decisions are unknown")
	f(good+"garbage\n"+good, "line 2 cannot be read")
	f(strings.Repeat("x\n", 9), "4 further lines cannot be read")
	if trouble, err := Examine(filepath.Join(t.TempDir(), "none")); trouble != nil || err != nil {
		t.Errorf("%v %v", trouble, err)
	}
}
