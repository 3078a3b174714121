package upstream

import (
	"net/http"
	"strconv"
	"strings"
)

// Limits are the tokens and requests a minute that the upstream says it allows
// (x-ratelimit-limit-tokens, x-ratelimit-limit-requests); 0: not stated. Azure
// sometimes lowers them below the deployment's configured limits.
func (r *Reply) Limits() (tokens, requests int) {
	return limitOf(r.Header("x-ratelimit-limit-tokens")), limitOf(r.Header("x-ratelimit-limit-requests"))
}

func limitOf(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// SpilledFrom says whether Azure sent the request on from a provisioned deployment to a
// standard one (x-ms-spillover-from-<deployment>; Microsoft, "Manage traffic with
// spillover", 2026-01-30).
func (r *Reply) SpilledFrom() bool {
	spilled := false
	r.EachHeader(func(name, _ string) {
		const prefix = "x-ms-spillover-from-"
		spilled = spilled || len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
	})
	return spilled
}

// containerStatus is the status of an error itself. A managed online endpoint of Azure
// Machine Learning answers 424 where its container's answer was an error, and names that
// one's status (Microsoft, "Troubleshoot online endpoint deployment and scoring").
func containerStatus(status int, header func(name string) string) int {
	if status != http.StatusFailedDependency {
		return status
	}
	if inner := statusOfCode(header("ms-azureml-model-error-statuscode")); inner != 0 {
		return inner
	}
	return status
}

// isUnrouted recognises a managed online endpoint of Azure Machine Learning that has not,
// or no longer, the deployment named in the request (Microsoft, "Troubleshoot online
// endpoint deployment and scoring").
func (f *Failure) isUnrouted() bool {
	return f.Status == http.StatusNotFound && strings.HasPrefix(f.Message, "No valid deployments to route to")
}

// isFull recognises the endpoint's 429 for more requests than its instances take at once,
// which says nothing of the next one; its other 429 is a rate (the same page).
func (f *Failure) isFull() bool {
	return f.Status == http.StatusTooManyRequests && !f.HasRetryAfter && strings.HasPrefix(f.Message, "Too many pending requests")
}

// SpillFailed says whether Azure failed to send the request on (x-ms-spillover-error).
// The answer is then the provisioned deployment's own.
func (r *Reply) SpillFailed() bool { return r.Header("x-ms-spillover-error") != "" }
