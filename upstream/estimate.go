package upstream

import (
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer"

	"weir"
	"weir/jsonscan"
)

// Bounds of an estimate: what is counted with the tokenizer (about 7 MB/s), the
// rest is taken to be like it; and how much is given to it at once, since the
// time it takes for one unbroken run of letters grows faster than the run.
const (
	maxCounted   = 64 << 10
	countedPiece = 2 << 10
	bytesPer     = 4 // bytes of a token where nothing was counted
)

// Estimate counts the tokens of a request and of the text it produced, where
// the upstream reported no usage, with the vocabulary o200k_base. Pictures,
// sounds and files count as nothing. A conversation costs four tokens a
// message and three for the answer's start (OpenAI cookbook, "How to count
// tokens with tiktoken"). answer is what the operation's Format collected.
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

// countTokens counts text, which stands for total bytes.
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
