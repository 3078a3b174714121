package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir"
	"weir/scale"
)

func open(t *testing.T, o JournalOptions) *Journal {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "journal")
	}
	j, err := OpenJournal(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// write adds a line the way a step does.
func write(j *Journal, deployment string, m mark) (mark, error) {
	line := Line{Version: Version, Deployment: deployment, Observation: scale.Unknown(weir.Instant(1))}
	return j.write(line, m, &scale.Policy{Max: 1}, &scale.State{})
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func checkpoints(ls []string) (n int) {
	for _, l := range ls {
		if strings.Contains(l, `"state":{"now"`) {
			n++
		}
	}
	return n
}

func TestEveryFileBeginsWithACheckpointOfEachDeployment(t *testing.T) {
	j := open(t, JournalOptions{MaxBytes: 8000, Keep: 2, CheckpointEvery: 1000})
	defer j.Close()
	marks := map[string]mark{}
	for range 60 {
		for _, name := range []string{"a", "b"} {
			m, err := write(j, name, marks[name])
			if err != nil {
				t.Fatal(err)
			}
			marks[name] = m
		}
	}
	for _, path := range []string{rotated(j.o.Path, 0), rotated(j.o.Path, 1), rotated(j.o.Path, 2)} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 9500 {
			t.Errorf("%s has %d bytes, set aside at 8000", path, info.Size())
		}
		ls := lines(t, path)
		if n := checkpoints(ls); n != min(2, len(ls)) {
			t.Errorf("%s has %d checkpoints in %d lines, want one of each deployment", path, n, len(ls))
		}
	}
	if _, err := os.Stat(rotated(j.o.Path, 3)); !os.IsNotExist(err) {
		t.Errorf("a third file was kept: %v", err)
	}
}

func TestACheckpointComesEverySoManyLines(t *testing.T) {
	j := open(t, JournalOptions{CheckpointEvery: 10})
	defer j.Close()
	var m mark
	for range 35 {
		var err error
		if m, err = write(j, "a", m); err != nil {
			t.Fatal(err)
		}
	}
	if n := checkpoints(lines(t, j.o.Path)); n != 4 {
		t.Errorf("%d checkpoints in 35 lines, want 4", n)
	}
}

func TestATornLastLineIsRemoved(t *testing.T) {
	f := func(have, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, []byte(have), 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, JournalOptions{Path: path})
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != want {
			t.Errorf("%.20q became %.20q, %v", have, b, err)
		}
	}
	long := strings.Repeat("x", 200<<10)
	f("", "")
	f("a\n", "a\n")
	f("a\nb", "a\n")
	f("torn", "")
	f("a\n"+long, "a\n")
	f(long+"\n"+long, long+"\n")
}

func TestAFullDiskIsToldOnceCountedAndRecoveredFrom(t *testing.T) {
	j := open(t, JournalOptions{CheckpointEvery: 1000})
	defer j.Close()
	m, err := write(j, "a", mark{})
	if err != nil {
		t.Fatal(err)
	}
	// A read-only file stands for a full disk.
	good := j.file
	if j.file, err = os.Open(j.o.Path); err != nil {
		t.Fatal(err)
	}
	told := 0
	for range 5 {
		if m, err = write(j, "a", m); err != nil {
			told++
		}
	}
	if told != 1 || j.Dropped() != 5 {
		t.Errorf("told %d times of %d lost lines, want once of 5", told, j.Dropped())
	}
	j.file.Close()
	j.file = good
	if _, err = write(j, "a", m); err != nil {
		t.Fatal(err)
	}
	ls := lines(t, j.o.Path)
	if len(ls) != 2 || checkpoints(ls) != 2 {
		t.Errorf("%d lines, %d checkpoints; want 2 and 2: a line after a lost one starts with a checkpoint", len(ls), checkpoints(ls))
	}
}

func TestAClosedJournalDropsLines(t *testing.T) {
	j := open(t, JournalOptions{})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := write(j, "a", mark{}); err == nil || j.Dropped() != 1 {
		t.Errorf("error %v, dropped %d", err, j.Dropped())
	}
}
