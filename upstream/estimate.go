package upstream

import (
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer"

	"weir"
	"weir/jsonscan"
)

// Bounds of an estimate. maxCounted is how much is counted with the tokenizer (about 7
// MB/s); the rest is extrapolated. countedPiece is how much the tokenizer gets at once,
// because its time for one unbroken run of letters grows faster than the run.
const (
	maxCounted   = 64 << 10
	countedPiece = 2 << 10
	bytesPer     = 4 // bytes of a token if nothing was counted
)

// Estimate counts the tokens of a request and of its answer, with the vocabulary
// o200k_base, if the upstream reported no usage. Pictures, sounds and files count as
// nothing. A conversation adds four tokens a message and three for the start of the
// answer (OpenAI cookbook, "How to count tokens with tiktoken"). answer is the text
// collected by the operation's Format.
func (o *Operation) Estimate(request, answer []byte) weir.Usage {
	t := texts{limit: maxCounted}
	s := jsonscan.At(request)
	messages := t.prompt(&s)
	u := weir.Usage{
		Prompt:     countTokens(t.dst, t.total) + t.numbers,
		Completion: countTokens(answer[:min(len(answer), maxCounted)], int64(len(answer))),
		Estimated:  true,
	}
	if messages > 0 {
		u.Prompt += 4*messages + 3
	}
	if !o.Answers() {
		u.Completion = 0
	}
	return u
}

var codec = sync.OnceValue(func() tokenizer.Codec {
	c, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		return nil // the vocabulary is compiled in; without it, bytes are counted
	}
	return c
})

// countTokens counts text, a part of total bytes, and extrapolates to the total.
func countTokens(text []byte, total int64) int64 {
	if len(text) == 0 || codec() == nil {
		return (total + bytesPer - 1) / bytesPer
	}
	n := int64(0)
	for rest := string(text); rest != ""; {
		piece := rest
		if len(piece) > countedPiece {
			piece = piece[:countedPiece]
			if space := strings.LastIndexByte(piece, ' '); space > 0 {
				piece = piece[:space]
			}
		}
		rest = rest[len(piece):]
		k, err := codec().Count(piece)
		if err != nil {
			k = (len(piece) + bytesPer - 1) / bytesPer
		}
		n += int64(max(k, 1)) // the vocabulary lacks some control characters
	}
	if counted := int64(len(text)); total > counted {
		n = n * total / counted
	}
	return n
}
