package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"weir/load"
	"weir/trace"
)

// What is played at real gateways: a share of the conversations of the trace's
// first minutes, in real time.
const (
	liveReplicas = 8
	liveShare    = 2 // of 8 conversations
	livePart     = 10 * time.Minute
)

const key = "bench" // of the one caller

var liveContenders = []struct{ name, affinity string }{
	{"least work", "none"},
	{"consistent hash of 4 KB", "session"},
	{"**Weir, by prefix**", "prefix"},
}

// live plays the trace at `weir serve` with emulated replicas, once for each way
// to choose one.
func live(ctx context.Context, report *strings.Builder, binary string, as []trace.Arrival) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	part := thin(as)
	fmt.Fprintf(report, "\n## mooncake_conv, at weir serve with emulated replicas\n\n"+
		"%d requests: %d in 8 conversations of the first %v, on %d replicas as above (the words sent make\n"+
		"prompts of 1.4 times the trace's tokens there). Reuse is what the replicas report in their usage, times are the callers'.\n\n"+
		"| chosen by | reuse | TTFT mean | p50 | p90 | p99 | completed | refused | failed |\n|---|---|---|---|---|---|---|---|---|\n",
		len(part), liveShare, livePart, liveReplicas)
	for _, c := range liveContenders {
		line, err := play(ctx, binary, c.affinity, part)
		if err != nil {
			return fmt.Errorf("%s: %w", c.affinity, err)
		}
		fmt.Fprintf(report, "| %s | %s\n", c.name, line)
		fmt.Fprintln(os.Stderr, c.name, line)
	}
	report.WriteString("\nThose that failed got no first token within the minute that `timeouts.stall` gives by\n" +
		"default: the longest prompts are 170,000 tokens as sent, which take longer.\n")
	return nil
}

// thin keeps whole conversations, those that share their first two blocks.
func thin(as []trace.Arrival) []trace.Arrival {
	var part []trace.Arrival
	for _, a := range as {
		if a.At >= livePart {
			break
		}
		h := fnv.New64a()
		for _, id := range a.Prefix[:min(2, len(a.Prefix))] {
			fmt.Fprint(h, id, ",")
		}
		if h.Sum64()>>7%8 < liveShare {
			part = append(part, a)
		}
	}
	return part
}

// play starts a gateway, plays at it and says what came of it.
func play(ctx context.Context, binary, affinity string, part []trace.Arrival) (string, error) {
	dir, err := os.MkdirTemp("", "prefix")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	public, admin, err := twoAddrs()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "weir.yaml")
	if err := os.WriteFile(file, []byte(configuration(dir, binary, affinity, public, admin)), 0o600); err != nil {
		return "", err
	}
	serve := exec.CommandContext(ctx, binary, "serve", "-c", file)
	serve.Cancel = func() error { return serve.Process.Signal(syscall.SIGTERM) }
	serve.WaitDelay = 20 * time.Second
	serve.Dir = dir // where its replicas keep their state
	var said bytes.Buffer
	serve.Stderr = &said
	if err := serve.Start(); err != nil {
		return "", err
	}
	defer func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		_ = serve.Wait()
	}()
	if err := ready(ctx, admin); err != nil {
		return "", fmt.Errorf("%w; it said:\n%s", err, said.String())
	}
	source := trace.Slice(part)
	r, err := load.Play(ctx, load.Options{
		URL: "http://" + public, Key: key, Model: "llama-70b", Source: &source, MaxOutput: 2000,
		Client: &http.Client{Transport: hashing{&http.Transport{MaxIdleConnsPerHost: 1000}}},
	})
	if err != nil {
		return "", err
	}
	prompt, cached, err := tokens(ctx, admin)
	if err != nil {
		return "", err
	}
	at := func(q float64) time.Duration { return round(r.TTFT.Quantile(q)) }
	return fmt.Sprintf("%.1f %% | %v | %v | %v | %v | %d | %d | %d |", 100*cached/(prompt+cached),
		round(r.TTFT.Mean()), at(.5), at(.9), at(.99), r.Completed, r.Refused, r.Failed+r.Skipped+r.Cancelled), nil
}

func configuration(dir, binary, affinity, public, admin string) string {
	return fmt.Sprintf(`server: {listen: "%s"}
admin: {listen: "%s"}
log: {level: warn, access: false}
store: {path: %q}
journal: {path: %q}
tenants: [{name: bench, keys: [{name: bench, hash: "sha256:%x"}]}]
models:
  - name: llama-70b
    affinity: %s
    queue: {max_wait: 10m}
    deployments:
      - name: llama-70b/a100
        capacity: {max_requests: %d, prefix_cache: 450000}
        scaling: {min: %d, max: %d}
        process:
          command: [%q, emulate, --listen, "{addr}", --gpu, %s, --tp, "%d", --model, %s, --load, 1ms, --context, "250000"]
          model: %s
`, public, admin, filepath.Join(dir, "weir.db"), filepath.Join(dir, "weir.journal"), sha256.Sum256([]byte(key)), affinity, admitted, liveReplicas, liveReplicas, binary, gpu, gpus, model, model)
}

func twoAddrs() (string, string, error) {
	var addrs [2]string
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close()
		addrs[i] = l.Addr().String()
	}
	return addrs[0], addrs[1], nil
}

// ready waits until all replicas are.
func ready(ctx context.Context, admin string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		body, err := get(ctx, "http://"+admin+"/admin/replicas")
		if err == nil && strings.Count(string(body), `"ready"`) >= liveReplicas {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the replicas did not become ready")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// tokens reads the prompt tokens that were computed and found in caches.
func tokens(ctx context.Context, admin string) (prompt, cached float64, err error) {
	body, err := get(ctx, "http://"+admin+"/metrics")
	if err != nil {
		return 0, 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "weir_tokens_total{") {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		switch {
		case err != nil:
			return 0, 0, err
		case strings.Contains(line, `="prompt"`):
			prompt += n
		case strings.Contains(line, `="cached"`):
			cached += n
		}
	}
	return prompt, cached, lines.Err()
}

// hashing names the session of each request by the first 4 KB of its messages,
// which is what a router does that hashes beginnings.
type hashing struct{ http.RoundTripper }

func (t hashing) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	q = q.Clone(q.Context())
	q.Body = io.NopCloser(bytes.NewReader(body))
	h := fnv.New64a()
	if at := bytes.Index(body, []byte(`"messages"`)); at >= 0 {
		h.Write(body[at:min(len(body), at+4096)])
	}
	q.Header.Set("X-Weir-Session", strconv.FormatUint(h.Sum64(), 16))
	return t.RoundTripper.RoundTrip(q)
}
