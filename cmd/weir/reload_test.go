package main

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"weir/config"
)

// safeBuffer is a buffer for a log.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A refused reload changes nothing, and log and metrics report it, with every
// fault and its position.
func TestARefusedReloadIsSaid(t *testing.T) {
	dir, log := t.TempDir(), &safeBuffer{}
	file := writeConfig(t, dir, upstreamServer(t, "hello"), "")
	n, _ := serveFile(t, file, t.TempDir(), log)
	hash := func() string {
		t.Helper()
		c, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		return c.Hash
	}
	first := hash()
	metrics := func(want ...string) {
		t.Helper()
		_, text := n.operate(t, http.MethodGet, "/metrics")
		for _, w := range want {
			if !strings.Contains(text, w+"\n") {
				t.Errorf("without %s", w)
			}
		}
	}
	metrics("weir_config_last_reload_successful 1", `weir_config_info{hash="`+first+`"} 1`)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(good), "external:", "weight: ten\n        extrenal:", 1)
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := n.operate(t, http.MethodPost, "/admin/reload"); status != 422 || !strings.Contains(body, "extrenal") {
		t.Errorf("%d %s", status, body)
	}
	metrics("weir_config_last_reload_successful 0", `weir_config_info{hash="`+first+`"} 1`)
	for _, want := range []string{"reload refused", "faults=3", file + ":14:17", file + ":15:9", "did you mean"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
	if err := os.WriteFile(file, append(good, "# changed\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := n.operate(t, http.MethodPost, "/admin/reload"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	metrics("weir_config_last_reload_successful 1", `weir_config_info{hash="`+hash()+`"} 1`)
	if hash() == first {
		t.Error("another configuration has the same hash")
	}
}
