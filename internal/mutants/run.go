package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// An outcome is what the tests made of a mutant.
type outcome string

const (
	caught   outcome = "caught"
	timedOut outcome = "caught (time-out)" // it hangs, or the tests are slow to fail
	survived outcome = "SURVIVED"
)

// leastTime is how long tests may take that are fast without a mutant.
const leastTime = 20 * time.Second

// A runner builds and runs tests, one after another, in a folder of its own.
type runner struct {
	root string                   // of the module
	dir  string                   // for what it builds
	took map[string]time.Duration // tests without a mutant, by package and arguments
	fast bool                     // the slow tests are left out
}

// limit is how long those tests of a package may take with a mutant, by how long
// they take without one: there they must pass. It is asked before a mutant is built,
// of slow tests only where the others have let one through.
func (r *runner) limit(pack string, which []string) (time.Duration, error) {
	key := pack + " " + strings.Join(which, " ")
	if took, ok := r.took[key]; ok {
		return max(leastTime, 5*took), nil
	}
	bin, err := r.build(pack, "")
	if err != nil {
		return 0, err
	}
	began := time.Now()
	out, err := r.run(bin, pack, which, 10*time.Minute)
	if err != nil {
		return 0, fmt.Errorf("the tests of %s fail without a mutant: %w\n%s", pack, err, tail(out))
	}
	if bytes.Contains(out, []byte("no tests to run")) {
		return 0, fmt.Errorf("%s: no test is left", key)
	}
	r.took[key] = time.Since(began)
	return max(leastTime, 5*r.took[key]), nil
}

// parts are the arguments that select the tests to run first, and the slow ones.
func (r *runner) parts(s *suite) [][]string {
	switch {
	case s.slow == "":
		return [][]string{nil}
	case r.fast:
		return [][]string{{"-test.skip", s.slow}}
	}
	return [][]string{{"-test.skip", s.slow}, {"-test.run", s.slow}}
}

// try makes m and runs its tests. by is the test that failed first, where it says so.
func (r *runner) try(m *mutant) (o outcome, by string, err error) {
	file, changed, err := m.apply(r.root)
	if err != nil {
		return "", "", err
	}
	overlay, err := r.overlay(file, changed)
	if err != nil {
		return "", "", err
	}
	for _, which := range r.parts(m.suite) {
		for _, t := range m.suite.tests {
			o, by, err := r.tryOn(t, which, overlay)
			if err != nil {
				return "", "", fmt.Errorf("%s: %q: %w", m.where, m.name, err)
			}
			if o != survived {
				return o, by, nil
			}
		}
	}
	return survived, "", nil
}

// tryOn runs those tests of a package with what an overlay changes.
func (r *runner) tryOn(pack string, which []string, overlay string) (o outcome, by string, err error) {
	most, err := r.limit(pack, which)
	if err != nil {
		return "", "", err
	}
	bin, err := r.build(pack, overlay)
	if err != nil {
		return "", "", err
	}
	out, err := r.run(bin, pack, which, most)
	switch {
	case err == nil:
		return survived, "", nil
	case errors.Is(err, context.DeadlineExceeded) || bytes.Contains(out, []byte("panic: test timed out")):
		return timedOut, "", nil
	}
	return caught, firstFailed(out), nil
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// firstFailed is the first test that a run's output says failed; "" where it broke
// off before.
func firstFailed(out []byte) string {
	if found := failedTest.FindSubmatch(out); found != nil {
		return string(found[1])
	}
	return ""
}

// overlay writes the changed file beside what is built, and the JSON that makes
// the compiler read it in file's stead: the tree stays as it is.
func (r *runner) overlay(file string, changed []byte) (string, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	source := filepath.Join(r.dir, "mutant.go")
	if err := os.WriteFile(source, changed, 0o600); err != nil {
		return "", err
	}
	doc, err := json.Marshal(map[string]map[string]string{"Replace": {file: source}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(r.dir, "overlay.json")
	return overlay, os.WriteFile(overlay, doc, 0o600)
}

// build compiles the tests of a package once and returns the binary.
func (r *runner) build(pack, overlay string) (string, error) {
	bin := filepath.Join(r.dir, "tests")
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", bin}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, "./"+pack)...)
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not compile: %w\n%s", err, tail(out))
	}
	return bin, nil
}

// run runs those tests of a binary where go test would, to the first failure.
func (r *runner) run(bin, pack string, which []string, most time.Duration) ([]byte, error) {
	// Tests that do not even time out are ended from outside.
	ctx, cancel := context.WithTimeout(context.Background(), most+10*time.Second)
	defer cancel()
	args := append([]string{"-test.failfast", "-test.timeout", most.String()}, which...)
	if r.draws(pack) {
		args = append(args, "-rapid.nofailfile", "-rapid.shrinktime=0")
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = filepath.Join(r.root, pack)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out, err
}

// draws says whether the tests of a package use rapid, whose flags keep it from
// writing into the tree and from making small what need not be read.
func (r *runner) draws(pack string) bool {
	tests, _ := filepath.Glob(filepath.Join(r.root, pack, "*_test.go"))
	return slices.ContainsFunc(tests, func(f string) bool {
		text, err := os.ReadFile(f)
		return err == nil && bytes.Contains(text, []byte("\"pgregory.net/rapid\""))
	})
}

// tail is the last lines of what a command printed.
func tail(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(len(lines)-20, 0):], "\n")
}
