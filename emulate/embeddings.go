package emulate

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"unicode"
)

// maxInputs is OpenAI's bound on the texts of one request.
const maxInputs = 2048

type embeddingRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	EncodingFormat string          `json:"encoding_format"`
	Dimensions     *int            `json:"dimensions"`
}

func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) {
	if err := s.loop.ready(); err != nil {
		openAIErrors.write(w, unavailable(err))
		return
	}
	var q embeddingRequest
	if p := read(w, r, &q); p != nil {
		openAIErrors.write(w, *p)
		return
	}
	inputs, dim, p := s.weigh(&q, modelOf(r, q.Model))
	if p != nil {
		openAIErrors.write(w, *p)
		return
	}
	if !s.prefill(w, r, inputs) {
		return
	}
	tokens, data := 0, make([]any, len(inputs))
	for i, in := range inputs {
		tokens += in.tokens
		data[i] = fields{"object": "embedding", "index": i, "embedding": encode(embed(s.o.Seed, in.blocks[0], dim), q.EncodingFormat)}
	}
	body := mustJSON(fields{
		"object": "list", "model": s.o.Served, "data": data,
		"usage": fields{"prompt_tokens": tokens, "total_tokens": tokens},
	})
	t := teller{s: s, w: w, r: r, shape: &openAIErrors, fault: faultOf(r)}
	t.deliver(body)
}

// weigh checks a request and counts its tokens.
func (s *Server) weigh(q *embeddingRequest, model string) (inputs []prompt, dim int, p *problem) {
	if p := s.known(model); p != nil {
		return nil, 0, p
	}
	dim = s.o.EmbeddingDim
	if q.Dimensions != nil {
		if dim = *q.Dimensions; dim < 1 || dim > maxDimensions {
			return nil, 0, bad("dimensions", fmt.Sprintf("dimensions is %d: want 1 to %d", dim, maxDimensions))
		}
	}
	if f := q.EncodingFormat; f != "" && f != "float" && f != "base64" {
		return nil, 0, bad("encoding_format", `encoding_format: want "float" or "base64"`)
	}
	inputs, err := texts(q.Input)
	if err != nil {
		return nil, 0, bad("input", "input: "+err.Error())
	}
	if len(inputs) > maxInputs {
		return nil, 0, bad("input", fmt.Sprintf("input has %d texts: want at most %d", len(inputs), maxInputs))
	}
	for i := range inputs {
		in := &inputs[i]
		in.tokens = max(in.tokens, 1)
		if in.tokens > s.o.Context {
			return nil, 0, &problem{http.StatusBadRequest, "invalid_request_error", "input", "context_length_exceeded",
				fmt.Sprintf("This model's maximum context length is %d tokens, however input %d has %d.", s.o.Context, i, in.tokens)}
		}
	}
	return inputs, dim, nil
}

// prefill runs every text through the replica as one request. False: the client
// has its error, or has gone.
func (s *Server) prefill(w http.ResponseWriter, r *http.Request, inputs []prompt) bool {
	tellers := make([]teller, 0, len(inputs))
	defer func() {
		for _, t := range tellers {
			s.loop.leave(t.f)
		}
	}()
	for i := range inputs {
		f, err := s.loop.join(s.request(&inputs[i], 0), stop, false)
		if err != nil {
			openAIErrors.write(w, unavailable(err))
			return false
		}
		tellers = append(tellers, teller{s: s, w: w, r: r, c: &call{}, f: f})
	}
	for _, t := range tellers {
		if _, err := t.await(0); err != nil {
			if err != errGone {
				openAIErrors.write(w, unavailable(err))
			}
			return false
		}
	}
	return true
}

// embed makes a unit vector of a text: the sum of a random direction for each
// of its words. Texts that share words lie near each other.
func embed(seed uint64, text string, dim int) []float32 {
	sum := make([]int32, dim)
	for w := range strings.FieldsFuncSeq(strings.ToLower(text), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		point(sum, hashText(seed, w))
	}
	length := 0.0
	for _, v := range sum {
		length += float64(v) * float64(v)
	}
	if length == 0 { // no words, or words that cancel out
		point(sum, hashText(seed, text))
		length = float64(dim)
		for _, v := range sum {
			if v == 0 {
				length--
			}
		}
	}
	unit := make([]float32, dim)
	for i, v := range sum {
		unit[i] = float32(float64(v) / math.Sqrt(length))
	}
	return unit
}

// point adds a direction: one bit of the hash's stream for each dimension.
func point(sum []int32, h uint64) {
	var bits uint64
	for i := range sum {
		if i%64 == 0 {
			h = mix(h)
			bits = h
		}
		sum[i] += int32(bits&1)*2 - 1
		bits >>= 1
	}
}

// encode is a vector in the requested format: numbers, or the base64 of
// little-endian float32s, the default of OpenAI's SDKs.
func encode(v []float32, format string) any {
	if format != "base64" {
		return v
	}
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}
