package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"weir"
	"weir/meter"
)

// obedient answers up to its limit, or with unbound tokens if nothing limits it:
// streamed or not, for every answer requested.
func obedient(unbound int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			MaxTokens           int  `json:"max_tokens"`
			MaxCompletionTokens int  `json:"max_completion_tokens"`
			N                   int  `json:"n"`
			Stream              bool `json:"stream"`
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &ask); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		n := max(ask.MaxTokens, ask.MaxCompletionTokens)
		if n == 0 {
			n = unbound
		}
		n *= max(ask.N, 1)
		usage := fmt.Sprintf(`"usage":{"prompt_tokens":11,"completion_tokens":%d}`, n)
		if ask.Stream {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, roleEvent+tokenEvent+finishEvent+`data: {"id":"c1","choices":[],`+usage+"}\n\n"+doneEvent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"length"}],`+usage+"}")
	}
}

// The holder of a key first sends only answers of one token, then 200 requests at once
// that may have 100,000 each.
func TestABurstOverrunsNoBudget(t *testing.T) {
	const much = `"max_tokens":100000`
	tokens, money := meter.Budget{TokensPerDay: 20_000}, meter.Budget{MoneyPerDay: weir.Dollar / 10}
	f := func(budget meter.Budget, body string) {
		t.Run(body, func(t *testing.T) { burst(t, budget, body) })
	}
	f(tokens, much)
	f(tokens, `"max_tokens":1000,"n":100`)
	f(tokens, `"n":1`)
	f(money, much)
	f(money, `"max_completion_tokens":null,"stream":true`)
	f(meter.Budget{TokensPerMonth: 20_000, Cut: true}, much+`,"stream":true`)
	f(meter.Budget{MoneyPerMonth: weir.Dollar / 10, Whole: true}, much)
}

func burst(t *testing.T, budget meter.Budget, body string) {
	c := config(newBackend(t, obedient(100_000)).URL)
	c.Models[0].Deployments[0].Rates = meter.Rates{Prompt: 1_000_000, Cached: 1_000_000, Completion: 10_000_000}
	c.Tenants[0].Limits.Budget = budget
	r := start(t, c)
	ask := func(members string) int {
		resp, _ := r.post(chatPath, `{"model":"m","messages":[{"role":"user","content":"hi"}],`+members+`}`)
		return resp.StatusCode
	}
	for range 20 {
		ask(`"max_tokens":1`)
		r.rec()
	}
	before, _ := r.spend.meter.Used(r.now(), meter.Scope{Tenant: "demo"})
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 200 {
		wg.Go(func() {
			s := ask(body)
			mu.Lock()
			statuses[s]++
			mu.Unlock()
		})
	}
	wg.Wait()
	for range 200 {
		r.rec()
	}
	r.settled()
	_, used := r.spend.meter.Used(r.now(), meter.Scope{Tenant: "demo"})
	const one = 16 + 11 // of the last one: the least that it gets
	if limit := budget.TokensPerDay + budget.TokensPerMonth; limit > 0 && used.Tokens > limit+one {
		t.Errorf("%d of %d tokens are used, %v", used.Tokens, limit, statuses)
	}
	if limit := budget.MoneyPerDay + budget.MoneyPerMonth; limit > 0 && used.Cost > limit+one*10 {
		t.Errorf("%s of %s is spent, %v", used.Cost, limit, statuses)
	}
	if statuses[200] == 0 || used.Tokens == before.Tokens {
		t.Errorf("%v: some fit", statuses)
	}
	if statuses[200]+statuses[429] != 200 {
		t.Errorf("%v", statuses)
	}
}

func TestMaxTokensIsLoweredOrSetNearTheEndOfABudget(t *testing.T) {
	var sent string
	answer := obedient(100_000)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		r.Body = io.NopCloser(strings.NewReader(sent))
		answer(w, r)
	})
	c := config(b.URL)
	c.Tenants[0].Limits.Budget = meter.Budget{TokensPerDay: 1000, Whole: true}
	f := func(members, want, said string) {
		t.Helper()
		r := start(t, c)
		resp, answer := r.post(chatPath, `{`+members+`"model":"m","messages":[]}`)
		if resp.StatusCode != 200 || !strings.Contains(sent, want) || resp.Header.Get("X-Weir-Max-Tokens") != said {
			t.Errorf("%s: %d %q %s\n%s", members, resp.StatusCode, resp.Header.Get("X-Weir-Max-Tokens"), sent, answer)
		}
		r.rec()
		r.settled()
	}
	f(`"max_tokens":500,`, `"max_tokens":500,`, "")
	f(`"max_tokens":5000,`, `"max_tokens":999,`, "999; lowered by a budget from 5000")
	f(`"max_tokens":7000,"max_completion_tokens":5000,`, `"max_tokens":999,"max_completion_tokens":999,`, "999; lowered by a budget from 7000")
	f(`"n":3,"max_completion_tokens":5000,`, `"max_completion_tokens":333,`, "333; lowered by a budget from 5000")
	f(``, `"max_tokens":999,`, "999; set by a budget")
	f(`"max_tokens":null,`, `"max_tokens":999,`, "999; set by a budget")
	f(`"max_tokens":-1,`, `"max_tokens":999,`, "999; set by a budget")
	c.Models[0].Deployments[0].Upstream.APIVersion = ""
	c.Tenants[0].Limits.Budget = meter.Budget{TokensPerDay: 1_000_000}
	f(``, `{"model"`, "") // much is left: nothing changes
}

// A request goes to a free deployment, which fails, and then to one that costs more
// than the budget has.
func TestADearerDeploymentIsPaidFromTheBudgetOnly(t *testing.T) {
	dead := newBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	c := config(dead.URL)
	c.Models[0].Attempts = 2
	paid := config(newBackend(t, obedient(100_000)).URL).Models[0].Deployments[0]
	paid.Name, paid.Tier, paid.Rates = "m/paid", 1, meter.Rates{Completion: 10_000_000}
	c.Models[0].Deployments = append(c.Models[0].Deployments, paid)
	c.Tenants[0].Limits.MoneyPerDay = weir.Dollar / 100
	r := start(t, c)
	resp, answer := r.post(chatPath, `{"model":"m","max_tokens":100000,"messages":[]}`)
	if said := resp.Header.Get("X-Weir-Max-Tokens"); resp.StatusCode != 200 || said != "1000; lowered by a budget from 100000" {
		t.Errorf("%d %q %s", resp.StatusCode, said, answer)
	}
	if rec := r.rec(); rec.Cost != weir.Dollar/100 {
		t.Errorf("%+v", rec)
	}
	resp, answer = r.post(chatPath, `{"model":"m","max_tokens":100000,"messages":[]}`)
	if resp.StatusCode != 429 || !strings.Contains(answer, "money_per_day") {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	r.rec()
	r.settled()
}

func TestEveryAnswerThatIsBilledIsCounted(t *testing.T) {
	f := func(op weir.Op, body string, want int) {
		t.Helper()
		c := &call{s: surface{op: op, do: openAI.Operation(op)}, body: []byte(body)}
		var err error
		c.ask, err = readAsk(c.body)
		c.ask.readBy(c.s.do)
		if err != nil || c.answers() != want {
			t.Errorf("%s: %d, want %d (%v)", body, c.answers(), want, err)
		}
	}
	f(weir.OpChat, `{"n":3,"messages":[]}`, 3)
	f(weir.OpCompletions, `{"n":2,"best_of":5,"prompt":"a"}`, 5)
	f(weir.OpCompletions, `{"prompt":["a","b",  "c"]}`, 3)
	f(weir.OpCompletions, `{"prompt":[[1,2],[3]],"n":2}`, 4)
	f(weir.OpCompletions, `{"prompt":[1,2,3]}`, 1)
	f(weir.OpCompletions, `{"prompt":[]}`, 1)
	f(weir.OpCompletions, `{}`, 1)
	f(weir.OpChat, `{"messages":["a","b"]}`, 1)
	f(weir.OpChat, `{"n":1,"n_cmpl":4,"messages":[]}`, 4)
	f(weir.OpCompletions, `{"prompt":["a","b","c"],"messages":[],"input":"x"}`, 3)
	f(weir.OpCompletions, `{"input":"x","prompt":["a","b","c"]}`, 3)
	f(weir.OpCompletions, `{"n":2000000000,"best_of":2000000000,"prompt":["a","b"]}`, 1<<20)
}
