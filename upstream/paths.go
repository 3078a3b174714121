package upstream

import (
	"net/url"
	"strings"

	"weir"
)

var opPaths = [...]string{
	weir.OpChat:        "/chat/completions",
	weir.OpCompletions: "/completions",
	weir.OpEmbeddings:  "/embeddings",
	weir.OpResponses:   "/responses",
	weir.OpMessages:    "/messages",
}

// target is where the requests of an operation go, below the path of a base URL.
//
// Azure OpenAI's v1 surface lies below /openai/v1 and takes no version; the
// classic one names the deployment in the path and wants api-version, except
// /openai/responses, which has the deployment in the body
// (learn.microsoft.com, "API version lifecycle", 2026-03-19).
func (o *Options) target(op weir.Op) target {
	t := target{path: opPaths[op]}
	if o.Protocol != AzureOpenAI || o.APIVersion == "" {
		return t
	}
	if op != weir.OpResponses {
		t.path = "/deployments/" + url.PathEscape(o.Model) + t.path
	}
	t.query = "api-version=" + url.QueryEscape(o.APIVersion)
	return t
}

// prefix is what the path of a base URL becomes.
func (o *Options) prefix(path string) string {
	switch {
	case o.Protocol == AzureOpenAI && o.APIVersion != "":
		return strings.TrimSuffix(path, "/openai") + "/openai"
	case endsInVersion(path):
		return path
	case o.Protocol == AzureOpenAI:
		return strings.TrimSuffix(path, "/openai") + "/openai/v1"
	}
	return path + "/v1"
}

// endsInVersion says whether a path's last segment is v and digits.
func endsInVersion(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	if len(last) < 2 || last[0] != 'v' {
		return false
	}
	return strings.Trim(last[1:], "0123456789") == ""
}
