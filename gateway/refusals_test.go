package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
	"weir/upstream"
)

func TestRequestsThatAreTurnedAwayReachNoUpstream(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Bounds.MaxBody = 1000
	other := c.Models[0]
	other.Name, other.Deployments = "other", []Deployment{{Upstream: upstream.Options{Dialect: anthropic, BaseURL: b.URL}}}
	other.Deployments[0].Name = "o0"
	c.Models = append(c.Models, other)
	c.Tenants = append(c.Tenants, Tenant{Name: "narrow", Models: []string{"other"}, Keys: []Key{{Name: "k", SHA256: sum("narrow-key")}}})
	r := start(t, c)
	f := func(status int, code string, fault weir.Fault, path, body string, headers ...string) {
		t.Helper()
		resp, answer := r.post(path, body, headers...)
		if resp.StatusCode != status || !strings.Contains(answer, fmt.Sprintf("%q", code)) || resp.Header.Get("X-Weir-Fault") != fault.String() {
			t.Errorf("%d %s %v, want %d %s", resp.StatusCode, answer, resp.Header, status, code)
		}
		if rec := r.rec(); rec.Outcome != weir.Refused || rec.Fault != fault || rec.Status != status || rec.Attempts != 0 {
			t.Errorf("%+v", rec)
		}
	}
	f(401, "missing_api_key", weir.CallerFault, chatPath, chatBody, "Authorization", "")
	f(401, "invalid_api_key", weir.CallerFault, chatPath, chatBody, "Authorization", "Bearer no")
	f(401, "invalid_api_key", weir.CallerFault, chatPath, chatBody, "Authorization", "Bearer "+strings.Repeat("x", 5000))
	f(401, "missing_api_key", weir.CallerFault, chatPath, chatBody, "Authorization", "Basic "+testKey)
	f(400, "invalid_json", weir.CallerFault, chatPath, `{"model":`)
	f(400, "invalid_json", weir.CallerFault, chatPath, `[]`)
	f(400, "invalid_json", weir.CallerFault, chatPath, ``)
	f(400, "invalid_value", weir.CallerFault, chatPath, `{"model":"m","stream":"yes"}`)
	f(400, "invalid_value", weir.CallerFault, chatPath, `{"model":"m","model":"other"}`)
	f(400, "missing_model", weir.CallerFault, chatPath, `{}`)
	f(404, "model_not_found", weir.CallerFault, chatPath, `{"model":"nope"}`)
	f(404, "DeploymentNotFound", weir.CallerFault, "/openai/deployments/nope/chat/completions", `{}`)
	f(404, "not_found_error", weir.CallerFault, "/v1/messages", `{"model":"nope"}`)
	f(403, "model_not_allowed", weir.PolicyFault, chatPath, chatBody, "Authorization", "Bearer narrow-key")
	f(400, "unsupported_operation", weir.CallerFault, chatPath, `{"model":"other"}`)
	f(413, "request_too_large", weir.CallerFault, chatPath, `{"model":"m","x":"`+strings.Repeat("x", 1000)+`"}`)
	f(415, "unsupported_encoding", weir.CallerFault, chatPath, chatBody, "Content-Encoding", "gzip")
	if n := b.calls.Load(); n != 0 {
		t.Errorf("%d calls reached the upstream", n)
	}
	r.settled()
}

func TestABodyWithoutALengthIsBoundedToo(t *testing.T) {
	c := config("http://127.0.0.1:1")
	c.Bounds.MaxBody = 1000
	r := start(t, c)
	req, _ := http.NewRequest("POST", r.url+chatPath, io.MultiReader(strings.NewReader(`{"x":"`), strings.NewReader(strings.Repeat("x", 100_000))))
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Error(resp.Status)
	}
}

func TestLimitsRefuseWithTheTimeToComeBack(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Tenants[0].Keys[0].Limits = meter.Limits{RequestsPerMinute: 2}
	r := start(t, c)
	for range 2 {
		if resp, answer := r.post(chatPath, chatBody); resp.StatusCode != 200 {
			t.Fatal(answer)
		}
		r.rec()
	}
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 429 || !strings.Contains(answer, "rate_limit_exceeded") || !strings.Contains(answer, "requests_per_minute of key demo/ci") {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	if s := resp.Header.Get("Retry-After"); s == "" || s == "0" || resp.Header.Get("Retry-After-Ms") == "" {
		t.Error(resp.Header)
	}
	if rec := r.rec(); rec.Outcome != weir.Refused || rec.Fault != weir.PolicyFault {
		t.Errorf("%+v", rec)
	}
	r.settled()
}

func TestWhatWasNotUsedGoesBackToTheLimit(t *testing.T) {
	b := newBackend(t, answering) // uses 18 tokens
	c := config(b.URL)
	c.Tenants[0].Limits = meter.Limits{TokensPerMinute: 1000}
	r := start(t, c)
	for i := range 10 { // each reserves hundreds and settles for 18
		if resp, answer := r.post(chatPath, chatBody); resp.StatusCode != 200 {
			t.Fatal(i, answer)
		}
		r.rec()
		r.settled()
	}
	resp, answer := r.post(chatPath, `{"model":"m","messages":"`+strings.Repeat("word ", 2000)+`"}`)
	if resp.StatusCode != 400 || !strings.Contains(answer, "request_exceeds_limit") {
		t.Error(resp.StatusCode, answer)
	}
}

// One request at a time, a queue of one: the third is refused.
func TestAFullQueueRefusesWithTheTimeToComeBack(t *testing.T) {
	hold := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { <-hold; answering(w, r) })
	c := config(b.URL)
	c.Models[0].Deployments[0].MaxRequests = 1
	c.Models[0].Queue.MaxRequests = 1
	r := start(t, c)
	done := make(chan int, 2)
	for i := range 2 {
		go func() {
			resp, err := r.send(t.Context(), chatPath, chatBody)
			if err != nil {
				done <- 0
				return
			}
			resp.Body.Close()
			done <- resp.StatusCode
		}()
		eventually(t, "the request is in", func() bool {
			d := r.state.Load().models["m"].demand(r.now())
			return d.Waiting == i && d.Deployments[0].InFlight == 1
		})
	}
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 429 || !strings.Contains(answer, "queue_full") || resp.Header.Get("Retry-After-Ms") == "" || resp.Header.Get("X-Weir-Queue-Position") != "2" {
		t.Errorf("%d %s %v", resp.StatusCode, answer, resp.Header)
	}
	close(hold)
	for range 2 {
		if status := <-done; status != 200 {
			t.Error(status)
		}
	}
	r.settled()
}

func TestARequestThatWaitsTooLongIsToldSo(t *testing.T) {
	c := config("")
	c.Models[0].Queue = dispatch.Queue{MaxWait: 50 * time.Millisecond, MaxWaitCold: 50 * time.Millisecond}
	c.Models[0].Deployments[0].Elastic = true
	r := start(t, c)
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 503 || resp.Header.Get("X-Weir-Fault") != "policy" {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	rec := r.rec()
	if rec.Outcome != weir.Refused || rec.Queued < 50*time.Millisecond {
		t.Errorf("%+v", rec)
	}
	if d, err := r.Demand("d0"); err != nil || d.Missed != 1 || d.Model.Refused != 1 {
		t.Errorf("%+v %v", d, err)
	}
	r.settled()
}

func TestARequestWaitsForAReplicaThatIsStarting(t *testing.T) {
	b := newBackend(t, answering)
	c := config("")
	c.Models[0].Deployments[0].Elastic = true
	r := start(t, c)
	now := r.now()
	if err := r.SetReplicas("d0", []weir.Replica{{ID: "r1", Deployment: "d0", State: weir.Starting, Since: now, Asked: now}}); err != nil {
		t.Fatal(err)
	}
	got := make(chan *http.Response, 1)
	go func() {
		resp, err := r.send(t.Context(), chatPath, chatBody)
		if err != nil {
			t.Error(err)
		}
		got <- resp
	}()
	eventually(t, "it waits", func() bool { d, _ := r.Demand("d0"); return d.Model.Waiting == 1 })
	now = r.now()
	if err := r.SetReplicas("d0", []weir.Replica{{ID: "r1", Deployment: "d0", State: weir.Ready, Addr: b.URL, Since: now, ReadyAt: now}}); err != nil {
		t.Fatal(err)
	}
	resp := <-got
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("X-Weir-Replica") != "r1" {
		t.Error(resp.Status, resp.Header)
	}
	if d, _ := r.Demand("d0"); d.Here.Completed != 1 || d.Attained != 1 || d.Missed != 0 || d.Here.Name != "d0" {
		t.Errorf("%+v", d)
	}
	if r.SetReplicas("nope", nil) == nil {
		t.Error("replicas of a deployment that is not configured were taken")
	}
}

func TestOpenStreamsAreBounded(t *testing.T) {
	hold := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { <-hold; answering(w, r) })
	c := config(b.URL)
	c.Bounds.MaxStreams = 1
	r := start(t, c)
	first := make(chan error, 1)
	go func() {
		resp, err := r.send(t.Context(), chatPath, streamed)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		first <- err
	}()
	eventually(t, "the stream is open", func() bool { return r.Levels().Streams == 1 && b.calls.Load() == 1 })
	resp, answer := r.post(chatPath, streamed)
	if resp.StatusCode != 503 || !strings.Contains(answer, "too_many_streams") || resp.Header.Get("Retry-After") != "1" {
		t.Error(resp.StatusCode, answer)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
	r.settled()
}

func TestACallerThatDoesNotSendItsBodyIsCutOff(t *testing.T) {
	c := config("http://127.0.0.1:1")
	c.Bounds.BodyTimeout = 50 * time.Millisecond
	r := start(t, c)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", chatPath, testKey)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 408 {
		t.Error(resp, err)
	}
	if rec := r.rec(); rec.Code != "request_timeout" {
		t.Errorf("%+v", rec)
	}
}

func TestACallerThatDoesNotTakeItsStreamIsCutOff(t *testing.T) {
	onBothFronts(t, aCallerThatDoesNotTakeItsStreamIsCutOff)
}

func aCallerThatDoesNotTakeItsStreamIsCutOff(t *testing.T) {
	t.Helper()
	event := "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + strings.Repeat("x", 60_000) + "\"}}]}\n\n"
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, event); err != nil {
				return
			}
		}
	})
	c := config(b.URL)
	c.Bounds.WriteTimeout = 100 * time.Millisecond
	r := start(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := r.send(ctx, chatPath, streamed)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if rec := r.rec(); rec.Outcome != weir.Failure || rec.Fault != weir.CallerFault || rec.Status != 499 || rec.Code != "client_slow" || rec.Usage.Completion == 0 {
		t.Errorf("%+v", rec)
	}
	r.settled()
	eventually(t, "the upstream was told", func() bool { return b.inFlight.Load() == 0 })
}

// Three wait for one slot. The one that has waited too long learns how many would be
// ahead of a retry, and when to send it.
func TestAWaitThatWasTooLongTellsThePlaceInTheQueue(t *testing.T) {
	hold := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) { <-hold; answering(w, r) })
	c := config(b.URL)
	c.Models[0].Deployments[0].MaxRequests = 1
	c.Models[0].Queue = dispatch.Queue{MaxWait: 50 * time.Millisecond, BatchWait: time.Minute}
	r := start(t, c)
	var wg sync.WaitGroup
	for i, class := range []string{"interactive", "batch", "batch"} {
		wg.Go(func() {
			if resp, answer := r.post(chatPath, chatBody, "X-Weir-Class", class); resp.StatusCode != 200 {
				t.Errorf("%d %s", resp.StatusCode, answer)
			}
		})
		eventually(t, "the request is in", func() bool {
			d := r.state.Load().models["m"].demand(r.now())
			return d.Waiting == i && d.Deployments[0].InFlight == 1
		})
	}
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 503 || !strings.Contains(answer, "queue_timeout") || resp.Header.Get("X-Weir-Queue-Position") != "1" {
		t.Errorf("%d %s %v: batch is not before interactive", resp.StatusCode, answer, resp.Header)
	}
	if s, ms := resp.Header.Get("Retry-After"), resp.Header.Get("Retry-After-Ms"); s == "" || s == "0" || ms == "" || ms == "0" {
		t.Error(resp.Header)
	}
	close(hold)
	wg.Wait()
	r.settled()
}

func TestABudgetRefusesUntilItsDayIsOver(t *testing.T) {
	b := newBackend(t, answering) // 11 prompt tokens, 4 of them cached, and 7 of the answer
	c := config(b.URL)
	c.Models[0].Deployments[0].Rates = meter.Rates{Prompt: 1_000_000, Cached: 1_000_000, Completion: 1_000_000}
	c.Tenants[0].Limits.MoneyPerDay = 30 // micro-dollars
	r := start(t, c)
	for range 2 { // the first one's reservation comes back: it cost 18
		if resp, answer := r.post(chatPath, chatBody); resp.StatusCode == 200 {
			r.rec()
			r.settled()
			continue
		} else if !strings.Contains(answer, "budget_exceeded") || !strings.Contains(answer, "money_per_day of tenant demo") || resp.StatusCode != 429 {
			t.Errorf("%d %s", resp.StatusCode, answer)
		}
		r.rec()
	}
	day, _ := r.spend.meter.Used(r.now(), meter.Scope{Tenant: "demo"})
	if day.Cost != 18 || day.Tokens != 18 || b.calls.Load() != 1 {
		t.Errorf("%+v is used after %d calls", day, b.calls.Load())
	}
	r.RestoreBudget(meter.Scope{Tenant: "demo"}, meter.Spent{Cost: 5}, meter.Spent{Cost: 500})
	if day, month := r.spend.meter.Used(r.now(), meter.Scope{Tenant: "demo"}); day.Cost != 18 || month.Cost != 500 {
		t.Errorf("%+v %+v", day, month)
	}
	resp, answer := r.post(chatPath, chatBody)
	if after := resp.Header.Get("Retry-After"); resp.StatusCode != 429 || after == "" || after == "0" {
		t.Errorf("%d %q %s", resp.StatusCode, after, answer)
	}
	r.rec()
	r.settled()
}
