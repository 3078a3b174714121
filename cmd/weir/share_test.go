package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"weir/limits/redistest"
)

// within polls until is returns true: it watches other processes, which cannot
// wake it.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	const patience = 20 * time.Second
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// sharing starts nodes that share one Redis; limits are the tenant's.
func sharing(t *testing.T, redis *redistest.Server, nodes int, limits string) []served {
	t.Helper()
	t.Setenv("WEIR_TEST_REDIS", "secret")
	upstream := upstreamServer(t, "hello")
	var ns []served
	for range nodes {
		file := writeConfig(t, t.TempDir(), upstream, "")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shared := strings.Replace(string(text), "    keys:", "    "+limits+"\n    keys:", 1) +
			fmt.Sprintf("redis: {addresses: [%q], password: \"env:WEIR_TEST_REDIS\", lease: 1s, gateways: %d}\n", redis.Addr, nodes)
		if err := os.WriteFile(file, []byte(shared), 0o600); err != nil {
			t.Fatal(err)
		}
		ns = append(ns, startNode(t, file))
	}
	return ns
}

func startRedis(t *testing.T) *redistest.Server {
	t.Helper()
	redis, err := redistest.Start(redistest.Options{Dir: t.TempDir(), Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Kill)
	return redis
}

func TestABudgetHoldsOverThreeGateways(t *testing.T) {
	const budget, each = 3000, 150 // tokens; of one request
	const likely = 600             // of a request whose answer's length is not known yet: with less left it is refused
	ns := sharing(t, startRedis(t), 3, fmt.Sprintf("budget: {tokens_per_day: %d}", budget))
	used := 0
	within(t, "the budget to be used up everywhere", func() bool {
		refused := 0
		for _, n := range ns {
			switch status, body := n.ask(t); status {
			case 200:
				used += each
			case 429:
				refused++
			default:
				t.Fatal(status, body)
			}
		}
		return refused == len(ns) && used >= budget-likely
	})
	if bound := budget + len(ns)*each; used > bound {
		t.Errorf("%d tokens of %d used, and the bound is %d", used, budget, bound)
	}
	for _, n := range ns {
		_, metrics := n.operate(t, "GET", "/metrics")
		for _, want := range []string{"weir_shared_connected 1", "weir_shared_gateways 3", `weir_shared_lease_units{limit="tokens_per_day",scope="tenant=t"}`} {
			if !strings.Contains(metrics, want) {
				t.Errorf("without %s", want)
			}
		}
		if status, body := n.operate(t, "GET", "/admin/shared"); status != 200 || !strings.Contains(body, `"budget": "tenant=t|tokens_per_day|`) {
			t.Errorf("%d %s", status, body)
		}
	}
}

func TestGatewaysSayThatRedisIsSilentAndServe(t *testing.T) {
	redis := startRedis(t)
	n := sharing(t, redis, 1, "limits: {requests: 6000/min, concurrent: 50}")[0]
	ready := func() string { _, body := n.operate(t, "GET", "/readyz"); return body }
	within(t, "redis to be heard", func() bool { return ready() == "ok\n" })
	redis.Kill()
	within(t, "the gateway to say so", func() bool { return strings.Contains(ready(), "redis has not answered for") })
	if status, body := n.ask(t); status != 200 {
		t.Error(status, body)
	}
}

func TestWithoutRedisThereIsNothingShared(t *testing.T) {
	n := startNode(t, writeConfig(t, t.TempDir(), upstreamServer(t, "hello"), ""))
	if status, _ := n.operate(t, "GET", "/admin/shared"); status != 404 {
		t.Error(status)
	}
	if _, metrics := n.operate(t, "GET", "/metrics"); strings.Contains(metrics, "weir_shared") {
		t.Error("metrics of what there is not")
	}
}
