package jsonscan

// Words are strings that a Scanner looks for as it goes: they are noted in Scanner.Seen,
// as names and as values. Finding them costs no second walk over the text.
type Words struct {
	list    []string
	lengths uint64 // bit n: there is a word of n bytes
}

// maxWord is the longest word, in bytes, and maxHidden its longest text in JSON: every
// byte of a word may be written as an escape of six.
const (
	maxWord   = 63
	maxHidden = 6 * maxWord
)

// NewWords takes at most 32 words of at most 63 bytes of ASCII.
func NewWords(list ...string) *Words {
	w := &Words{list: list}
	if len(list) > 32 {
		panic("jsonscan: more than 32 words")
	}
	for _, word := range list {
		if len(word) > maxWord {
			panic("jsonscan: a word is longer than 63 bytes: " + word)
		}
		w.lengths |= 1 << len(word)
	}
	return w
}

// in returns the bit of the word that the text between a string's quotes stands for, 0
// if it is none.
func (w *Words) in(inside []byte, escaped bool) uint32 {
	if escaped {
		var text [maxHidden]byte // Unescaped would allocate
		inside = AppendUnescaped(text[:0], inside)
	}
	if len(inside) > maxWord || w.lengths>>len(inside)&1 == 0 {
		return 0
	}
	for i, word := range w.list {
		if string(inside) == word {
			return 1 << i
		}
	}
	return 0
}
