package upstream

import (
	"bytes"
	"encoding/json"
	"time"

	"weir"
	"weir/jsonscan"
	"weir/sse"
)

// Dialect is one protocol: what its servers are asked and answer, and how callers
// that speak it are answered. Each has a folder below this one and a line in
// upstream/dialects; nothing else asks which it is. Its methods are called from
// many goroutines.
type Dialect interface {
	Name() string // as weir.yaml has it
	// Check reports what is wrong with options for servers of this protocol.
	Check(o *Options) error
	// Base is what the path of a base URL becomes, escaped and without a slash at
	// its end. It is asked once for each address.
	Base(o *Options, path string) string
	// Target is where the requests of an operation go. It is asked once for each
	// deployment, and for operations that the protocol has only.
	Target(o *Options, op weir.Op) Target
	// Operation is an operation as the protocol has it; nil: it has none such.
	Operation(op weir.Op) *Operation
	// Limit is the member of a request that bounds an answer, as a server with
	// these options reads it.
	Limit(o *Options, op weir.Op) string
	// Key is the header that takes a key to a server.
	Key(secret string) Field

	Surface
}

// Surface is what a protocol is to its callers.
type Surface interface {
	// Locate reads a path. ok: it is this protocol's, though nothing may be there.
	Locate(path string) (r Route, ok bool)
	// Mark is a header by which its callers are known on paths that are another
	// protocol's too: lists of models; "": there is none.
	Mark() string
	// Version is the member of a query by which its callers say the version that they
	// speak. It is not passed on: a server is asked in its own; "": there is none.
	Version() string
	// Error appends an error as the protocol's own services word it.
	Error(dst []byte, p *Problem) []byte
	// Words says whether a server's error is worded so that a caller of this
	// protocol may get it as it is.
	Words(body []byte) bool
	// Model appends what is said of one model, Models the list of some.
	Model(dst []byte, name string) []byte
	Models(dst []byte, names []string) []byte
}

// Target is where requests go, below the base URL.
type Target struct {
	Path, Query string
	Header      Field // sent unless the request has one of that name; without a name none is
}

// Service is what a path asks for.
type Service uint8

const (
	NoService   Service = iota
	CallModel           // POST: a model answers
	ListModels          // GET: the models the key may use
	ShowModel           // GET: one of them
	KeptAnswer          // of the Responses API: read, deleted, cancelled
	CountTokens         // POST: of a request that is not sent
	NotServed           // known by name, and refused by it
)

// Route is what a path says of a request.
type Route struct {
	Service Service
	Op      weir.Op
	Model   string // named in the path
	ID      string // of an answer that is kept
	Below   string // what is asked of it: "/cancel", "/input_items"; of a count: the end of the path
}

// Problem is an error that a caller is told.
type Problem struct {
	Status  int
	Reason  string // Weir's own word for it, of a bounded set
	Code    string // what it is called: Reason, or what the server that refused calls it
	Kind    string // the kind of error, in OpenAI's words
	Message string
	Param   string // the member of the request at fault; "": none
}

// Tokens says which tokens an operation has.
type Tokens uint8

const (
	NoTokens     Tokens = iota // tensors, rows: requests alone are counted
	PromptTokens               // none are produced: embeddings
	AnswerTokens               // prompt and answer
)

// Operation is how an operation is done. The zero value but for Format is a
// request that is sent as it is and an answer that comes whole, without tokens.
type Operation struct {
	Op     weir.Op
	Format Format
	Tokens Tokens

	Prompt   string // the member that the model reads: "messages", "prompt", "input"; "": none
	EachPart bool   // of a list of prompts each is answered on its own, n times
	// ModelInPath: the path says which model is asked; the body is sent as it is.
	ModelInPath bool

	Streams      bool   // there are streams, which "stream" asks for
	AsksUsage    bool   // a stream says its usage where stream_options ask for it
	EndsAtFinish bool   // the last event of a stream is its finish: there is no Done
	Kept         bool   // its servers keep answers, which later requests go on with
	KeptByAddr   bool   // an address keeps them for all its deployments
	CountHead    string // what stands before the member input_tokens where tokens are counted
	Ping         []byte // an event that says nothing, as a sign of life; nil: a comment
	// Broken is the last event of a stream that could not be finished; sequence is
	// the number of events before it. nil: data with the caller's Surface.Error.
	Broken func(p *Problem, sequence int) []byte
	// Failure reads how its servers word an error. nil: as any known server does.
	Failure func(body []byte) Failure
}

// Format is what the bodies of an operation mean.
type Format interface {
	// Event goes over the data of an event of a stream, which s stands before, and
	// says what it means. name is the event's own.
	Event(s *Stream, name []byte) Meaning
	// Answer reads an answer that came whole.
	Answer(body []byte) Answer
	// Text appends the text that the data of an event, or a whole answer, holds.
	Text(dst, data []byte) []byte
	// AsStream is the stream that a whole answer, on one line, would have been: see
	// Operation.AsStream. nil: there are none.
	AsStream(answer jsonscan.Object, usage bool) []byte
}

// Meaning is what an event of a stream means.
type Meaning struct {
	Kind     EventKind
	Produced bool        // it carries something produced
	Usage    *weir.Usage // it says what was used so far
}

// ReadFailure reads an answer with an error status. header returns an answer's
// header; now is needed for a Retry-After that is a date.
func (o *Operation) ReadFailure(status int, header func(name string) string, body []byte, now time.Time) Failure {
	f := o.failure(body)
	f.Status = status
	f.judge(o.Kept)
	f.readLimits(header, now)
	return f
}

// ReadAnswerFailure reads an answer that has a status of success and is none. Of
// an error the status it would have had is taken from its code, where it says
// one; an answer that says nothing of itself is the upstream's fault.
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

// ReadUsage reads the usage of a whole answer that is not streamed. ok is false
// when it tells none.
func (o *Operation) ReadUsage(body []byte) (u weir.Usage, ok bool) {
	a := o.Format.Answer(body)
	return a.Usage, a.HasUsage && a.Object
}

// Last is the last event of a stream that could not be finished, for a caller that
// speaks as a surface does. sequence is the number of events before it.
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

// AsStream is the stream that an answer which came whole would have been, for a
// caller that asked for one: every member of the answer is in it, in the events
// the operation's own service sends. body is an answer that is Whole. usage says
// whether a stream that says its usage where it is asked for it says it. It invents
// no finish: one that the answer lacks the stream lacks.
func (o *Operation) AsStream(body []byte, usage bool) []byte {
	var line bytes.Buffer
	if json.Compact(&line, body) != nil { // an event's data is one line
		return nil
	}
	return o.Format.AsStream(jsonscan.ObjectOf(line.Bytes()), usage)
}
