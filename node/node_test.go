package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/control"
	"weir/dispatch"
	"weir/fleet"
	"weir/gateway"
	"weir/scale"
	"weir/upstream"
	"weir/upstream/dialects"
)

const testKey = "weir_a_key_for_tests_and_nothing_else"

// answering is an upstream of this process that answers any chat with a text.
func answering(t *testing.T, text string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, text) }))
	t.Cleanup(srv.Close)
	return srv.URL
}

func answer(w http.ResponseWriter, r *http.Request, text string) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("content-type", "application/json")
	fmt.Fprintf(w, `{"choices":[{"message":{"content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":50}}`, text)
}

// setupOf is a model of one deployment, external or at a place.
func setupOf(dir string, d Deployment, addrs ...string) Setup {
	return Setup{
		Hash:    "values",
		Server:  Server{Listen: gateway.Listen{Addr: "127.0.0.1:0"}, Drain: time.Second},
		Admin:   Admin{Listen: "127.0.0.1:0"},
		Store:   Store{Path: filepath.Join(dir, "weir.db"), FlushEvery: 10 * time.Millisecond, Retention: time.Hour},
		Journal: control.JournalOptions{Path: filepath.Join(dir, "journal")},
		Gateway: gateway.Config{
			Tenants: []gateway.Tenant{{Name: "t", Keys: []gateway.Key{{Name: "k", SHA256: sha256.Sum256([]byte(testKey))}}}},
			Models: []gateway.Model{{Name: "m", Queue: dispatch.Queue{MaxWait: 20 * time.Second}, Deployments: []gateway.Deployment{{
				Deployment: dispatch.Deployment{Name: d.Name, Weight: 1, MaxRequests: 4, Elastic: d.Place != "", Paid: true}, Addrs: addrs,
				Upstream: upstream.Options{Dialect: dialects.Of("openai"), Model: "m"},
			}}}},
		},
		Deployments: []Deployment{d},
	}
}

func optionsOf(t *testing.T, dir string, s Setup) Options {
	return Options{Setup: s, LogTo: t.Output(), Canaries: filepath.Join(dir, "canaries.json")}
}

// running runs a node until the test's end, or until stop, which returns its
// error.
func running(t *testing.T, o Options) (n *Node, stop func() error) {
	t.Helper()
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, nil) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the node stopped with %v", err)
		}
	})
	return n, stop
}

func (n *Node) ask(t *testing.T) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+n.Callers().String()+"/v1/chat/completions",
		strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("authorization", "Bearer "+testKey)
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req) // only a failed test reaches this limit
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (n *Node) says(t *testing.T, want string) {
	t.Helper()
	if status, body := n.ask(t); status != 200 || !strings.Contains(body, want) {
		t.Fatalf("have %d %s, want %q", status, body, want)
	}
}

// A node is made of values, serves, takes other values, and stops. Trying it
// takes no file and no second process.
func TestANodeOfValuesServesReloadsAndStops(t *testing.T) {
	dir := t.TempDir()
	first := setupOf(dir, Deployment{Name: "m/there"}, answering(t, "first"))
	o := optionsOf(t, dir, first)
	next := first
	var loadErr error
	o.Load = func() (Setup, error) { return next, loadErr }
	n, stop := running(t, o)
	n.says(t, "first")

	next = setupOf(dir, Deployment{Name: "m/there"}, answering(t, "second"))
	next.Fixed = []Fixed{{Path: "store", Value: "another"}}
	if err := n.reload(); err == nil || !strings.Contains(err.Error(), "a reload cannot change store") {
		t.Errorf("what only a start can change: %v", err)
	}
	next.Fixed = nil
	loadErr = errors.New("no such file")
	if err := n.reload(); !errors.Is(err, loadErr) {
		t.Error(err)
	}
	n.says(t, "first")

	loadErr = nil
	if err := n.reload(); err != nil {
		t.Fatal(err)
	}
	n.says(t, "second")
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + n.Callers().String() + "/health"); err == nil {
		t.Error("callers are still listened to")
	}
}

// A reload checks with all places before it changes any: if one refuses,
// everything stays as it was.
func TestAPlaceThatRefusesAReloadLeavesAllAsItWas(t *testing.T) {
	dir := t.TempDir()
	o := optionsOf(t, dir, setupOf(dir, Deployment{Name: "m/there"}, answering(t, "first")))
	next := setupOf(dir, Deployment{Name: "m/there"}, answering(t, "second"))
	refused := errors.New("no such template")
	var applied []string
	change := func(name string, err error) fleet.Change {
		return fleet.Change{Check: func() error { return err }, Apply: func() error { applied = append(applied, name); return nil }}
	}
	o.Load = func() (Setup, error) { return next, nil }
	n, _ := running(t, o)

	next.Changes = []fleet.Change{change("one", nil), change("two", refused)}
	if err := n.reload(); !errors.Is(err, refused) || applied != nil {
		t.Errorf("%v, applied %v", err, applied)
	}
	n.says(t, "first")
	next.Changes = []fleet.Change{change("one", nil), change("two", nil)}
	if err := n.reload(); err != nil || fmt.Sprint(applied) != "[one two]" {
		t.Errorf("%v, applied %v", err, applied)
	}
	n.says(t, "second")

	next.Deployments = []Deployment{{Name: "m/there", Place: "nowhere", Scaling: &Scaling{Policy: scale.Policy{Max: 1}}}}
	if err := n.reload(); err == nil || !strings.Contains(err.Error(), `there is no place "nowhere"`) {
		t.Error(err)
	}
}

// New gives back everything it took when a later part cannot be made.
func TestAStartThatFailsGivesBackWhatItTook(t *testing.T) {
	dir := t.TempDir()
	s := setupOf(dir, Deployment{Name: "m/own", Place: "broken", Scaling: &Scaling{Policy: scale.Policy{Min: 1, Max: 1}}})
	o := optionsOf(t, dir, s)
	o.Places = []Place{{Name: "broken", Open: func(Host) (fleet.Place, error) { return nil, fleet.ErrInUse }}}
	n, err := New(o)
	if !errors.Is(err, fleet.ErrInUse) {
		t.Fatal(err)
	}
	if _, err := http.Get("http://" + n.Callers().String() + "/health"); err == nil {
		t.Error("callers are still listened to")
	}
	next, _ := running(t, optionsOf(t, dir, setupOf(dir, Deployment{Name: "m/there"}, answering(t, "first")))) // the ledger is free again
	next.says(t, "first")
}
