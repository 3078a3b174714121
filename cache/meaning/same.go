package meaning

import (
	"slices"
	"strings"
	"unicode"
)

// Likeness is how two answers compare by their words alone.
type Likeness uint8

const (
	Unclear   Likeness = iota // their vectors, or a judge, must say
	Equal                     // the same but for case, the punctuation of sentences and white space
	Different                 // their numbers or their negations differ, or one is empty
)

// Compare compares two answers to be told whether one can stand for the other.
func Compare(a, b string) Likeness {
	x, y := normal(a), normal(b)
	switch {
	case len(x) == 0 || len(y) == 0:
		return Different
	case slices.Equal(x, y):
		return Equal
	case !slices.Equal(figures(x), figures(y)), denies(a) != denies(b):
		return Different
	}
	return Unclear
}

// normal is the words of a text, in small letters unless they are code.
func normal(text string) (words []string) {
	for _, w := range strings.Fields(plainQuotes(text)) {
		switch w = strings.Trim(trimmed(w), `"`); {
		case w == "":
		case isCode(w):
			words = append(words, w)
		default:
			words = append(words, strings.ToLower(ungrouped(w)))
		}
	}
	return words
}

// figures are the words with digits, and number words, without an order. The marks of
// emphasis around them do not count.
func figures(words []string) (list []string) {
	for _, w := range words {
		w = strings.Trim(w, "*_`#~([{")
		if strings.ContainsFunc(w, unicode.IsNumber) {
			list = append(list, strings.ToLower(w))
		} else if n := numbers[w]; n != "" && n != "1" { // "one" is often no number
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// denies says whether an odd number of words deny.
func denies(text string) bool {
	n := 0
	for _, w := range letters(strings.ToLower(plainQuotes(text))) {
		if denial(strings.Trim(w, "'")) {
			n++
		}
	}
	return n%2 == 1
}
