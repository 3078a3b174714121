package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"weir"
	"weir/meter"
)

// long streams so many events of one token.
func long(tokens int, usage bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, roleEvent)
		for range tokens {
			io.WriteString(w, tokenEvent)
		}
		io.WriteString(w, finishEvent)
		if usage {
			fmt.Fprintf(w, `data: {"id":"c1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":%d}}`+"\n\n", tokens)
		}
		io.WriteString(w, doneEvent)
	}
}

func TestEveryScopeOfLimitsIsHeld(t *testing.T) {
	for _, scope := range []meter.Scope{
		{}, {Class: "batch"}, {Model: "m"}, {Tenant: "demo", Model: "m"}, {Tenant: "demo", Class: "batch"},
		{Tenant: "demo", Key: "ci", Model: "m", Class: "batch"},
	} {
		c := config(newBackend(t, answering).URL)
		c.Limits = []Limit{{Scope: scope, Limits: meter.Limits{RequestsPerMinute: 1}}}
		r := start(t, c)
		if resp, answer := r.post(chatPath, chatBody, "X-Weir-Class", "batch"); resp.StatusCode != 200 {
			t.Fatal(answer)
		}
		r.rec()
		resp, answer := r.post(chatPath, chatBody, "X-Weir-Class", "batch")
		if resp.StatusCode != 429 || !strings.Contains(answer, "requests_per_minute of ") || resp.Header.Get("Retry-After-Ms") == "" {
			t.Errorf("%v: %d %s", scope, resp.StatusCode, answer)
		}
		r.rec()
		other, answer := r.post(chatPath, chatBody) // interactive
		if want := 200; scope.Class == "" {
			want = 429
			if other.StatusCode != want {
				t.Errorf("%v: %d %s", scope, other.StatusCode, answer)
			}
		} else if other.StatusCode != want {
			t.Errorf("%v: %d %s", scope, other.StatusCode, answer)
		}
		r.rec()
		r.settled()
	}
}

func TestModelsShareTheirOwnLimitUnderEveryName(t *testing.T) {
	c := config(newBackend(t, answering).URL)
	c.Models[0].Aliases = []string{"alias"}
	c.Models[0].Limits = meter.Limits{RequestsPerMinute: 1}
	r := start(t, c)
	r.post(chatPath, chatBody)
	r.rec()
	resp, answer := r.post(chatPath, strings.Replace(chatBody, `"m"`, `"alias"`, 1))
	if resp.StatusCode != 429 || !strings.Contains(answer, "requests_per_minute of model m") {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	r.rec()
}

// 600 tokens arrive though 512 were reserved: the limit is charged while they arrive.
func TestAnAnswerThatOutgrowsItsReservationIsChargedWhileItComes(t *testing.T) {
	const tokens = 600
	half, rest := make(chan struct{}), make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, roleEvent)
		for range tokens {
			io.WriteString(w, tokenEvent)
		}
		w.(http.Flusher).Flush()
		close(half)
		<-rest
		io.WriteString(w, finishEvent+doneEvent)
	})
	c := config(b.URL)
	c.Tenants[0].Limits = meter.Limits{TokensPerMinute: 1_000_000, Budget: meter.Budget{TokensPerDay: 560}}
	r := start(t, c)
	status := make(chan int, 1)
	go func() {
		resp, answer := r.post(chatPath, streamed)
		if !strings.Contains(answer, "[DONE]") {
			t.Error("a budget that does not cut has cut: ", answer[max(0, len(answer)-300):])
		}
		status <- resp.StatusCode
	}()
	<-half
	scope := meter.Scope{Tenant: "demo"}
	eventually(t, "more was reserved", func() bool {
		r.spend.mu.Lock()
		defer r.spend.mu.Unlock()
		probe, refusal := r.spend.meter.Reserve(r.now(), meter.Who{Tenant: "demo"}, meter.Spent{})
		r.spend.meter.Release(r.now(), probe)
		return refusal != nil && refusal.Kind == meter.TokensDay && refusal.Value > tokens
	})
	close(rest)
	if s := <-status; s != 200 {
		t.Error(s)
	}
	r.rec()
	r.settled()
	if day, _ := r.spend.meter.Used(r.now(), scope); day.Tokens < tokens {
		t.Errorf("%+v", day)
	}
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 429 || !strings.Contains(answer, "tokens_per_day of tenant demo allows 560 tokens") {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	r.rec()
}

func TestABudgetMayCutAnAnswerThatOutgrowsIt(t *testing.T) {
	c := config(newBackend(t, long(5000, true)).URL)
	c.Tenants[0].Limits.Budget = meter.Budget{TokensPerDay: 700, Cut: true}
	r := start(t, c)
	resp, answer := r.post(chatPath, streamed)
	if resp.StatusCode != 200 || strings.Contains(answer, "[DONE]") || !strings.Contains(answer, "the answer was cut: tokens_per_day of tenant demo allows 700 tokens") {
		t.Errorf("%d ...%s", resp.StatusCode, answer[max(0, len(answer)-400):])
	}
	rec := r.rec()
	if rec.Outcome != weir.Failure || rec.Fault != weir.PolicyFault || rec.Code != "budget_exceeded" || rec.Usage.Completion < 512 || rec.Usage.Completion > 700 {
		t.Errorf("%+v", rec)
	}
	r.settled()
}

func TestAShortAnswerIsNeverToppedUp(t *testing.T) {
	c := config(newBackend(t, long(400, true)).URL)
	c.Tenants[0].Limits.Budget = meter.Budget{TokensPerDay: 530, Cut: true}
	r := start(t, c)
	if _, answer := r.post(chatPath, streamed); !strings.Contains(answer, "[DONE]") {
		t.Error(answer)
	}
	r.rec()
	r.settled()
}

func TestADeploymentThatServesForAnotherModelIsChargedToBoth(t *testing.T) {
	c := config(newBackend(t, answering).URL)
	other := config(newBackend(t, answering).URL).Models[0]
	other.Name, other.Deployments[0].Name, other.Limits = "mini", "mini/d", meter.Limits{RequestsPerMinute: 1}
	c.Models = append(c.Models, other)
	c.Models[0].Limits = meter.Limits{RequestsPerMinute: 10}
	c.Models[0].Attempts = 1
	c.Models[0].Deployments[0].Serves = "mini"
	r := start(t, c)
	if resp, answer := r.post(chatPath, chatBody); resp.StatusCode != 200 {
		t.Fatal(answer)
	}
	r.rec()
	for _, body := range []string{chatBody, strings.Replace(chatBody, `"m"`, `"mini"`, 1)} {
		resp, answer := r.post(chatPath, body)
		if resp.StatusCode != 429 || !strings.Contains(answer, "requests_per_minute of model mini") || resp.Header.Get("Retry-After-Ms") == "" {
			t.Errorf("%d %s", resp.StatusCode, answer)
		}
		r.rec()
	}
	r.settled()
}

func TestLimitsOfWhatThereIsNotAreFaults(t *testing.T) {
	c := config("http://127.0.0.1:1")
	one := meter.Limits{RequestsPerMinute: 1}
	c.Models[0].Limits = one
	c.Models[0].Deployments[0].Serves = "none"
	for _, s := range []meter.Scope{
		{Tenant: "nobody"}, {Tenant: "demo", Key: "none"}, {Model: "none"}, {Class: "slow"}, {Model: "m"}, {Tenant: "demo"}, {Tenant: "demo"},
	} {
		c.Limits = append(c.Limits, Limit{Scope: s, Limits: one})
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		"tenant=nobody are of a tenant or model", "tenant=demo,key=none are of a key", "model=none are of a tenant or model", "class=slow are of a class",
		"model=m has limits twice", "tenant=demo has limits twice", `serves model "none"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestAnAbsurdMaxTokensIsTrimmedAndNothingElse(t *testing.T) {
	const body = `{"model":"m", "max_tokens" : 128000,"n":1, "max_completion_tokens":100,"messages":[{"role":"user","content":"max_tokens 128000"}]}`
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Models[0].Deployments[0].Upstream.Model = "m"
	plain := start(t, c)
	resp, _ := plain.post(chatPath, body)
	if _, sent, _ := b.last(); sent != body || resp.Header.Get("X-Weir-Max-Tokens") != "" {
		t.Errorf("it is off, and %q was sent: %v", sent, resp.Header)
	}
	plain.rec()

	c.Models[0].Trim, c.Tenants[0].Trim = Trim{Cap: 8192}, Trim{Cap: 4096}
	r := start(t, c)
	resp, _ = r.post(chatPath, body)
	if _, sent, _ := b.last(); sent != strings.Replace(body, ": 128000", ": 4096", 1) {
		t.Errorf("sent %q", sent)
	}
	if have := resp.Header.Get("X-Weir-Max-Tokens"); have != "4096; trimmed from 128000" {
		t.Errorf("told %q", have)
	}
	r.rec()
	resp, _ = r.post(chatPath, `{"model":"m","max_tokens":5,"n_predict":-1,"max_completion_tokens":null,"messages":[]}`)
	if _, sent, _ := b.last(); sent != `{"model":"m","max_tokens":4096,"n_predict":4096,"max_completion_tokens":null,"messages":[]}` {
		t.Errorf("sent %q, told %q", sent, resp.Header.Get("X-Weir-Max-Tokens"))
	}
	r.rec()
	for _, small := range []string{chatBody, strings.Replace(chatBody, `"m"`, `"m","max_tokens":4096`, 1)} {
		resp, _ = r.post(chatPath, small)
		if _, sent, _ := b.last(); sent != small || resp.Header.Get("X-Weir-Max-Tokens") != "" {
			t.Errorf("sent %q, told %v", sent, resp.Header)
		}
		r.rec()
	}
}

func TestAMultipleOfWhatAnswersNeedIsTrimmedToOnceItIsKnown(t *testing.T) {
	b := newBackend(t, answering) // 7 tokens an answer
	c := config(b.URL)
	c.Models[0].Trim = Trim{Times: 50}
	r := start(t, c)
	body := strings.Replace(chatBody, `"m"`, `"m","max_completion_tokens":100000`, 1)
	for i := range 9 {
		resp, _ := r.post(chatPath, body)
		want := ""
		if i == 8 { // eight answers are enough to know
			want = "350; trimmed from 100000"
		}
		if have := resp.Header.Get("X-Weir-Max-Tokens"); have != want {
			t.Errorf("answer %d: %q, want %q", i, have, want)
		}
		r.rec()
		r.settled()
	}
	if _, sent, _ := b.last(); !strings.Contains(sent, `"max_completion_tokens":350,`) {
		t.Error(sent)
	}
}
