package gateway

import (
	"strings"

	"weir"
)

// dialect is the tongue a caller speaks: the shape of its errors.
type dialect uint8

const (
	openAI dialect = iota
	azure
	anthropic
)

// service is what a path asks of the gateway.
type service uint8

const (
	noService    service = iota
	callModel            // POST: a model answers
	listModels           // GET: the models the key may use
	showModel            // GET: one of them
	reportHealth         // GET /healthz
	reportReady          // GET /readyz
	keptAnswer           // of the Responses API: read, deleted, cancelled
	countTokens          // POST: of a request that is not sent
	notServed            // known by name, and refused by it
)

// surface is what a path says of a request.
type surface struct {
	service service
	dialect dialect
	op      weir.Op
	model   string // named in the path: Azure classic and showModel
	id      string // of an answer that is kept
	below   string // what is asked of it: "/cancel", "/input_items"; of a count: the end of the path
}

// methodsOf is what a path takes, beside OPTIONS; of one that does not exist, what
// the API has.
func methodsOf(s surface) string {
	switch s.service {
	case callModel, countTokens, notServed:
		return "POST"
	case keptAnswer:
		switch s.below {
		case "/cancel":
			return "POST"
		case "":
			return "GET, HEAD, DELETE"
		}
		return "GET, HEAD"
	case noService:
		return "GET, HEAD, POST, DELETE"
	}
	return "GET, HEAD"
}

// takes says whether a path takes a method; methods are told apart by their letters' case.
func (s surface) takes(method string) bool {
	for m := range strings.SplitSeq(methodsOf(s), ", ") {
		if m == method {
			return true
		}
	}
	return false
}

// allowed is methodsOf for the header Allow.
func allowed(s surface) string { return methodsOf(s) + ", OPTIONS" }

// locate reads a path. The Azure surfaces are the classic one, where the path
// names the deployment (Weir's model name) and the body need not name the
// model, and the v1 one, which is OpenAI's below /openai.
func locate(path string) surface {
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
		return locateV1(rest, openAI)
	}
	if rest, ok := strings.CutPrefix(path, "/openai/"); ok {
		return locateAzure(rest)
	}
	switch path {
	case "/healthz", "/health": // the latter as inference servers have it
		return surface{service: reportHealth}
	case "/readyz":
		return surface{service: reportReady}
	}
	return surface{}
}

func locateV1(rest string, d dialect) surface {
	switch rest {
	case "chat/completions":
		return surface{service: callModel, dialect: d, op: weir.OpChat}
	case "completions":
		return surface{service: callModel, dialect: d, op: weir.OpCompletions}
	case "embeddings":
		return surface{service: callModel, dialect: d, op: weir.OpEmbeddings}
	case "responses":
		return surface{service: callModel, dialect: d, op: weir.OpResponses}
	case "models":
		return surface{service: listModels, dialect: d}
	case "messages":
		if d == openAI {
			return surface{service: callModel, dialect: anthropic, op: weir.OpMessages}
		}
	}
	if model, ok := strings.CutPrefix(rest, "models/"); ok && model != "" {
		return surface{service: showModel, dialect: d, model: model}
	}
	if below, ok := strings.CutPrefix(rest, "responses/"); ok {
		return locateKept(below, d)
	}
	if below, ok := strings.CutPrefix(rest, "messages/"); ok && d == openAI {
		if below == "count_tokens" {
			return surface{service: countTokens, dialect: anthropic, op: weir.OpMessages, below: "/count_tokens"}
		}
		return surface{dialect: anthropic}
	}
	return surface{dialect: d}
}

// locateKept reads what follows responses/: an answer's id and what is asked of
// it, or a verb.
func locateKept(below string, d dialect) surface {
	s := surface{dialect: d, op: weir.OpResponses}
	switch below {
	case "":
		return surface{dialect: d}
	case "input_tokens":
		s.service, s.below = countTokens, "/input_tokens"
		return s
	case "compact":
		s.service, s.below = notServed, "/compact"
		return s
	}
	id, rest, more := strings.Cut(below, "/")
	switch {
	case !more:
	case rest == "cancel", rest == "input_items":
		s.below = "/" + rest
	default:
		return surface{dialect: d}
	}
	s.service, s.id = keptAnswer, id
	return s
}

func locateAzure(rest string) surface {
	if below, ok := strings.CutPrefix(rest, "v1/"); ok {
		return locateV1(below, azure)
	}
	below, classic := strings.CutPrefix(rest, "deployments/")
	if !classic { // Responses, lists, and clients that name the model in the body alone
		return locateV1(rest, azure)
	}
	// A model's name may itself hold slashes, so the end of the path decides.
	for _, o := range azureOps {
		if model, ok := strings.CutSuffix(below, o.suffix); ok && model != "" {
			return surface{service: callModel, dialect: azure, op: o.op, model: model}
		}
	}
	return surface{dialect: azure}
}

var azureOps = [...]struct {
	suffix string
	op     weir.Op
}{
	{"/chat/completions", weir.OpChat}, // before completions, whose suffix it has
	{"/completions", weir.OpCompletions},
	{"/embeddings", weir.OpEmbeddings},
	{"/responses", weir.OpResponses},
}
