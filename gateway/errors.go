package gateway

import (
	"errors"
	"time"

	"weir"
	"weir/dispatch"
)

// Reasons why a request did not complete. Each has one row in answers, which alone sets
// its status, fault and codes.
var (
	errNoKey          = errors.New("no API key was sent: send it as \"Authorization: Bearer <key>\", \"api-key: <key>\" or \"x-api-key: <key>\"")
	errBadKey         = errors.New("the API key is unknown: check that it is complete and has not been revoked")
	errTwoKeys        = errors.New("the request has two different valid keys: send one")
	errNoPath         = errors.New("unknown path: models are served under /v1/ and /openai/ (chat/completions, completions, embeddings, responses, messages), and GET /v1/models lists them")
	errOrigin         = errors.New("this origin is not allowed")
	errMethod         = errors.New("method not allowed on this path: use POST for models and GET for lists")
	errNoModel        = errors.New("the request names no model: put the name into \"model\"")
	errUnknownModel   = errors.New("no such model")
	errModelForbidden = errors.New("the key's tenant may not use this model")
	errNotSpoken      = errors.New("the model's servers do not support this protocol")

	errBadRequest  = errors.New("the request is not valid HTTP")
	errLargeHeader = errors.New("the request's header is too large")

	errEncoding   = errors.New("request bodies with a Content-Encoding are not supported: send plain JSON")
	errTooLarge   = errors.New("the request body is too large")
	errSlowBody   = errors.New("the request body did not arrive in time")
	errCutBody    = errors.New("the request body ended early")
	errSyntax     = errors.New("the request body is not valid JSON")
	errNotServed  = errors.New("this path is not served: only a model's provider can compact a conversation; send a shorter one as input")
	errNoResponse = errors.New("no such response")
	errField      = errors.New("a member of the request body has a wrong value")

	errRequestLimit    = errors.New("limit of requests reached")
	errTokenLimit      = errors.New("limit of tokens reached")
	errConcurrentLimit = errors.New("limit of concurrent requests reached")
	errBudget          = errors.New("budget used up")
	errBeyondLimit     = errors.New("the request is larger than its limit can ever allow")
	errGatewayFull     = errors.New("the gateway is at its limit of requests")
	errStreamsFull     = errors.New("the gateway is at its limit of streams")
	errBodyMemory      = errors.New("the request bodies are at their memory limit")

	errQueueFull    = errors.New("too many requests are waiting for this model")
	errWaited       = errors.New("no capacity became free within the maximum queue time")
	errCold         = errors.New("no replica became ready within the maximum wait for a cold start")
	errNoReplica    = errors.New("no replica serves this model now")
	errStartFails   = errors.New("the servers of this model fail to start")
	errNoCapacity   = errors.New("no server of this model can be started now")
	errNoDeployment = errors.New("no deployment of this model accepts requests")
	errUnhealthy    = errors.New("every replica of this model has failed recently and gets no requests for now")
	errThrottled    = errors.New("every deployment of this model is throttled by its provider")

	errUnreachable  = errors.New("the inference server could not be reached")
	errSilent       = errors.New("the inference server did not answer in time")
	errStalled      = errors.New("the inference server stopped in the middle of its answer")
	errTookTooLong  = errors.New("the answer exceeded its total time limit")
	errCut          = errors.New("the inference server's answer ended early")
	errGarbled      = errors.New("the inference server's answer violates the protocol")
	errEmpty        = errors.New("the inference server reported success without an answer")
	errCredential   = errors.New("the inference server rejected the gateway's credentials")
	errUpstream     = errors.New("the inference server reported an error")
	errUpstreamSays = errors.New("the inference server refused the request") // the caller's own fault

	errRequestFails = errors.New("the request fails at every replica") // afterFailure adds the details
	errUnsupported  = errors.New("no deployment of the model supports what the request needs")

	errExhausted = errors.New("the account at the model's provider has no quota or credit left: the operator must raise it, waiting does not help")

	errNoStore    = errors.New("no such vector store")
	errStoreFails = errors.New("the vector store cannot be searched now")
	errNotStored  = errors.New("no answer is stored for this request, and its Cache-Control asks for no other (only-if-cached): send it without")
	errClientGone = errors.New("the caller disconnected")
	errClientSlow = errors.New("the caller read the answer too slowly")
	errUnpriced   = errors.New("the request asks for something that has no price")
	errStopping   = errors.New("the gateway is stopping: send the request again")
	errInternal   = errors.New("the gateway failed: this is a bug in Weir, please report it")
)

// answer is how callers see an error.
type answer struct {
	status int
	fault  weir.Fault
	code   string // OpenAI's "code" and the Record's
	kind   string // OpenAI's "type"
}

// answers is the only table from errors to what callers see. Types and codes are those
// of OpenAI's error reference where it has the case; the other dialects translate the
// code into their own words.
var answers = map[error]answer{
	errNoKey:          {401, weir.CallerFault, "missing_api_key", "invalid_request_error"},
	errBadKey:         {401, weir.CallerFault, "invalid_api_key", "invalid_request_error"},
	errTwoKeys:        {401, weir.CallerFault, "invalid_api_key", "invalid_request_error"},
	errNoPath:         {404, weir.CallerFault, "unknown_url", "invalid_request_error"},
	errOrigin:         {403, weir.PolicyFault, "origin_not_allowed", "invalid_request_error"},
	errMethod:         {405, weir.CallerFault, "method_not_allowed", "invalid_request_error"},
	errNoModel:        {400, weir.CallerFault, "missing_model", "invalid_request_error"},
	errUnknownModel:   {404, weir.CallerFault, "model_not_found", "invalid_request_error"},
	errModelForbidden: {403, weir.PolicyFault, "model_not_allowed", "invalid_request_error"},
	errUnpriced:       {400, weir.PolicyFault, "no_price", "invalid_request_error"},
	errNotSpoken:      {400, weir.CallerFault, "unsupported_operation", "invalid_request_error"},

	errBadRequest:  {400, weir.CallerFault, "bad_request", "invalid_request_error"},
	errLargeHeader: {431, weir.CallerFault, "request_header_too_large", "invalid_request_error"},

	errEncoding:   {415, weir.CallerFault, "unsupported_encoding", "invalid_request_error"},
	errTooLarge:   {413, weir.CallerFault, "request_too_large", "invalid_request_error"},
	errSlowBody:   {408, weir.CallerFault, "request_timeout", "invalid_request_error"},
	errCutBody:    {400, weir.CallerFault, "request_cut", "invalid_request_error"},
	errSyntax:     {400, weir.CallerFault, "invalid_json", "invalid_request_error"},
	errNotServed:  {404, weir.CallerFault, "not_served", "invalid_request_error"},
	errNoResponse: {404, weir.CallerFault, "response_not_found", "invalid_request_error"},
	errField:      {400, weir.CallerFault, "invalid_value", "invalid_request_error"},

	errRequestLimit:    {429, weir.PolicyFault, "rate_limit_exceeded", "requests"},
	errTokenLimit:      {429, weir.PolicyFault, "rate_limit_exceeded", "tokens"},
	errConcurrentLimit: {429, weir.PolicyFault, "concurrency_limit_exceeded", "requests"},
	errBudget:          {429, weir.PolicyFault, "budget_exceeded", "insufficient_quota"},
	errBeyondLimit:     {400, weir.PolicyFault, "request_exceeds_limit", "invalid_request_error"},
	errGatewayFull:     {503, weir.PolicyFault, "gateway_full", "server_error"},
	errStreamsFull:     {503, weir.PolicyFault, "too_many_streams", "server_error"},
	errBodyMemory:      {503, weir.PolicyFault, "body_memory_full", "server_error"},

	// The core's refusals use the core's own words as codes.
	errQueueFull:    {429, weir.PolicyFault, string(dispatch.QueueFull), "requests"},
	errWaited:       {503, weir.PolicyFault, string(dispatch.QueueTimeout), "server_error"},
	errCold:         {503, weir.PolicyFault, string(dispatch.ColdTimeout), "server_error"},
	errNoReplica:    {503, weir.PolicyFault, string(dispatch.NoReplica), "server_error"},
	errStartFails:   {503, weir.UpstreamFault, string(dispatch.StartFails), "server_error"},
	errNoCapacity:   {503, weir.UpstreamFault, string(dispatch.NoCapacity), "server_error"},
	errNoDeployment: {503, weir.PolicyFault, string(dispatch.NoDeployment), "server_error"},
	errUnhealthy:    {503, weir.UpstreamFault, string(dispatch.AllUnhealthy), "server_error"},
	errThrottled:    {429, weir.UpstreamFault, string(dispatch.AllThrottled), "requests"},

	errUnreachable:  {502, weir.UpstreamFault, "upstream_unreachable", "server_error"},
	errSilent:       {504, weir.UpstreamFault, "upstream_timeout", "server_error"},
	errStalled:      {504, weir.UpstreamFault, "upstream_stalled", "server_error"},
	errTookTooLong:  {504, weir.UpstreamFault, "upstream_total_timeout", "server_error"},
	errCut:          {502, weir.UpstreamFault, "upstream_cut", "server_error"},
	errGarbled:      {502, weir.UpstreamFault, "upstream_protocol", "server_error"},
	errEmpty:        {502, weir.UpstreamFault, "upstream_no_answer", "server_error"},
	errCredential:   {502, weir.UpstreamFault, "upstream_credential", "server_error"},
	errUpstream:     {502, weir.UpstreamFault, "upstream_error", "server_error"},
	errUpstreamSays: {400, weir.CallerFault, "upstream_refused", "invalid_request_error"},

	errRequestFails: {422, weir.CallerFault, string(dispatch.RequestFails), "invalid_request_error"},
	errUnsupported:  {400, weir.CallerFault, "unsupported_operation", "invalid_request_error"},

	errExhausted: {502, weir.UpstreamFault, "upstream_quota_exhausted", "insufficient_quota"},

	errNoStore:    {404, weir.CallerFault, "vector_store_not_found", "invalid_request_error"},
	errStoreFails: {503, weir.GatewayFault, "vector_store_failed", "server_error"},
	errNotStored:  {504, weir.PolicyFault, "not_cached", "invalid_request_error"},
	errClientGone: {499, weir.CallerFault, "client_gone", "invalid_request_error"},
	errClientSlow: {499, weir.CallerFault, "client_slow", "invalid_request_error"},
	errStopping:   {503, weir.GatewayFault, "gateway_stopping", "server_error"},
	errInternal:   {500, weir.GatewayFault, "internal_error", "server_error"},
}

// problem is an error with the details of this request.
type problem struct {
	is       error // one of those above
	message  string
	param    string        // the member at fault
	after    time.Duration // when to retry
	hasAfter bool
	queued   bool // a queue was full or too slow, with this many requests ahead
	ahead    int
	status   int    // replaces the table's, to pass on the upstream's own
	code     string // the same for the code
}

func (p *problem) Error() string {
	if p.message == "" {
		return p.is.Error()
	}
	return p.message
}

func (p *problem) Unwrap() error { return p.is }

// explain turns any error into a problem and its row. An unknown error is the gateway's
// fault.
func explain(err error) (*problem, answer) {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{is: errInternal}
		for is := err; is != nil; is = errors.Unwrap(is) {
			if _, ok := answers[is]; ok {
				p = &problem{is: is, message: err.Error()}
				break
			}
		}
	}
	a, ok := answers[p.is]
	if !ok {
		p, a = &problem{is: errInternal}, answers[errInternal]
	}
	if p.status != 0 {
		a.status = p.status
	}
	if p.code != "" {
		a.code = p.code
	}
	return p, a
}
