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

// target is the request target of an operation: path and query. prefix is the
// path of the base URL.
//
// Azure OpenAI's v1 surface lies below /openai/v1 and takes no version; the
// classic one names the deployment in the path and wants api-version, except
// /openai/responses, which has the deployment in the body
// (learn.microsoft.com, "API version lifecycle", 2026-03-19).
func (o *Options) target(prefix string, op weir.Op) string {
	path := opPaths[op]
	if o.Protocol != AzureOpenAI {
		if !endsInVersion(prefix) {
			prefix += "/v1"
		}
		return prefix + path
	}
	if o.APIVersion == "" {
		if !endsInVersion(prefix) {
			prefix = strings.TrimSuffix(prefix, "/openai") + "/openai/v1"
		}
		return prefix + path
	}
	prefix = strings.TrimSuffix(prefix, "/openai") + "/openai"
	if op != weir.OpResponses {
		prefix += "/deployments/" + url.PathEscape(o.Model)
	}
	return prefix + path + "?api-version=" + url.QueryEscape(o.APIVersion)
}

// targetBelow is the request target of a call, with what it asks for below its
// operation's path.
func (o *Options) targetBelow(prefix string, call *Call) string {
	path, query, _ := strings.Cut(o.target(prefix, call.Op), "?")
	path += call.Below
	if query == "" || call.Query == "" {
		query += call.Query
	} else {
		query += "&" + call.Query
	}
	if query == "" {
		return path
	}
	return path + "?" + query
}

// endsInVersion says whether a path's last segment is v and digits.
func endsInVersion(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	if len(last) < 2 || last[0] != 'v' {
		return false
	}
	return strings.Trim(last[1:], "0123456789") == ""
}
