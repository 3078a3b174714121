package gateway

import (
	"fmt"
	"math"
	"strconv"

	"weir/jsonscan"
	"weir/upstream"
)

// span is the position of a value in a body.
type span = jsonscan.Span

// ask is what the gateway reads of a request body. Everything else passes through
// unread.
//
// A member that the gateway reads may appear only once. With two, the gateway and the
// upstream could each use a different one, and a key limited to one model could reach
// another. Other members may be repeated; the upstream decides. Names are compared
// after unescaping, and case counts. A name that differs from one of these only in case
// is refused (see names.go).
type ask struct {
	model      span // the value, quotes included
	stream     bool
	maxTokens  int           // 0: not set
	answers    [4]tokenLimit // the members that set it, in order; unused entries are absent
	endless    bool          // one of them sets no bound: -1, 0
	trim       int           // the value it is lowered to; 0: unchanged
	n          int           // answers asked for, at least 1
	candidates int           // the same under llama.cpp's name; 0: not set
	bestOf     int           // candidates to choose the answers from; 0: not set
	user       span
	tier       span // service_tier
	speed      span // of the Messages API: fast costs more
	spoken     bool // audio output is requested

	previous     span // the Responses API answer to continue
	conversation span // ID of the conversation

	streamOptions span
	includeUsage  span
	wantsUsage    bool // the caller asked for usage in the stream

	open  int  // position of the first member, after the brace
	empty bool // there are no members

	inputs     [3]span   // messages, input and prompt
	inputWords [3]uint32 // contentWords in them
	prompt     span      // the one that the operation reads
	words      uint32    // contentWords in it
	preamble   span      // put before the prompt by a chat template: system or instructions
	tools      span

	promptBytes int // of messages, input, prompt, system, instructions and tools
	binaries    int // pictures and sounds in them, not in promptBytes
}

// Bits of the members seen.
const (
	sawModel = 1 << iota
	sawStream
	sawMaxTokens
	sawMaxCompletionTokens
	sawMaxOutputTokens
	sawN
	sawBestOf
	sawTier
	sawSpeed
	sawUser
	sawStreamOptions
	sawIncludeUsage
	sawPrevious
	sawConversation
	sawConversationID
	sawPredict
	sawCandidates
	sawMessages
	sawInput
	sawPrompt
	sawSystem
	sawInstructions
	sawTools
	sawAudio
	sawModalities
)

// tokenLimit is a member that bounds an answer, with its value.
type tokenLimit struct {
	at     span
	most   int  // 0: no bound
	stated bool // a number, not null
}

// askReader fills an ask as the scanner reads the members.
type askReader struct {
	jsonscan.Scanner
	ask
	saw uint

	met part // what the scanner met in the member's value
}

// part is what the scanner met in a value.
type part struct {
	binary, binaries int
	words            uint32 // of contentWords
}

// fieldError names a member that the gateway reads and its required value.
type fieldError struct {
	field string
	want  string
}

func (e *fieldError) Error() string { return fmt.Sprintf("%s must be %s", e.field, e.want) }

// readAsk scans a request body. Its error is a *jsonscan.SyntaxError or *fieldError.
func readAsk(body []byte) (ask, error) {
	r := askReader{Scanner: jsonscan.Scanner{B: body, Look: contentWords}}
	r.n = 1
	end, err := r.Members(0, r.each)
	if err != nil {
		return ask{}, err
	}
	if end = r.Space(end); end != len(body) {
		return ask{}, &jsonscan.SyntaxError{Offset: end, Want: "the end of the body"}
	}
	if r.endless {
		r.maxTokens = 0
	}
	r.open = r.Space(0) + 1
	r.empty = body[r.Space(r.open)] == '}'
	return r.ask, nil
}

func (r *askReader) each(key []byte, v span) error {
	r.met = part{r.Binary, r.Binaries, r.Seen}
	err := r.member(key, v)
	r.Binary, r.Binaries, r.Seen = 0, 0, 0 // also what read has walked over again
	return err
}

func (r *askReader) member(key []byte, v span) error {
	name := jsonscan.Unescaped(key)
	switch string(name) {
	case "model":
		return r.text(sawModel, "model", v, &r.model)
	case "stream":
		return r.boolean(sawStream, "stream", v, &r.stream)
	case "max_tokens":
		return r.tokens(sawMaxTokens, "max_tokens", v)
	case "max_completion_tokens":
		return r.tokens(sawMaxCompletionTokens, "max_completion_tokens", v)
	case "max_output_tokens":
		return r.tokens(sawMaxOutputTokens, "max_output_tokens", v)
	case "n_predict": // llama.cpp's name, which it prefers to the others
		return r.tokens(sawPredict, "n_predict", v)
	case "n":
		return r.count(sawN, "n", v, &r.n)
	case "n_cmpl": // the same
		return r.count(sawCandidates, "n_cmpl", v, &r.candidates)
	case "service_tier":
		return r.text(sawTier, "service_tier", v, &r.tier)
	case "speed":
		return r.text(sawSpeed, "speed", v, &r.speed)
	case "audio":
		r.spoken = r.spoken || !r.null(v)
		return r.once(sawAudio, "audio")
	case "modalities":
		r.spoken = r.spoken || hasWord(r.B[v.From:v.To], soundWord)
		return r.once(sawModalities, "modalities")
	case "best_of":
		return r.count(sawBestOf, "best_of", v, &r.bestOf)
	case "user":
		return r.text(sawUser, "user", v, &r.user)
	case "stream_options":
		return r.options(v)
	case "previous_response_id":
		return r.text(sawPrevious, "previous_response_id", v, &r.previous)
	case "conversation":
		return r.talk(v)
	case "messages":
		return r.input(0, sawMessages, "messages", v)
	case "input":
		return r.input(1, sawInput, "input", v)
	case "prompt":
		return r.input(2, sawPrompt, "prompt", v)
	case "system":
		r.preamble = v
		r.addPrompt(v)
		return r.once(sawSystem, "system")
	case "instructions":
		r.preamble = v
		r.addPrompt(v)
		return r.once(sawInstructions, "instructions")
	case "tools":
		r.tools = v
		r.addPrompt(v)
		return r.once(sawTools, "tools")
	default:
		return ownName("", name, askNames)
	}
}

// input takes messages, input or prompt. The last one counts until the operation is
// known.
func (r *askReader) input(which int, bit uint, field string, v span) error {
	r.inputs[which], r.ask.prompt = v, v
	r.inputWords[which], r.words = r.met.words, r.met.words
	r.addPrompt(v)
	return r.once(bit, field)
}

// readBy selects the member that the operation reads, if present.
func (a *ask) readBy(o *upstream.Operation) {
	for i, name := range promptNames {
		if name == o.Prompt && !a.inputs[i].Absent() {
			a.prompt, a.words = a.inputs[i], a.inputWords[i]
		}
	}
}

// promptNames are the members that hold a prompt, in the order of inputs.
var promptNames = [...]string{"messages", "input", "prompt"}

// addPrompt counts a part of the prompt.
func (r *askReader) addPrompt(v span) {
	r.promptBytes += v.To - v.From - r.met.binary
	r.binaries += r.met.binaries
}

func (r *askReader) once(bit uint, field string) error {
	if r.saw&bit != 0 {
		return &fieldError{field, "given once, not twice"}
	}
	r.saw |= bit
	return nil
}

func (r *askReader) null(v span) bool { return r.B[v.From] == 'n' }

func (r *askReader) text(bit uint, field string, v span, into *span) error {
	if err := r.once(bit, field); err != nil || r.null(v) {
		return err
	}
	if r.B[v.From] != '"' {
		return &fieldError{field, "a string"}
	}
	*into = v
	return nil
}

func (r *askReader) boolean(bit uint, field string, v span, into *bool) error {
	if err := r.once(bit, field); err != nil || r.null(v) {
		return err
	}
	switch r.B[v.From] {
	case 't', 'f':
		*into = r.B[v.From] == 't'
		return nil
	}
	return &fieldError{field, "true or false"}
}

// count reads a number of at least 1. A smaller or invalid one is ignored; the upstream
// decides about it.
func (r *askReader) count(bit uint, field string, v span, into *int) error {
	if err := r.once(bit, field); err != nil || r.null(v) {
		return err
	}
	if c := r.B[v.From]; c != '-' && (c < '0' || c > '9') {
		return &fieldError{field, "a number"}
	}
	if n := number(r.B[v.From:v.To]); n >= 1 {
		*into = n
	}
	return nil
}

// number reads a JSON number, rounded down and at most MaxInt32.
func number(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > math.MaxInt32 {
			f, _ := strconv.ParseFloat(string(b), 64)
			return int(max(min(f, math.MaxInt32), math.MinInt32))
		}
		n = n*10 + int(c-'0')
	}
	return min(n, math.MaxInt32)
}

// tokens reads one of the names of the same limit. The largest counts; a value that
// sets no bound counts as more than any.
func (r *askReader) tokens(bit uint, field string, v span) error {
	most := 0
	err := r.count(bit, field, v, &most)
	r.maxTokens = max(r.maxTokens, most)
	r.endless = r.endless || err == nil && most == 0 && !r.null(v)
	for i := range r.answers {
		if r.answers[i].at.Absent() {
			r.answers[i] = tokenLimit{v, most, !r.null(v)}
			break
		}
	}
	return err
}

func (r *askReader) options(v span) error {
	if err := r.once(sawStreamOptions, "stream_options"); err != nil {
		return err
	}
	r.streamOptions = v
	if r.null(v) {
		return nil
	}
	if r.B[v.From] != '{' {
		return &fieldError{"stream_options", "an object"}
	}
	_, err := r.Members(v.From, r.option)
	return err
}

// talk reads conversation: an id, or an object with one.
func (r *askReader) talk(v span) error {
	if err := r.once(sawConversation, "conversation"); err != nil || r.null(v) {
		return err
	}
	switch r.B[v.From] {
	case '"':
		r.conversation = v
		return nil
	case '{':
		_, err := r.Members(v.From, r.talkMember)
		return err
	}
	return &fieldError{"conversation", "a string or an object"}
}

func (r *askReader) talkMember(key []byte, v span) error {
	if name := jsonscan.Unescaped(key); string(name) != "id" {
		return ownName("conversation.", name, conversationNames)
	}
	return r.text(sawConversationID, "conversation.id", v, &r.conversation)
}

func (r *askReader) option(key []byte, v span) error {
	if name := jsonscan.Unescaped(key); string(name) != "include_usage" {
		return ownName("stream_options.", name, optionNames)
	}
	r.includeUsage = v
	return r.boolean(sawIncludeUsage, "stream_options.include_usage", v, &r.wantsUsage)
}

// tokensPerBinary is the estimate for one picture or sound. A 1024 x 1024 picture at
// high detail costs 765 tokens, 2048 x 4096 costs 1,105 (OpenAI, "Images and vision",
// calculating costs, 2025).
const tokensPerBinary = 1000

// bytesPerToken is for the JSON of a prompt. In English about four letters make one
// token; scripts with three bytes a letter need nearly one token a letter.
const bytesPerToken = 4

// promptTokens estimates the prompt from its size, to within about a quarter. That is
// enough for queues and reservations; the real usage settles it.
func (a *ask) promptTokens() int {
	return (a.promptBytes+bytesPerToken-1)/bytesPerToken + a.binaries*tokensPerBinary
}

// modelName is the requested model, "" if none.
func (a *ask) modelName(body []byte) string { return quotedText(body, a.model) }

// quotedText decodes the string value at v.
func quotedText(body []byte, v span) string {
	if v.Absent() {
		return ""
	}
	return string(jsonscan.Unescaped(body[v.From+1 : v.To-1]))
}
