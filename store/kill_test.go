package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/meter"
	"weir/store"
	"weir/store/storetest"
)

// killedChild is set in the environment of the process to be killed: the path
// of its ledger, or the URL of its database.
const killedChild = "WEIR_TEST_KILLED_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(killedChild); path != "" {
		meterUntilKilled(path)
	}
	os.Exit(m.Run())
}

// announcing prints to standard output each batch before it is written, and
// again once it is durable.
type announcing struct {
	meter.Ledger
	written int64
}

func (a *announcing) Write(ctx context.Context, b meter.Batch) error {
	var n int64
	for _, r := range b.Rows {
		n += r.Requests
	}
	fmt.Println("writing", a.written+n)
	if err := a.Ledger.Write(ctx, b); err != nil {
		return err
	}
	a.written += n
	fmt.Println("written", a.written)
	return nil
}

// meterUntilKilled is a process that meters as fast as it can.
func meterUntilKilled(where string) {
	s, err := openHere(context.Background(), where)
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	w := store.NewWriter(&announcing{Ledger: s}, store.WriterOptions{Every: 20 * time.Millisecond})
	go func() {
		for i := 0; ; i++ {
			w.Add(record(fmt.Sprint(i % 50)))
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	fmt.Println("failed", w.Run(context.Background()))
	os.Exit(1)
}

// After kill -9 at any moment every finished write is there, and all or nothing
// of the write under way. The loss is at most what was added since the last
// write began: Every and the time of one write.
func TestKillNineLosesAtMostWhatCameSinceTheLastWrite(t *testing.T) {
	server := storetest.Start(t)
	for _, database := range []struct {
		name string
		make func() string
	}{
		{"sqlite", func() string { return filepath.Join(t.TempDir(), "weir.db") }},
		{"postgres", server.Database},
	} {
		t.Run(database.name, func(t *testing.T) { killedInRounds(t, database.make) })
	}
}

func killedInRounds(t *testing.T, database func() string) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		path := database()
		child := exec.CommandContext(t.Context(), exe)
		child.Env = append(os.Environ(), killedChild+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		writing, written := int64(0), int64(0)
		read := func() bool {
			if !lines.Scan() {
				return false
			}
			word, n, _ := strings.Cut(lines.Text(), " ")
			switch word {
			case "writing":
				_, err = fmt.Sscan(n, &writing)
			case "written":
				_, err = fmt.Sscan(n, &written)
			default:
				err = fmt.Errorf("child: %s", lines.Text())
			}
			if err != nil {
				t.Fatal(err)
			}
			return true
		}
		// Even rounds are killed just before a write, odd ones just after.
		for n := 0; n < 7+round; n++ {
			if !read() {
				t.Fatal("the child ended by itself")
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for read() { // its last output before it died
		}
		_ = child.Wait() // "signal: killed"
		found := int64(0)
		again, err := openHere(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := again.Usage(t.Context(), meter.Query{AllTenants: true})
		if err = errors.Join(err, again.Close()); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			found += r.Requests
			if r.Prompt != 100*r.Requests || int64(r.Cost) != 400*r.Requests {
				t.Fatalf("half a row: %+v", r)
			}
		}
		if found != written && found != writing {
			t.Fatalf("found %d requests, want %d (finished) or %d (under way)", found, written, writing)
		}
		t.Logf("finished %d, under way %d, found %d", written, writing, found)
	}
}

// openHere opens a path or a URL.
func openHere(ctx context.Context, where string) (*store.DB, error) {
	if strings.HasPrefix(where, "postgres:") {
		return store.OpenPostgres(ctx, store.PostgresOptions{URL: where, Gateway: "killed"})
	}
	return store.Open(where)
}

func openAt(t testing.TB, path string) *store.DB {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
