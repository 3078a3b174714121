package load

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"

	"weir/trace"
)

// vocabulary is words that are one token each, with the space before them, in
// the common tokenizers.
var vocabulary = strings.Fields(`time year people way day man thing woman life child world school state family
student group country problem hand part place case week company system program question work government number
night point home water room mother area money story fact month lot right study book eye job word business issue
side kind head house service friend father power hour game line end member law car city name team minute idea body
back parent face level office door health person art war history party result change morning reason research girl`)

// blockTokens is the length of one block of a trace's prefix ids: 512 tokens,
// as published (Mooncake, FAST 2025).
const blockTokens = 512

// body is a streamed chat request with about that many prompt and output
// tokens. Requests that share leading blocks share their text; the rest is the
// request's own, so a server's prefix cache can reuse only what the trace says.
// The same number and arrival give the same bytes.
func body(model string, number int, a trace.Arrival, prompt, output int) []byte {
	var b bytes.Buffer
	b.Grow(200 + 7*prompt)
	b.WriteString(`{"model":`)
	name, _ := json.Marshal(model) // a string always marshals
	b.Write(name)
	b.WriteString(`,"stream":true,"stream_options":{"include_usage":true},"max_tokens":`)
	b.WriteString(strconv.Itoa(output))
	b.WriteString(`,"messages":[{"role":"user","content":"`)
	for _, block := range a.Prefix {
		n := min(prompt, blockTokens)
		words(&b, rand.NewPCG(block, 1), n)
		prompt -= n
	}
	words(&b, rand.NewPCG(uint64(number), 2), prompt)
	b.WriteString(`"}]}`)
	return b.Bytes()
}

func words(b *bytes.Buffer, from *rand.PCG, n int) {
	for range n {
		b.WriteByte(' ')
		b.WriteString(vocabulary[from.Uint64()%uint64(len(vocabulary))])
	}
}
