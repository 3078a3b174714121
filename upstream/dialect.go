package upstream

import (
	"bytes"
	"encoding/json"
	"time"

	"weir"
	"weir/jsonscan"
	"weir/sse"
)

// Dialect is one protocol: its servers' requests and answers, and the answers to
// callers that speak it. Each has a folder below this one and a line in
// upstream/dialects; no other code asks which one it is. Its methods are called from
// many goroutines.
type Dialect interface {
	Name() string // its name in weir.yaml
	// Check reports faults of the options for servers of this protocol.
	Check(o *Options) error
	// Base converts the path of a base URL, escaped and without a final slash. It is
	// called once for each address.
	Base(o *Options, path string) string
	// Target is where requests of an operation go. It is called once for each deployment,
	// and only for operations that the protocol has.
	Target(o *Options, op weir.Op) Target
	// Operation returns an operation of the protocol; nil: it has no such operation.
	Operation(op weir.Op) *Operation
	// Limit is the request member that bounds an answer, for a server with these options.
	Limit(o *Options, op weir.Op) string
	// Key is the header that carries a key to a server.
	Key(secret string) Field

	Surface
}

// Surface is a protocol as its callers see it.
type Surface interface {
	// Locate parses a path. ok: the path is this protocol's, even if it serves nothing.
	Locate(path string) (r Route, ok bool)
	// Mark is a header that identifies its callers on paths shared with another protocol,
	// such as lists of models; "": there is none.
	Mark() string
	// Version is the query parameter in which callers state their version. It is not
	// passed on, because a server gets its own; "": there is none.
	Version() string
	// Error appends an error in the form of the protocol's own service.
	Error(dst []byte, p *Problem) []byte
	// Words says whether a server's error may be passed unchanged to a caller of this
	// protocol.
	Words(body []byte) bool
	// Model appends the description of one model, Models the list of several.
	Model(dst []byte, name string) []byte
	Models(dst []byte, names []string) []byte
}

// Target is where requests go, below the base URL.
type Target struct {
	Path, Query string
	Header      Field // sent unless the request has a header of that name; no name: none
}

// Service is the kind of request that a path stands for.
type Service uint8

const (
	NoService   Service = iota
	CallModel           // POST: a model answers
	ListModels          // GET: the models the key may use
	ShowModel           // GET: one of them
	KeptAnswer          // a stored answer of the Responses API: read, deleted, cancelled
	CountTokens         // POST: count the tokens of a request without sending it
	SearchStore         // POST: search a vector store
	NotServed           // a known path that is always refused
)

// Route is what the path of a request determines.
type Route struct {
	Service Service
	Op      weir.Op
	Model   string // named in the path
	ID      string // of a stored answer
	Below   string // the rest of the path: "/cancel", "/input_items"; for a count, its end
}

// Problem is an error for a caller.
type Problem struct {
	Status  int
	Reason  string // Weir's own word for it, of a bounded set
	Code    string // Reason, or the code of the server that refused
	Kind    string // the kind of error, in OpenAI's words
	Message string
	Param   string // the member of the request at fault; "": none
}

// Tokens says which tokens an operation uses.
type Tokens uint8

const (
	NoTokens     Tokens = iota // tensors, rows: only requests are counted
	PromptTokens               // produces none: embeddings
	AnswerTokens               // prompt and answer
)

// Operation is how a protocol does an operation. The zero value with a Format is a
// request sent unchanged and an answer that comes whole, without tokens.
type Operation struct {
	Op     weir.Op
	Format Format
	Tokens Tokens

	Prompt   string // the member that the model reads: "messages", "prompt", "input"; "": none
	EachPart bool   // in a list of prompts each one gets its own n answers
	// ModelInPath: the path names the model; the body is sent unchanged.
	ModelInPath bool

	Streams      bool   // it can stream, if "stream" asks for it
	AsksUsage    bool   // a stream reports its usage only if stream_options asks for it
	EndsAtFinish bool   // the last event of a stream is its finish: there is no Done
	Kept         bool   // its servers store answers, which later requests can continue
	KeptByAddr   bool   // an address stores them for all its deployments
	CountHead    string // put before the member input_tokens in a token count
	Ping         []byte // an event without content, as a sign of life; nil: a comment
	// Broken is the last event of a stream that could not be finished; sequence is the
	// number of events before it. nil: data with the caller's Surface.Error.
	Broken func(p *Problem, sequence int) []byte
	// Failure parses its servers' errors. nil: in any known form.
	Failure func(body []byte) Failure
}

// Format is the meaning of an operation's bodies.
type Format interface {
	// Event parses the data of a stream's event, from the start of s, and returns its
	// meaning. name is the event's own name.
	Event(s *Stream, name []byte) Meaning
	// Answer parses an answer that came whole.
	Answer(body []byte) Answer
	// Text appends the text in the data of an event, or in a whole answer.
	Text(dst, data []byte) []byte
	// AsStream converts a whole answer, on one line, into a stream: see
	// Operation.AsStream. nil: the operation does not stream.
	AsStream(answer jsonscan.Object, usage bool) []byte
	// FromStream converts the events of a whole stream into the answer that would have
	// come without one: see Operation.FromStream.
	FromStream(events [][]byte) []byte
}

// Meaning is the meaning of an event of a stream.
type Meaning struct {
	Kind     EventKind
	Produced bool        // it carries generated output
	Usage    *weir.Usage // the usage so far
}

// ReadFailure parses an answer with an error status. header returns an answer's header;
// now is needed for a Retry-After that is a date.
func (o *Operation) ReadFailure(status int, header func(name string) string, body []byte, now time.Time) Failure {
	f := o.failure(body)
	f.Status = containerStatus(status, header)
	f.judge(o.Kept)
	f.readLimits(header, now)
	return f
}

// ReadAnswerFailure parses a body with a success status that is not an answer. If it
// contains an error, its code gives the status; a body that explains nothing is the
// upstream's fault.
func (o *Operation) ReadAnswerFailure(header func(name string) string, body []byte, now time.Time) Failure {
	f := o.failure(body)
	return o.ReadFailure(statusOfCode(f.Code), header, body, now)
}

func (o *Operation) failure(body []byte) Failure {
	if o.Failure != nil {
		return o.Failure(body)
	}
	return parseFailure(body)
}

// ReadUsage reads the usage of a whole answer that is not streamed. ok is false if it
// states none.
func (o *Operation) ReadUsage(body []byte) (u weir.Usage, ok bool) {
	a := o.Format.Answer(body)
	return a.Usage, a.HasUsage && a.Object
}

// Last is the last event of a stream that could not be finished, for a caller of that
// surface. sequence is the number of events before it.
func (o *Operation) Last(s Surface, p *Problem, sequence int) []byte {
	if o.Broken != nil {
		return o.Broken(p, sequence)
	}
	return sse.Append(nil, "", s.Error(nil, p))
}

// Counted says whether there are tokens to count.
func (o *Operation) Counted() bool { return o.Tokens != NoTokens }

// Answers says whether tokens are produced.
func (o *Operation) Answers() bool { return o.Tokens == AnswerTokens }

// AsStream converts a whole answer into a stream, for a caller that asked for one:
// every member of the answer is in it, in the events that the operation's own service
// sends. body is an answer that is Whole. usage adds the usage to streams that report
// it only on request. It invents no finish: if the answer has none, neither has the
// stream.
func (o *Operation) AsStream(body []byte, usage bool) []byte {
	var line bytes.Buffer
	if json.Compact(&line, body) != nil { // an event's data is one line
		return nil
	}
	return o.Format.AsStream(jsonscan.ObjectOf(line.Bytes()), usage)
}
