package emulate

import (
	"encoding/json"
	"hash/fnv"
	"strings"
)

// answer is the answer to a request: a number of tokens, each with its piece of
// text. Pieces of plain text are made when they are sent: thousands of long
// answers take no memory.
type answer struct {
	hash   uint64
	fixed  []string // pieces of an answer that must be exact; nil: words
	tokens int
	finish finish
	tool   string // name of the function called; "": text
	ended  string // the stop text that ended it
}

// finish is why an answer ended; each dialect has its own word.
type finish uint8

const (
	stop     finish = iota // it was done
	length                 // max_tokens or the context came first
	called                 // it calls a tool
	filtered               // Azure's content filter ended it
)

// mix is splitmix64's finaliser: every bit of the input moves every bit out.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func hashText(seed uint64, parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	return mix(h.Sum64() ^ mix(seed))
}

var words = strings.Fields(`about above after again all also and any are area back because before between body both
call came can case change city close cold come common could country course day deep direct door down each early earth east
end enough even every example eye face fact fall far few field find fine first five follow food form four free from full
general give good great green ground group grow half hand hard head hear heat help here high hold home hour house how idea
inch island just keep kind king know land language large last late learn leave left letter life light like line list little
live long look love low machine made main make man many map mark may mean measure men might mile mind minute money moon more
morning most mother mountain move much music must name near need never new next night north note notice now number object
off often old once one only open order other our out over own page paper part pass pattern people perhaps person picture
piece place plain plan plane plant play point power problem produce product question quick rain read ready real red rest
right river road rock room round rule run same saw sea second see self sentence serve set several shape ship short should
show side simple since sing six size sleep slow small snow some song soon sound south space special stand star start state
stay step still stone stop story street strong study such sun sure surface table tail take talk teach tell ten than that
their them then there these thing think this those though thought thousand three through time together told too took top
toward town travel tree true try turn two under unit until use usual verb very voice vowel walk want warm watch water way
week well went were west what wheel where which while white who whole why wind with wonder wood word work world would write
year yes young`)

// opening begins every text, to tell it from a model's.
var opening = []string{"Emulated", " answer", ":"}

// sentence is the number of words between full stops.
const sentence = 12

// piece is the text of token i. Pieces of words need no escaping in JSON.
func (a *answer) piece(i int) string {
	switch {
	case a.fixed != nil:
		return a.fixed[i]
	case i < len(opening):
		return opening[i]
	case i%sentence == sentence-1:
		return "."
	}
	return spaced[mix(a.hash+uint64(i))%uint64(len(spaced))]
}

var spaced = func() []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = " " + w
	}
	return out
}()

// text is the first n pieces.
func (a *answer) text(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(a.piece(i))
	}
	return b.String()
}

// limits are a request's limits on the length of its answer.
type limits struct {
	most      int // tokens; 0: no limit given
	least     int
	ignoreEOS bool // vLLM's: always go on to most
}

// write makes a text answer: its length comes from the prompt's hash, within
// the limits and the room left.
func write(hash uint64, l limits, room int) answer {
	most, end := room, length
	if l.most > 0 {
		most = min(most, l.most)
	}
	natural := max(16+int(mix(hash)%240), l.least)
	if !l.ignoreEOS && natural <= most {
		most, end = natural, stop
	}
	return answer{hash: hash, tokens: most, finish: end}
}

// exact makes an answer of a given text, cut where the limits or the room end.
func exact(text string, l limits, room int, end finish) answer {
	a := answer{fixed: cut(text), finish: end}
	a.tokens = len(a.fixed)
	if l.most > 0 {
		room = min(room, l.most)
	}
	if a.tokens > room {
		a.tokens, a.finish = room, length
	}
	return a
}

// cut splits a text into pieces of four bytes, fewer where a character would
// be split.
func cut(text string) []string {
	var pieces []string
	for start, i := 0, 0; i <= len(text); i++ {
		whole := i == len(text) || text[i]&0xc0 != 0x80
		if i == len(text) && i > start || whole && i-start >= 4 {
			pieces = append(pieces, text[start:i])
			start = i
		}
	}
	return pieces
}

// mustJSON encodes values that cannot fail to: strings, numbers, and maps and
// slices of them.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("emulate: " + err.Error())
	}
	return b
}
