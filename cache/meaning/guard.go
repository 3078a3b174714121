package meaning

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Guard is what two texts must have in common, whatever their vectors say: numbers, names,
// units, quotations and code, in their order; and negations, words of a pair of opposites,
// times and kinds of question. Embedding models hardly see these: a question and its
// opposite are often nearer than the question and its paraphrase.
//
// Equal guards do not make texts the same; different ones make them different. The words
// of the lists are English, but for negations. ok is false for a text with letters that
// are not Latin, or with characters that do not show: the guard cannot read its words.
func Guard(text string) (guard []byte, ok bool) {
	r := reading{begins: true}
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

	begins bool   // the next word may have a capital without being a name
	number bool   // the last word ended with a number: its unit may follow
	role   string // the last word told from what, into what or than what: the next one matters
}

func (r *reading) read(text string) bool {
	for _, c := range text {
		if unicode.IsLetter(c) && !unicode.Is(unicode.Latin, c) || unicode.Is(unicode.Cf, c) || c == utf8.RuneError {
			return false
		}
	}
	text = plainQuotes(text)
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
			r.part(part)
		}
	}
	return true
}

var quotes = strings.NewReplacer("’", "'", "‘", "'", "´", "'", "“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "−", "-", "–", "-")

// plainQuotes gives a text one form of each quotation mark, apostrophe and minus. A backtick
// without another one is an apostrophe.
func plainQuotes(text string) string {
	text = quotes.Replace(text)
	if strings.Count(text, "`") == 1 {
		text = strings.Replace(text, "`", "'", 1)
	}
	return text
}

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

// trimmed is a word without the punctuation of its sentence. What has a sense of its own
// stays: signs, the point of .5, operators, the brackets and marks of code.
func trimmed(word string) string {
	word = strings.TrimLeft(word, "([{'¿¡,;?…")
	if strings.HasPrefix(word, "..") || word == "." {
		word = strings.TrimLeft(word, ".")
	}
	return strings.TrimRight(word, ".,;:!?…)]}'")
}

// part reads what stands between spaces.
func (r *reading) part(part string) {
	word := trimmed(part)
	switch {
	case word != "":
		r.word(word)
	case strings.Trim(part, ":") == "" && part != "": // as in 6 : 3
		r.facts = append(r.facts, part)
	}
	r.begins = part == "" || strings.ContainsAny(part[len(part)-1:], ".,;:!?)")
}

// isCode says whether a word has signs that no plain word has.
func isCode(word string) bool {
	return strings.ContainsFunc(word, func(c rune) bool {
		return unicode.IsSymbol(c) || unicode.IsPunct(c) && !strings.ContainsRune("-'.,", c)
	}) || len(word) > 1 && (word[0] == '-' || word[0] == '.')
}

// word adds what one word says.
func (r *reading) word(word string) {
	low, afterNumber := strings.ToLower(word), r.number
	r.number = false
	if strings.ContainsFunc(word, unicode.IsNumber) {
		last, _ := utf8.DecodeLastRuneInString(word)
		r.number, r.role = unicode.IsNumber(last), ""
		r.facts = append(r.facts, folded(ungrouped(word)))
		return
	}
	for _, run := range letters(low) {
		r.plain(run)
	}
	mixed := folded(word) != low
	switch {
	case isCode(word):
		r.facts = append(r.facts, word)
	case afterNumber && (mixed || len(low) <= longestUnit && !known(low) && !starters[low]): // 5 kW, 5 mW, 5 MW
		r.facts = append(r.facts, folded(word))
	case known(low):
	case starters[stem(low)] && (r.begins || low == word) && !strings.ContainsFunc(word[1:], unicode.IsUpper): // also after a greeting
	case strings.ContainsFunc(word, unicode.IsUpper), strings.Contains(strings.Trim(word, "."), "."):
		r.facts = append(r.facts, strings.TrimSuffix(low, "'s"))
	}
}

// longestUnit bounds a word that is taken for the unit of the number before it, in bytes.
const longestUnit = 4

// letters are the runs of letters and apostrophes in a word.
func letters(word string) []string {
	return strings.FieldsFunc(word, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsMark(c) && c != '\'' })
}

// folded is a word in small letters, unless it has both kinds: mW is not MW.
func folded(word string) string {
	if low := strings.ToLower(word); low == word || strings.ToUpper(word) == word {
		return low
	}
	return word
}

// ungrouped is a number without the commas between its thousands. Other commas may be
// decimal ones.
func ungrouped(word string) string {
	whole, _, _ := strings.Cut(word, ".")
	groups := strings.Split(whole, ",")
	for i, g := range groups {
		first := strings.TrimLeftFunc(g, func(c rune) bool { return !unicode.IsDigit(c) })
		if i == 0 && (first == "" || first[0] == '0' || len(first) > 3) || i > 0 && len(strings.TrimRightFunc(g, func(c rune) bool { return !unicode.IsDigit(c) })) != 3 {
			return word
		}
	}
	return strings.Join(groups, "") + word[len(whole):]
}

// stem is a word without what is joined to it by an apostrophe.
func stem(low string) string {
	s, _, _ := strings.Cut(low, "'")
	return s
}

func known(low string) bool {
	return numbers[low] != "" || units[low] != "" || denial(low) || opposites[low] != "" || times[low] != "" || low == "i" || strings.HasPrefix(low, "i'")
}

func denial(low string) bool { return negations[low] || strings.HasSuffix(low, "n't") }

// plain adds what a word of small letters says.
func (r *reading) plain(low string) {
	switch {
	case roles[low]:
		r.role = low
		return
	case r.role != "" && !articles[low]:
		r.sign(r.role + " " + low)
		r.role = ""
	}
	if n := numbers[low]; n != "" {
		r.facts = append(r.facts, n)
		return
	}
	if u := units[low]; u != "" {
		r.facts = append(r.facts, u)
		return
	}
	switch {
	case denial(low):
		r.signs = append(r.signs, "not")
	case opposites[low] != "":
		r.sign(opposites[low])
	case times[low] != "":
		r.sign(times[low])
	case len(low) > 3 && strings.HasPrefix(low, "un"), len(low) > 5 && (strings.HasPrefix(low, "dis") || strings.HasPrefix(low, "non") || strings.HasPrefix(low, "mis") || strings.HasSuffix(low, "less")):
		r.sign(low)
	}
}

func (r *reading) sign(s string) {
	if !slices.Contains(r.signs, s) {
		r.signs = append(r.signs, s)
	}
}
