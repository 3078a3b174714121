package emulate

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"weir"
)

// The errors of the data plane. Codes are those of "Troubleshoot errors"
// (2026-09-20); messages are as public bug reports quote them.
var (
	noAccess = problem{status: http.StatusUnauthorized, code: "401", message: "Access denied due to invalid subscription key or wrong API endpoint. " +
		"Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."}
	noResource   = problem{status: http.StatusNotFound, code: "404", message: "Resource not found"}
	noDeployment = problem{status: http.StatusNotFound, code: "DeploymentNotFound", message: "The API deployment for this resource does not exist. " +
		"If you created the deployment within the last 5 minutes, please wait a moment and try again."}
	innerFailure = problem{status: http.StatusInternalServerError, kind: "server_error", code: "InternalServerError",
		message: "The server had an error while processing your request. Sorry about that!"}
	promptFiltered = problem{status: http.StatusBadRequest, code: "content_filter"}
)

const (
	ptuFull = "Requests have exceeded the throughput limit on your Provisioned-Managed deployment. " +
		"If you continue to exceed your limit, consider increasing the number of provisioned throughput units deployed."
	quotaFull = "Requests to the %s Operation under Azure OpenAI API have exceeded %s rate limit of your current OpenAI S0 pricing tier. " +
		"Please retry after %d seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."
)

// tooLongFor: some models accept no long contexts on provisioned deployments
// and answer 400, which spills over ("Provisioned throughput sizing",
// 2026-09-23; "Manage traffic with spillover", 2026-03-04).
func tooLongFor(most, have int) problem {
	return problem{status: http.StatusBadRequest, kind: "invalid_request_error", param: "messages", code: "context_length_exceeded",
		message: fmt.Sprintf("This provisioned deployment takes prompts of at most %d tokens: yours has %d.", most, have)}
}

// azureErrors is the format of errors: OpenAI's; the gateway in front of the
// service fills only code and message.
var azureErrors = errorShape{body: func(p problem) any {
	e := fields{"code": orNull(p.code), "message": p.message}
	if p.kind != "" {
		e["type"], e["param"] = p.kind, orNull(p.param)
	}
	return fields{"error": e}
}}

// Marks are words in a prompt that trigger a behaviour of the service. No
// prompt has them by accident.
const (
	MarkPromptFiltered = "[[filter-prompt]]"  // 400 content_filter
	MarkAnswerFiltered = "[[filter-answer]]"  // 200 whose answer ends early, with finish_reason content_filter
	MarkFailsInStream  = "[[fail-in-stream]]" // 200, the prompt's filter results, and then an error; not streamed: 500
)

type marks struct{ prompt, answer, fail bool }

func marksOf(c *call) (m marks) {
	for _, text := range c.prompt.blocks {
		m.prompt = m.prompt || strings.Contains(text, MarkPromptFiltered)
		m.answer = m.answer || strings.Contains(text, MarkAnswerFiltered)
		m.fail = m.fail || strings.Contains(text, MarkFailsInStream)
	}
	return m
}

// filteredAfter is how many tokens of a filtered answer are sent.
const filteredAfter = 8

// apply changes the answer as the marks say, in Azure's format.
func (m marks) apply(c *call) {
	if m.answer {
		c.answer.tokens, c.answer.finish = min(c.answer.tokens, filteredAfter), filtered
	}
	switch c.dialect.(type) {
	case chatDialect, completionDialect:
		c.dialect = azureDialect{c.dialect}
	}
}

// Content filter results, "Content filtering" (2025): of the prompt in
// prompt_filter_results, in a stream as a first event without choices; of the
// answer in content_filter_results of the choice.
var (
	safe     = fields{"filtered": false, "severity": "safe"}
	passed   = fields{"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe}
	violent  = fields{"hate": safe, "self_harm": safe, "sexual": safe, "violence": fields{"filtered": true, "severity": "medium"}}
	jailfree = fields{"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe, "jailbreak": fields{"filtered": false, "detected": false}}

	promptResults = []any{fields{"prompt_index": 0, "content_filter_results": jailfree}}
	firstEvent    = event(nil, mustJSON(fields{"choices": []any{}, "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": promptResults}))

	// filteredPrompt is the body of a 400, as recorded in public fixtures.
	filteredPrompt = fields{"error": fields{
		"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
		"type":    nil, "param": "prompt", "code": "content_filter", "status": http.StatusBadRequest,
		"innererror": fields{"code": "ResponsibleAIPolicyViolation", "content_filter_result": fields{
			"hate": safe, "self_harm": safe, "sexual": safe, "violence": fields{"filtered": true, "severity": "medium"},
			"jailbreak": fields{"filtered": false, "detected": false},
		}},
	}}
)

// azureDialect adds the filters' results to chats and completions.
type azureDialect struct{ dialect }

func (d azureDialect) open(b []byte, c *call) []byte {
	return d.dialect.open(append(b, firstEvent...), c)
}

// close adds the filters' results to the finish.
func (d azureDialect) close(b []byte, c *call, u usage) []byte {
	end := d.dialect.close(nil, c, u)
	const finish = `"finish_reason":"`
	results := `"content_filter_results":` + string(mustJSON(resultsOf(c))) + `,` + finish
	return append(b, bytes.Replace(end, []byte(finish), []byte(results), 1)...)
}

func resultsOf(c *call) fields {
	if c.answer.finish == filtered {
		return violent
	}
	return passed
}

func (d azureDialect) whole(c *call, u usage) any {
	a := d.dialect.whole(c, u).(map[string]any)
	a["prompt_filter_results"] = promptResults
	results := resultsOf(c)
	for _, choice := range a["choices"].([]any) {
		choice.(map[string]any)["content_filter_results"] = results
	}
	return a
}

// show is GET /admin/deployments: the counts and utilisation of each
// deployment, for measuring a gateway.
func (a *Azure) show(w http.ResponseWriter, _ *http.Request) {
	now := a.now()
	list := []any{}
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, name := range a.names {
		list = append(list, a.deployments[name].shown(now))
	}
	writeJSON(w, http.StatusOK, list)
}

func (d *azureDeployment) shown(now weir.Instant) any {
	d.mu.Lock()
	defer d.mu.Unlock()
	view := struct {
		Name  string `json:"name"`
		Model string `json:"model"`
		SKU   string `json:"sku"`
		azureCounts
		Utilisation  float64 `json:"utilisation_percent"`   // of the bucket, now
		PerSecond    float64 `json:"normalised_per_second"` // capacity of a provisioned deployment
		TPM          int     `json:"tpm"`
		TokensBooked int     `json:"tokens_booked"` // of the current minute
	}{Name: d.Name, Model: d.Model, SKU: d.SKU, azureCounts: d.counts}
	if d.bucket != nil {
		view.Utilisation, view.PerSecond, view.Normalised = d.bucket.percent(now), d.bucket.drain, d.bucket.worked
	} else {
		d.quota.roll(now)
		view.TPM, view.TokensBooked = d.quota.tpm, d.quota.tokens
	}
	return view
}

// lower is PUT /admin/deployments/{name} {"tpm": n}: the service may lower the
// effective limit for a while, visible only in x-ratelimit-limit-tokens
// ("Quotas and limits", temporary rate limit adjustment, 2026-02-17).
func (a *Azure) lower(w http.ResponseWriter, r *http.Request) {
	d := a.named(r.PathValue("deployment"))
	var q struct {
		TPM int `json:"tpm"`
	}
	if p := read(w, r, &q); p != nil {
		azureErrors.write(w, *p)
		return
	}
	if d == nil || d.quota == nil || q.TPM < 1 {
		azureErrors.write(w, *bad("tpm", "want a standard deployment and a tpm above zero"))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quota.tpm = q.TPM
}

// minuteLeft is the time until the token counter is reset.
func minuteLeft(q *tpmQuota, now weir.Instant) time.Duration { return time.Minute - now.Sub(q.minute) }
