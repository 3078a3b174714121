package cheaper

import (
	"encoding/json"

	"weir"
)

// Said is an answer to be compared with another.
type Said struct {
	Text       string
	Calls      []Call
	Confidence float64 // geometric mean of the tokens' probabilities; 0: not told
}

// Call is the call of a tool.
type Call struct {
	Tool      string
	Arguments json.RawMessage
}

// Read reads the first answer of a body; false if there is none.
func Read(op weir.Op, answer []byte) (Said, bool) {
	parts, ok := partsOf(op, answer)
	if !ok || parts[0].text == "" && len(parts[0].calls) == 0 && !parts[0].refused {
		return Said{}, false
	}
	p := &parts[0]
	s := Said{Text: p.text, Confidence: p.confidence()}
	for _, c := range p.calls {
		s.Calls = append(s.Calls, Call{c.name, c.arguments})
	}
	return s, true
}
