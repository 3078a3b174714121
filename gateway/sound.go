package gateway

import "bytes"

// What a request holds is found by words in quotes. Words that stand in a text
// have their quotes escaped, so that they are not found; letters of a word may be
// escaped too, which every server reads as the letters.

// hasWord says whether one of the words, with its quotes, stands in JSON.
func hasWord(json []byte, words ...[]byte) bool {
	json = plainLetters(json)
	for _, w := range words {
		if bytes.Contains(json, w) {
			return true
		}
	}
	return false
}

// plainLetters is JSON whose escaped ASCII letters and underscores (\u0061) stand
// as themselves: the same bytes where there are none, as nearly always.
func plainLetters(json []byte) []byte {
	if !escapesLetters(json) {
		return json
	}
	out := make([]byte, 0, len(json))
	for i := 0; i < len(json); {
		n := 1
		if json[i] == '\\' {
			if c := escapedLetter(json[i:]); c != 0 {
				out = append(out, c)
				i += len(`\u0061`)
				continue
			}
			n = 2 // an escaped backslash begins nothing
		}
		out = append(out, json[i:min(i+n, len(json))]...)
		i += n
	}
	return out
}

func escapesLetters(json []byte) bool {
	for {
		i := bytes.Index(json, []byte(`\u00`))
		if i < 0 {
			return false
		}
		if escapedLetter(json[i:]) != 0 {
			return true
		}
		json = json[i+1:]
	}
}

// escapedLetter is the letter or underscore whose escape b begins with; 0: none.
func escapedLetter(b []byte) byte {
	if len(b) < 6 || string(b[:4]) != `\u00` || b[4] < '4' || b[4] > '7' {
		return 0
	}
	low := b[5] | 0x20
	switch {
	case b[5] >= '0' && b[5] <= '9':
		low = b[5] - '0'
	case low >= 'a' && low <= 'f':
		low -= 'a' - 10
	default:
		return 0
	}
	c := (b[4]-'0')<<4 | low
	if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') {
		return 0
	}
	return c
}
