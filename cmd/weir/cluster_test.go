package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/config"
	"weir/fleet/process"
	"weir/store"
	"weir/store/storetest"
)

// peer is a `weir serve` in its own process, one of several on a database.
type peer struct {
	name      string
	process   *exec.Cmd
	url, oper string
}

// cluster is the shared part of a test's gateways.
type cluster struct {
	t      *testing.T
	server *storetest.Server
	dir    string
	file   string
	db     *store.DB
	peers  []*peer
}

const clusterConfig = `
log: {access: false}
store: {postgres: "env:WEIR_TEST_POSTGRES", lease: 2s, flush_every: 100ms}
journal: {path: %q}
machine: {keep: true}
tenants:
  - name: t
    keys: [{name: k, hash: %q}]
models:
  - name: m
    deployments:
      - name: m/own
        capacity: {max_requests: 64}
        process:
          command: [weir, emulate, --listen, "127.0.0.1:{port}", --model, Llama-3.1-8B, --gpu, H100-80GB, --load, 1ms]
          model: Llama-3.1-8B
        scaling: {min: %d, max: %d, target_concurrency: 4, cold_start: 1s}
`

func (c *cluster) configure(fewest, most int) {
	c.t.Helper()
	text := fmt.Sprintf(clusterConfig, filepath.Join(c.dir, "journal"), config.HashKey(testKey), fewest, most)
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// newCluster starts gateways on a database of their own.
func newCluster(t *testing.T, names ...string) *cluster {
	server := storetest.Start(t)
	url := server.Database()
	t.Setenv("WEIR_TEST_POSTGRES", url)
	dir := t.TempDir()
	c := &cluster{t: t, server: server, dir: dir, file: filepath.Join(dir, "weir.yaml")}
	c.configure(1, 3)
	db, err := store.OpenPostgres(t.Context(), store.PostgresOptions{URL: url, Gateway: "test"})
	if err != nil {
		t.Fatal(err)
	}
	c.db = db
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(c.endReplicas)
	for _, name := range names {
		c.peers = append(c.peers, c.start(name))
	}
	return c
}

// endReplicas ends the replicas that gateways left running.
func (c *cluster) endReplicas() {
	f, err := process.New(process.Options{StateDir: filepath.Join(c.dir, "state", "replicas")})
	if err != nil {
		c.t.Error(err)
		return
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Run(ended); err != nil {
		c.t.Error(err)
	}
}

func (c *cluster) start(name string) *peer {
	c.t.Helper()
	p := &peer{name: name}
	p.process = exec.Command("weir", "serve", "-c", c.file, "--gateway", name, "--state", filepath.Join(c.dir, "state"),
		"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	p.process.Stderr = c.t.Output()
	out, err := p.process.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { p.kill(c.t) })
	for lines := bufio.NewScanner(out); p.oper == "" && lines.Scan(); {
		text := lines.Text()
		if _, at, ok := strings.Cut(text, "callers at"); ok {
			p.url = strings.TrimSpace(at)
		}
		if _, at, ok := strings.Cut(text, "operators at"); ok {
			p.oper = strings.Fields(at)[0]
		}
	}
	if p.oper == "" {
		c.t.Fatalf("gateway %s did not come up", name)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	return p
}

// kill ends the gateway as kill -9 does; a second time it does nothing.
func (p *peer) kill(t *testing.T) {
	if p.process.ProcessState != nil {
		return
	}
	if err := p.process.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = p.process.Wait() // "signal: killed"
}

// ask sends one request and returns its status.
func (p *peer) ask(ctx context.Context, tokens int) (int, error) {
	body := fmt.Sprintf(`{"model":"m","max_tokens":%d,"messages":[{"role":"user","content":"hello"}]}`, tokens)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// serves waits until each of the gateways answers a request.
func (c *cluster) serves(ps ...*peer) {
	c.t.Helper()
	for _, p := range ps {
		if status, err := p.ask(c.t.Context(), 4); status != http.StatusOK {
			c.t.Fatalf("gateway %s answered %d, %v", p.name, status, err)
		}
	}
}

func (c *cluster) read(p *peer, path string, into any) bool {
	resp, err := http.Get(p.oper + path)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

// ready are the ids of the ready replicas as a gateway knows them.
func (c *cluster) ready(p *peer) (ids []string) {
	var all []struct{ ID, State string }
	if !c.read(p, "/admin/replicas", &all) {
		return nil
	}
	for _, r := range all {
		if r.State == "ready" {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// says is whether a gateway's metric weir_leader is n.
func (c *cluster) says(p *peer, n int) bool {
	resp, err := http.Get(p.oper + "/metrics")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return err == nil && strings.Contains(string(text), fmt.Sprintf("\nweir_leader %d\n", n))
}

// leads waits for a term above the token and returns its leader. The store may
// know of it before the leader does.
func (c *cluster) leads(above int64) (*peer, int64) {
	c.t.Helper()
	var in *peer
	var token int64
	c.eventually("one gateway is the leader", func() bool {
		term, err := c.db.Holder(c.t.Context(), store.ScalerLease)
		if err != nil || term.Token <= above {
			return false
		}
		for _, p := range c.peers {
			if strings.HasPrefix(term.Holder, p.name+"/") && c.says(p, 1) {
				in, token = p, term.Token
			}
		}
		return in != nil
	})
	return in, token
}

func (c *cluster) eventually(what string, is func() bool) {
	c.t.Helper()
	for began := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 90*time.Second {
			c.t.Fatalf("within 90 s it did not come to this: %s", what)
		}
	}
}

func (c *cluster) others(than ...*peer) (rest []*peer) {
	for _, p := range c.peers {
		is := false
		for _, not := range than {
			is = is || p == not
		}
		if !is {
			rest = append(rest, p)
		}
	}
	return rest
}

// journal returns the lines that name the leader, in order.
func (c *cluster) journal() (terms []store.Term) {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "journal"))
	if err != nil {
		c.t.Fatal(err)
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for line := range bytes.Lines(whole) {
		var t store.Term
		if err := json.Unmarshal(line, &t); err != nil {
			c.t.Fatalf("%v in %.200s", err, line)
		}
		terms = append(terms, t)
	}
	return terms
}

// decides waits for a decision in a term.
func (c *cluster) decides(token int64) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("a decision of term %d", token), func() bool {
		return slices.ContainsFunc(c.journal(), func(t store.Term) bool { return t.Token == token })
	})
}

// oneWriter checks that terms do not overlap in the store and in the journal:
// tokens never fall, and each has one holder.
func (c *cluster) oneWriter() {
	c.t.Helper()
	var latest store.Term
	holders := map[int64]string{}
	follows := func(where string, t store.Term) {
		if holder, ok := holders[t.Token]; t.Token < latest.Token || ok && holder != t.Holder || t.Token == 0 {
			c.t.Errorf("%s: %+v after %+v", where, t, latest)
		}
		latest, holders[t.Token] = t, t.Holder
	}
	decisions, err := c.db.Decisions(c.t.Context(), 1000)
	if err != nil || len(decisions) == 0 {
		c.t.Fatalf("%d decisions in the store, %v", len(decisions), err)
	}
	for _, d := range decisions {
		follows("store", d.Term)
	}
	latest = store.Term{}
	for _, t := range c.journal() {
		follows("journal", t)
	}
	if len(holders) < 2 {
		c.t.Errorf("%d terms in store and journal, want two or more", len(holders))
	}
}

// usageAddsUp checks that the ledger has the requests of more than one gateway.
func (c *cluster) usageAddsUp() {
	c.t.Helper()
	last := c.peers[len(c.peers)-1]
	c.eventually("usage of all gateways", func() bool {
		var rows []struct{ Completed int64 }
		if !c.read(last, "/admin/usage?step=day&key=k", &rows) || len(rows) == 0 {
			return false
		}
		return rows[0].Completed >= 8
	})
}
