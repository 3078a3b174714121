package emulate

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir"
)

// A resource with one deployment of each kind. The provisioned one carries
// 1,000 normalised tokens a second, its bucket holds 10,000.
func resource() AzureOptions {
	return AzureOptions{Keys: []string{"right"}, Deployments: []AzureDeployment{
		{Name: "ptu", Model: "gpt-4o", SKU: "ProvisionedManaged", PTU: 24, InputTPM: 2500, OutputWeight: 4, TokensPerSecond: 25},
		{Name: "std", Model: "gpt-4o", SKU: "GlobalStandard", TPM: 6000},
	}}
}

// azure runs the test in a bubble with a resource in it.
func azure(t *testing.T, o AzureOptions, test func(*server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, err := NewAzure(o)
		if err != nil {
			t.Fatal(err)
		}
		inBubble(t, nil, a.serve, func(s *server) {
			s.header = http.Header{"Api-Key": {"right"}}
			test(s)
		})
	})
}

const azureVersion = "?api-version=2024-10-21"

func azurePath(deployment string) string {
	return "/openai/deployments/" + deployment + "/chat/completions" + azureVersion
}

// azureAsk is a chat with a prompt of that many tokens, 4 of them the message's
// own. All begin differently, so none is cached.
func azureAsk(prompt, most int, more string) string {
	return fmt.Sprintf(`{"messages":[{"role":"user","content":"%04d%s"}],"max_tokens":%d%s}`, serial.Add(1)%10_000, strings.Repeat("word", prompt-5), most, more)
}

var serial atomic.Uint64

func TestAzurePathsAndKeys(t *testing.T) {
	azure(t, resource(), func(s *server) {
		f := func(path, auth string, status int, code string) {
			t.Helper()
			name, value, _ := strings.Cut(auth, ": ")
			s.header = http.Header{http.CanonicalHeaderKey(name): {value}}
			have, _, body := s.ask("POST", path, azureAsk(10, 5, `,"model":"std"`))
			if have != status || code != "" && parse(t, body).at("error", "code").str() != code {
				t.Errorf("%s %s: %d %s: want %d %s", path, auth, have, body, status, code)
			}
		}
		const key, v1 = "api-key: right", "/openai/v1/chat/completions"
		f(azurePath("std"), key, 200, "")
		f(azurePath("ptu"), key, 200, "")
		f(azurePath("std"), "authorization: Bearer right", 200, "")
		f(azurePath("std"), "authorization: Bearer head.body.signature", 200, "") // the form of an Entra ID token
		f(azurePath("std"), "authorization: Bearer wrong", 401, "401")
		f(azurePath("std"), "api-key: wrong", 401, "401")
		f(azurePath("std"), "x-api-key: right", 401, "401")
		f(azurePath("none"), key, 404, "DeploymentNotFound")
		f("/openai/deployments/std/chat/completions", key, 404, "404")
		f("/openai/deployments/std/nonsense"+azureVersion, key, 404, "404")
		f(v1, key, 200, "")
		f(v1, "authorization: Bearer right", 200, "")
		f("/openai/responses"+azureVersion, key, 400, "invalid_value") // it has no input
		f("/v1/chat/completions", key, 404, "404")
	})
}

func TestAzureTakesOnlyTheEntraTokensGiven(t *testing.T) {
	o := resource()
	o.Tokens = []string{"head.body.signature"}
	azure(t, o, func(s *server) {
		for auth, want := range map[string]int{"Bearer head.body.signature": 200, "Bearer other.body.signature": 401, "Bearer ": 401, "Basic a.b.c": 401} {
			s.header = http.Header{"Authorization": {auth}}
			status, _, _ := s.ask("POST", azurePath("std"), azureAsk(10, 5, ""))
			must(t, auth, status, want)
		}
	})
}

// The worked example of the rules: 10,000 tokens of room, 1,000 a second.
func TestPTUBucket(t *testing.T) {
	azure(t, resource(), func(s *server) {
		big := func() string { return azureAsk(9600, 100, "") } // estimated at 9,600 + 4 x 100 = 10,000
		status, h, _ := s.ask("POST", azurePath("ptu"), big())
		must(t, "an empty deployment", status, 200)
		must(t, "header", h.Get("X-Ms-Deployment-Name"), "ptu")

		// Some has drained, so utilisation is below 100 % and the next is
		// accepted whatever its size: a burst slightly over is allowed.
		var two sync.WaitGroup
		two.Go(func() { s.ask("POST", azurePath("ptu"), big()) })
		synctest.Wait()
		status, h, body := s.ask("POST", azurePath("ptu"), azureAsk(10, 5, ""))
		must(t, "above 100 %", status, 429)
		ms, err := strconv.Atoi(h.Get("Retry-After-Ms"))
		if err != nil || ms < 1 || ms > 10_000 {
			s.Fatalf("retry-after-ms %q: want up to the 10 s a bucket takes to drain", h.Get("Retry-After-Ms"))
		}
		must(t, "retry-after, rounded up", h.Get("Retry-After"), strconv.Itoa((ms+999)/1000))
		must(t, "code", parse(t, body).at("error", "code").str(), "429")
		two.Wait()

		// The wait is exact: a millisecond earlier it is refused, then not.
		_, h, _ = s.ask("POST", azurePath("ptu"), azureAsk(10, 5, ""))
		if ms, err = strconv.Atoi(h.Get("Retry-After-Ms")); err != nil {
			s.Fatal("the deployment is not full")
		}
		time.Sleep(time.Duration(ms-2) * time.Millisecond)
		status, _, _ = s.ask("POST", azurePath("ptu"), azureAsk(10, 5, ""))
		must(t, "too early", status, 429)
		time.Sleep(2 * time.Millisecond)
		status, _, _ = s.ask("POST", azurePath("ptu"), azureAsk(10, 5, ""))
		must(t, "in time", status, 200)
	})
}

func TestPTUEstimateIsCorrectedWhenTheAnswerIsShorter(t *testing.T) {
	b := newPTUBucket(1000, 10*time.Second)
	second := weirSecond
	must(t, "taken", b.take(0, 12_000), 0)
	must(t, "refused until 100 %", b.take(0, 1), 2*time.Second)
	b.correct(second, -9_000) // 11,000 are left by then, and the true cost was 3,000
	must(t, "level", b.percent(second), 20)
	must(t, "taken again", b.take(second, 1), 0)
	b.correct(second, -5_000)
	must(t, "never below empty", b.percent(second), 0)
	must(t, "work is what was used, not what was booked", b.worked, 12_000-9_000+1-5_000)
}

func TestPTUCachedTokensCostNothing(t *testing.T) {
	azure(t, resource(), func(s *server) {
		ask := azureAsk(2048, 5, "")
		first := s.post(azurePath("ptu"), ask)
		must(t, "cached at first", first.at("usage", "prompt_tokens_details", "cached_tokens").num(), 0)
		second := s.post(azurePath("ptu"), ask)
		cached := second.at("usage", "prompt_tokens_details", "cached_tokens").num()
		if cached < cacheLeast || cached%cacheStep != 0 || cached >= 2048 {
			t.Errorf("cached %d: want from 1,024 up in steps of 128, less than the prompt", cached)
		}
		short := azureAsk(1000, 5, "")
		s.post(azurePath("ptu"), short)
		must(t, "a short prompt", s.post(azurePath("ptu"), short).at("usage", "prompt_tokens_details", "cached_tokens").num(), 0)
	})
}

func TestStandardQuotaCountsEstimates(t *testing.T) {
	azure(t, resource(), func(s *server) {
		status, h, _ := s.ask("POST", azurePath("std"), azureAsk(1000, 4000, ""))
		must(t, "first", status, 200)
		for name, want := range map[string]string{
			"X-Ratelimit-Limit-Tokens": "6000", "X-Ratelimit-Limit-Requests": "36",
			"X-Ratelimit-Remaining-Tokens": "1000", "X-Ratelimit-Remaining-Requests": "5",
			"X-Ratelimit-Reset-Tokens": "60", "X-Ratelimit-Reset-Requests": "10",
		} {
			must(t, name, h.Get(name), want)
		}
		status, _, _ = s.ask("POST", azurePath("std"), azureAsk(1000, 4000, ""))
		must(t, "the one that fills the counter", status, 200)
		status, h, body := s.ask("POST", azurePath("std"), azureAsk(10, 5, ""))
		must(t, "beyond", status, 429)
		if !strings.Contains(string(body), "token rate limit") || h.Get("X-Ratelimit-Remaining-Tokens") != "0" {
			t.Errorf("%v %s", h, body)
		}
		ms, err := strconv.Atoi(h.Get("Retry-After-Ms"))
		if err != nil || ms > 60_000 {
			s.Fatalf("retry-after-ms %q", h.Get("Retry-After-Ms"))
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
		status, _, _ = s.ask("POST", azurePath("std"), azureAsk(10, 5, ""))
		must(t, "in the next minute", status, 200)
	})
}

// 600 requests a minute are 10 in a second ("Manage quota", 2026-09-16).
func TestStandardRequestsAreCountedInShortWindows(t *testing.T) {
	q := newTPMQuota(1_000_000, 600)
	for i := range 10 {
		if wait, _ := q.take(1, 1); wait != 0 {
			t.Fatalf("request %d waits %v", i, wait)
		}
	}
	wait, over := q.take(1, 1)
	must(t, "the eleventh in a second waits", wait, time.Second)
	must(t, "for", over, "call")
	if wait, _ = q.take(1+weirSecond, 1); wait != 0 {
		t.Errorf("a second later: %v", wait)
	}
	slow := newTPMQuota(1_000_000, 60)
	must(t, "60 a minute are 10 in a window of", slow.window, 10*time.Second)
	must(t, "requests", slow.most, 10)
}

func TestSpillover(t *testing.T) {
	o := resource()
	o.Deployments = append(o.Deployments, AzureDeployment{Name: "other", Model: "gpt-4o", SKU: "GlobalStandard", TPM: 100_000})
	azure(t, o, func(s *server) {
		full := `[{"kind":"status","status":429,"retry_after_ms":77,"path":"/openai/deployments/ptu/"}]`
		if status, _, body := s.ask("PUT", "/admin/faults", full); status != 200 {
			s.Fatalf("%d %s", status, body)
		}
		status, h, _ := s.ask("POST", azurePath("ptu"), azureAsk(10, 5, ""))
		must(t, "without a target", status, 429)
		must(t, "retry-after-ms", h.Get("Retry-After-Ms"), "77")
		s.header.Set("X-Ms-Spillover-Deployment", "other")
		status, h, _ = s.ask("POST", azurePath("ptu"), azureAsk(10, 5, ""))
		must(t, "by header", status, 200)
		must(t, "from", h.Get("X-Ms-Spillover-From-Deployment"), "ptu")
		must(t, "served by", h.Get("X-Ms-Deployment-Name"), "other")
		s.header.Set("X-Ms-Spillover-Deployment", "none")
		status, _, _ = s.ask("POST", azurePath("ptu"), azureAsk(10, 5, ""))
		must(t, "to one that is not there", status, 429)
	})
	o.Deployments[0].Spillover = "std"
	azure(t, o, func(s *server) {
		s.ask("PUT", "/admin/faults", `[{"kind":"status","status":503,"path":"/openai/deployments/ptu/"}]`)
		s.header.Set("X-Ms-Spillover-Deployment", "other")
		_, h, _ := s.ask("POST", azurePath("ptu"), azureAsk(1000, 6000, ""))
		must(t, "the property wins", h.Get("X-Ms-Deployment-Name"), "std")
		status, h, _ := s.ask("POST", azurePath("ptu"), azureAsk(10, 5, ""))
		must(t, "when the target is full: the original answer", status, 503)
		must(t, "why it did not spill", h.Get("X-Ms-Spillover-Error"), "429")
		must(t, "from", h.Get("X-Ms-Spillover-From-Deployment"), "")
		must(t, "deployment", h.Get("X-Ms-Deployment-Name"), "ptu")
	})
}

func TestLongPromptsSpillWhereProvisionedTakesNone(t *testing.T) {
	o := resource()
	o.Deployments[0].MaxPrompt, o.Deployments[0].Spillover = 1000, "std"
	azure(t, o, func(s *server) {
		status, h, _ := s.ask("POST", azurePath("ptu"), azureAsk(1001, 5, ""))
		must(t, "status", status, 200)
		must(t, "served by", h.Get("X-Ms-Deployment-Name"), "std")
		status, h, _ = s.ask("POST", azurePath("ptu"), azureAsk(1000, 5, ""))
		must(t, "status", status, 200)
		must(t, "served by", h.Get("X-Ms-Deployment-Name"), "ptu")
	})
}

func TestContentFilter(t *testing.T) {
	azure(t, resource(), func(s *server) {
		ask := func(mark, more string) string {
			return `{"messages":[{"role":"user","content":"` + mark + `"}],"max_tokens":50` + more + `}`
		}
		s.header.Set("X-Ms-Spillover-Deployment", "std")
		status, h, body := s.ask("POST", azurePath("ptu"), ask(MarkPromptFiltered, ""))
		must(t, "a prompt", status, 400)
		e := parse(t, body).at("error")
		must(t, "code", e.at("code").str(), "content_filter")
		must(t, "inner code", e.at("innererror", "code").str(), "ResponsibleAIPolicyViolation")
		must(t, "it never spills", h.Get("X-Ms-Deployment-Name"), "ptu")

		whole := s.post(azurePath("std"), ask(MarkAnswerFiltered, ""))
		must(t, "finish", whole.at("choices", 0, "finish_reason").str(), "content_filter")
		must(t, "tokens", whole.at("usage", "completion_tokens").num(), filteredAfter)
		if whole.at("choices", 0, "content_filter_results", "violence", "filtered").v != true || whole.at("prompt_filter_results").len() != 1 {
			t.Errorf("no results of the filters: %v", whole.v)
		}

		events, err := s.stream(azurePath("std"), ask("harmless", `,"stream":true`))
		if err != nil {
			s.Fatal(err)
		}
		finish := parse(t, []byte(events[len(events)-2].data)).at("choices", 0)
		if !finish.has("content_filter_results") || finish.at("finish_reason").v == nil {
			t.Errorf("the finish says nothing of the filters: %v", finish.v)
		}
		first := parse(t, []byte(events[0].data))
		if first.at("choices").len() != 0 || !first.has("prompt_filter_results") || events[len(events)-1].data != "[DONE]" {
			t.Errorf("first %v, last %q", first.v, events[len(events)-1].data)
		}
	})
}

func TestATemporaryAdjustmentShowsInTheHeadersAlone(t *testing.T) {
	azure(t, resource(), func(s *server) {
		status, _, _ := s.ask("PUT", "/admin/deployments/std", `{"tpm":100}`)
		must(t, "lowered", status, 200)
		status, h, _ := s.ask("POST", azurePath("std"), azureAsk(90, 20, ""))
		must(t, "served", status, 200)
		must(t, "limit", h.Get("X-Ratelimit-Limit-Tokens"), "100")
		status, _, _ = s.ask("POST", azurePath("std"), azureAsk(10, 5, ""))
		must(t, "refused", status, 429)
		for path, body := range map[string]string{"ptu": `{"tpm":100}`, "none": `{"tpm":100}`, "std": `{"tpm":0}`} {
			status, _, _ := s.ask("PUT", "/admin/deployments/"+path, body)
			must(t, path+body, status, 400)
		}
	})
}

func TestAzureTakesTheSameFaults(t *testing.T) {
	azure(t, resource(), func(s *server) {
		s.ask("PUT", "/admin/faults", `[{"kind":"cut","after_tokens":2,"count":1},{"kind":"slow_headers","delay_ms":3000,"count":1},{"kind":"drop","count":1}]`)
		ask := `{"messages":[{"role":"user","content":"x"}],"max_tokens":5,"stream":true}`
		if events, err := s.stream(azurePath("std"), ask); err == nil {
			t.Errorf("cut: %d events and a true end", len(events))
		}
		began := time.Now()
		if _, err := s.stream(azurePath("std"), ask); err != nil || time.Since(began) < 3*time.Second {
			t.Errorf("slow headers: %v after %v", err, time.Since(began))
		}
		if a, err := s.send(s.Context(), "POST", azurePath("std"), ask); err == nil {
			a.Body.Close()
			t.Error("drop: an answer came")
		}
	})
}

func TestAzureEmbeddings(t *testing.T) {
	o := resource()
	o.Deployments[1].Model = "text-embedding-3-large"
	azure(t, o, func(s *server) {
		a := s.post("/openai/deployments/std/embeddings"+azureVersion, `{"input":["one","two"]}`)
		must(t, "vectors", a.at("data").len(), 2)
		must(t, "width", a.at("data", 0, "embedding").len(), 3072)
		status, h, _ := s.ask("POST", "/openai/v1/embeddings", `{"model":"std","input":"`+strings.Repeat("word", 6000)+`"}`)
		must(t, "status", status, 200)
		must(t, "prompts are counted", h.Get("X-Ratelimit-Remaining-Tokens"), "0")
	})
}

// A gateway must not send a deployment requests that the service refuses for
// its model.
func TestAzureRefusesWhatTheModelDoesNotTake(t *testing.T) {
	o := resource()
	o.Deployments = append(o.Deployments,
		AzureDeployment{Name: "emb", Model: "text-embedding-3-small", SKU: "GlobalStandard", TPM: 100_000},
		AzureDeployment{Name: "think", Model: "o4-mini", SKU: "GlobalStandard", TPM: 100_000, RPM: 6000})
	azure(t, o, func(s *server) {
		f := func(deployment, op, body, want string) {
			t.Helper()
			status, _, have := s.ask("POST", "/openai/deployments/"+deployment+op+azureVersion, body)
			if want == "" && status == 200 || want != "" && status == 400 && strings.Contains(string(have), want) {
				return
			}
			t.Errorf("%s%s %s: %d %s, want %q", deployment, op, body, status, have, want)
		}
		const hello = `{"messages":[{"role":"user","content":"x"}]`
		f("std", "/chat/completions", hello+`,"max_tokens":5}`, "")
		f("std", "/chat/completions", hello+`,"top_k":5}`, "Unrecognized request argument supplied: top_k")
		f("std", "/chat/completions", hello+`,"min_p":0.1,"guided_json":{}}`, "Unrecognized request arguments supplied: guided_json, min_p")
		f("std", "/embeddings", `{"input":"x"}`, "OperationNotSupported")
		f("emb", "/chat/completions", hello+`}`, "OperationNotSupported")
		f("emb", "/embeddings", `{"input":"x"}`, "")
		f("emb", "/embeddings", `{"input":"x","truncate_prompt_tokens":1}`, "truncate_prompt_tokens")
		f("think", "/chat/completions", hello+`,"max_tokens":5}`, "max_completion_tokens")
		f("think", "/chat/completions", hello+`,"temperature":0.2}`, "Unsupported value: 'temperature'")
		f("think", "/chat/completions", hello+`,"temperature":1,"max_completion_tokens":5}`, "")
	})
}

func TestErrorInsideAStream(t *testing.T) {
	azure(t, resource(), func(s *server) {
		ask := `{"messages":[{"role":"user","content":"` + MarkFailsInStream + `"}],"max_tokens":50`
		events, err := s.stream(azurePath("std"), ask+`,"stream":true}`)
		if err != nil {
			s.Fatal(err)
		}
		last := parse(t, []byte(events[len(events)-1].data))
		if !parse(t, []byte(events[0].data)).has("prompt_filter_results") || !last.has("error") {
			t.Errorf("first %s, last %v: want the prompt's filter results, and an error at the end", events[0].data, last.v)
		}
		status, _, body := s.ask("POST", azurePath("std"), ask+"}")
		must(t, "not streamed", status, 500)
		must(t, "code", parse(t, body).at("error", "code").str(), "InternalServerError")
	})
}

// A provisioned deployment under twice its capacity is fully used, and reports
// its true work.
func TestPTUUnderOverloadIsFullyUsed(t *testing.T) {
	azure(t, resource(), func(s *server) {
		ctx, cancel := context.WithTimeout(s.Context(), 2*time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					a, err := s.send(ctx, "POST", azurePath("ptu"), azureAsk(500, 100, ""))
					if err != nil {
						return
					}
					ms, _ := strconv.Atoi(a.Header.Get("Retry-After-Ms"))
					a.Body.Close()
					time.Sleep(time.Duration(ms) * time.Millisecond)
				}
			})
		}
		all.Wait()
		_, _, body := s.ask("GET", "/admin/deployments", "")
		ptu := parse(t, body).at(0)
		worked := ptu.v.(map[string]any)["normalised"].(interface{ Float64() (float64, error) })
		if n, err := worked.Float64(); err != nil || n < 0.97*120*1000 || n > 121*1000 {
			t.Errorf("worked off %v of 120,000 normalised tokens (%v)", n, err)
		}
	})
}

func TestAzureFasterThanTime(t *testing.T) {
	o := resource()
	o.Speed = 10
	azure(t, o, func(s *server) {
		s.post(azurePath("std"), azureAsk(1000, 5500, ""))
		began := time.Now()
		_, h, _ := s.ask("POST", azurePath("std"), azureAsk(10, 5, ""))
		ms, err := strconv.Atoi(h.Get("Retry-After-Ms"))
		if err != nil || ms > 6000 {
			s.Fatalf("retry-after-ms %q: a minute takes 6 s", h.Get("Retry-After-Ms"))
		}
		time.Sleep(time.Duration(ms)*time.Millisecond - time.Since(began))
		status, _, _ := s.ask("POST", azurePath("std"), azureAsk(10, 5, ""))
		must(t, "then", status, 200)
	})
}

func TestAzureOptionsAreChecked(t *testing.T) {
	f := func(change func(*AzureOptions), want string) {
		t.Helper()
		o := resource()
		change(&o)
		if _, err := NewAzure(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q", err, want)
		}
	}
	f(func(o *AzureOptions) { o.Deployments = nil }, "0 deployments")
	f(func(o *AzureOptions) { o.Deployments[0].SKU = "Gold" }, `"Gold"`)
	f(func(o *AzureOptions) { o.Deployments[0].PTU = 0 }, "0 PTU")
	f(func(o *AzureOptions) { o.Deployments[1].TPM = 0 }, "0 tokens")
	f(func(o *AzureOptions) { o.Deployments[1].Name = "ptu" }, "two of that name")
	f(func(o *AzureOptions) { o.Deployments[0].Spillover = "ptu" }, "spillover to")
	f(func(o *AzureOptions) { o.Deployments[1].Spillover = "std" }, "spillover to")
	f(func(o *AzureOptions) { o.Speed = -1 }, "speed -1")
}

const weirSecond weir.Instant = 1_000_000_000
