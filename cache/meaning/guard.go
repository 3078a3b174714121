package meaning

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Guard is what two texts must have in common, whatever their vectors say: numbers, names,
// units and quotations, in their order; and negations, words of a pair of opposites, times
// and kinds of question. Embedding models hardly see these: a question and its opposite
// are often nearer than the question and its paraphrase.
//
// Equal guards do not make texts the same; different ones make them different. ok is
// false for a text with letters that are not Latin: the guard cannot read its words.
func Guard(text string) (guard []byte, ok bool) {
	r := reading{}
	if !r.read(text) {
		return nil, false
	}
	slices.Sort(r.signs)
	for _, list := range [...][]string{r.facts, r.signs} {
		guard = binary.AppendUvarint(guard, uint64(len(list)))
		for _, token := range list {
			guard = append(binary.AppendUvarint(guard, uint64(len(token))), token...)
		}
	}
	return guard, true
}

// reading is the guard's reading of a text.
type reading struct {
	facts []string // in order
	signs []string // a set, but negations count
}

func (r *reading) read(text string) bool {
	for _, c := range text {
		if unicode.IsLetter(c) && !unicode.Is(unicode.Latin, c) || c == utf8.RuneError {
			return false
		}
	}
	text = apostrophes.Replace(text)
	for len(text) > 0 {
		if n := quoted(text); n > 0 {
			r.facts = append(r.facts, text[:n])
			text = text[n:]
			continue
		}
		n := strings.IndexFunc(text, func(c rune) bool { return unicode.IsSpace(c) || c == '"' || c == '`' })
		switch n {
		case -1:
			n = len(text)
		case 0:
			_, n = utf8.DecodeRuneInString(text)
			text = text[n:]
			continue
		}
		field := text[:n]
		text = text[n:]
		for part := range strings.SplitSeq(field, "—") {
			if word := trimmed(part); word != "" {
				r.word(word)
			}
		}
	}
	return true
}

var apostrophes = strings.NewReplacer("’", "'", "‘", "'", "“", `"`, "”", `"`, "−", "-", "–", "—")

// quoted is the length of the span in double quotes or backticks that a text begins with.
func quoted(text string) int {
	if text[0] != '"' && text[0] != '`' {
		return 0
	}
	if end := strings.IndexByte(text[1:], text[0]); end >= 0 {
		return end + 2
	}
	return 0
}

// trimmed is a word without the punctuation around it. Signs, currencies and percent stay.
func trimmed(word string) string {
	return strings.TrimFunc(word, func(c rune) bool {
		return unicode.IsPunct(c) && !strings.ContainsRune("-%#@/_&", c)
	})
}

// word adds what one word says.
func (r *reading) word(word string) {
	low := strings.ToLower(word)
	switch {
	case strings.ContainsFunc(word, unicode.IsDigit):
		r.facts = append(r.facts, strings.ReplaceAll(low, ",", ""))
		return
	case strings.ContainsFunc(word, func(c rune) bool { return unicode.IsSymbol(c) || strings.ContainsRune("%#@/_&", c) }):
		r.facts = append(r.facts, low)
		return
	}
	for part := range strings.SplitSeq(low, "-") {
		r.plain(part)
	}
	switch {
	case known(low):
	case starters[stem(low)] && !strings.ContainsFunc(word[1:], unicode.IsUpper): // also after a greeting
	case strings.ContainsFunc(word, unicode.IsUpper), strings.Contains(strings.Trim(word, "."), "."):
		r.facts = append(r.facts, strings.TrimSuffix(low, "'s"))
	}
}

// stem is a word without what is joined to it by an apostrophe.
func stem(low string) string {
	s, _, _ := strings.Cut(low, "'")
	return s
}

func known(low string) bool {
	return numbers[low] != "" || units[low] != "" || negations[low] || opposites[low] != "" || times[low] != "" || low == "i" || strings.HasPrefix(low, "i'")
}

// plain adds what a word of small letters says.
func (r *reading) plain(low string) {
	if n := numbers[low]; n != "" {
		r.facts = append(r.facts, n)
		return
	}
	if u := units[low]; u != "" {
		r.facts = append(r.facts, u)
		return
	}
	switch {
	case negations[low], strings.HasSuffix(low, "n't"):
		r.signs = append(r.signs, "not")
	case opposites[low] != "":
		r.sign(opposites[low])
	case times[low] != "":
		r.sign(times[low])
	case len(low) > 5 && (strings.HasPrefix(low, "un") || strings.HasPrefix(low, "dis") || strings.HasPrefix(low, "non") || strings.HasPrefix(low, "mis") || strings.HasSuffix(low, "less")):
		r.sign(low)
	}
}

func (r *reading) sign(s string) {
	if !slices.Contains(r.signs, s) {
		r.signs = append(r.signs, s)
	}
}
