package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// usageRow is a row of GET /admin/usage.
type usageRow struct {
	Deployment string
	Requests   int64
	Completed  int64
	Refused    int64
	Failed     int64
	Estimated  int64
	Prompt     int64   `json:"prompt_tokens"`
	Completion int64   `json:"completion_tokens"`
	Cost       float64 `json:"cost_dollars"`
}

// usage sums what was metered for a model.
func (g *gateway) usage(model string) (sum usageRow, err error) {
	body, err := g.get("/admin/usage?since=1h&step=day&model=" + url.QueryEscape(model))
	if err != nil {
		return sum, err
	}
	var rows []usageRow
	if err := json.Unmarshal(body, &rows); err != nil {
		return sum, fmt.Errorf("usage: %w: %s", err, body)
	}
	for _, r := range rows {
		sum.Requests += r.Requests
		sum.Completed += r.Completed
		sum.Refused += r.Refused
		sum.Failed += r.Failed
		sum.Estimated += r.Estimated
		sum.Prompt += r.Prompt
		sum.Completion += r.Completion
		sum.Cost += r.Cost
	}
	return sum, nil
}

// get asks the operators' address, one thing at a time: it bounds how many it
// answers at once.
func (g *gateway) get(path string) ([]byte, error) {
	g.asking.Lock()
	defer g.asking.Unlock()
	resp, err := http.Get(g.admin + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, b)
	}
	return b, err
}

// metered waits until n requests of a model stand in the ledger and tells them;
// rough: not how many tokens were produced.
func (g *gateway) metered(t testing.TB, model string, n int, rough bool) string {
	t.Helper()
	var sum usageRow
	err := within(patience, fmt.Sprintf("%d requests of %s in the ledger", n, model), func() bool {
		var err error
		if sum, err = g.usage(model); err != nil {
			t.Fatal(err)
		}
		return sum.Requests >= int64(n)
	})
	if err != nil {
		t.Errorf("%v: %+v", err, sum)
	}
	if sum.Requests != sum.Completed+sum.Refused+sum.Failed {
		t.Errorf("the ledger does not add up: %+v", sum)
	}
	var parts []string
	for _, p := range []struct {
		n    int64
		what string
	}{{sum.Completed, "completed"}, {sum.Refused, "refused"}, {sum.Failed, "failed"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	completion := strconv.FormatInt(sum.Completion, 10)
	if rough && sum.Completion > 0 {
		completion = "some"
	}
	words := strings.Join(parts, ", ") + fmt.Sprintf("; %d+%s tokens", sum.Prompt, completion)
	if sum.Estimated > 0 {
		words += " estimated"
	}
	return words
}

// gauge sums the series of a metric that have a model's label; "" sums all.
func (g *gateway) gauge(name, model string) (sum float64, err error) {
	label := ""
	if model != "" {
		label = `model="` + model + `"`
	}
	sum, n, err := g.series(name, label)
	if err == nil && n == 0 {
		err = fmt.Errorf("no %s of model %q in /metrics", name, model)
	}
	return sum, err
}

// series sums the series of a metric that have all labels, and counts them.
func (g *gateway) series(name string, labels ...string) (sum float64, n int, err error) {
	body, err := g.get("/metrics")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(body)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' ||
			slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(rest, l) }) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
		if err != nil {
			return 0, 0, err
		}
		sum, n = sum+v, n+1
	}
	return sum, n, nil
}

// idle waits until nothing of a model is in flight or waiting.
func (g *gateway) idle(t testing.TB, model string) {
	t.Helper()
	for _, name := range []string{"weir_requests_in_flight", "weir_requests_waiting", "weir_tokens_in_flight", "weir_tokens_waiting"} {
		var last float64
		err := within(patience, name+" to be 0", func() bool {
			v, err := g.gauge(name, model)
			if err != nil {
				t.Fatal(err)
			}
			last = v
			return v == 0
		})
		if err != nil {
			t.Errorf("%v: it is %v", err, last)
		}
	}
}

// waits waits until a gauge of a model has a value.
func (g *gateway) waits(t testing.TB, name, model string, want float64) {
	t.Helper()
	err := within(patience, fmt.Sprintf("%s of %s to be %v", name, model, want), func() bool {
		v, err := g.gauge(name, model)
		if err != nil {
			t.Fatal(err)
		}
		return v == want
	})
	if err != nil {
		t.Fatal(err)
	}
}
