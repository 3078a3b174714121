package faults

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// reloads swaps configurations under load, by the given means (SIGHUP or the API).
func (l *life) reloads(t *testing.T, reload func(i int)) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	end := l.load(ctx)
	defer end()
	for i := range 10 {
		l.seen.until(t, 10*(i+1)) // there is load between two swaps
		reload(i)
	}
	l.seen.until(t, 120)
	end()
	for _, u := range []*upstream{l.up, l.other} {
		u.until(t, "its requests end", settled)
		if u.requests() == 0 {
			t.Error("a deployment was never asked: the configurations were not swapped")
		}
	}
	return l.complete(t, l.seen.words())
}

// complete is what must be seen when every call that reached an upstream was
// answered and metered.
func (l *life) complete(t *testing.T, caller string) want {
	t.Helper()
	calls := l.seen.answered()
	have := want{caller: caller, a: "200", metered: "every call"}
	l.metered(t, lifeModel, calls, false)
	sum, err := l.gateway.usage(lifeModel)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Completed != int64(calls) || sum.Completion != int64(calls*goodTokens) {
		have.metered = fmt.Sprintf("%+v for %d calls", sum, calls)
	}
	if asked := l.up.requests() + l.other.requests(); asked != calls {
		have.a = fmt.Sprintf("%d requests for %d calls", asked, calls)
	}
	l.idle(t, lifeModel)
	return have
}

// configure writes the i-th configuration over the one in force.
func (l *life) configure(t *testing.T, i int, more string) {
	t.Helper()
	models := l.models("first", l.up)
	if i%2 == 0 {
		models = l.models("second", l.other)
	}
	l.write(t, models+more)
}

// write puts models into the configuration, at once.
func (l *life) write(t *testing.T, models string) {
	t.Helper()
	text, err := os.ReadFile(l.config)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "\nmodels:\n")
	next := l.config + ".next"
	if err := os.WriteFile(next, []byte(head+"\nmodels:\n"+models), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, l.config); err != nil {
		t.Fatal(err)
	}
}

func reloadByHangup(t *testing.T, l *life) want {
	return l.reloads(t, func(i int) {
		l.configure(t, i, "")
		if err := l.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if err := within(patience, "the reload", func() bool {
			return strings.Count(l.said.String(), "configuration reloaded") > i
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func reloadByPost(t *testing.T, l *life) want {
	return l.reloads(t, func(i int) {
		more, want := "", http.StatusOK
		if i%2 == 1 {
			more, want = "nonsense: true\n", http.StatusUnprocessableEntity
		}
		l.configure(t, i/2, more)
		l.reload(t, want)
	})
}

// reload asks Weir to reload and wants a status.
func (l *life) reload(t *testing.T, want int) {
	t.Helper()
	resp, err := http.Post(l.admin+"/admin/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != want {
		t.Fatalf("reload: %s, want %d: %s", resp.Status, want, b)
	}
}
