package gateway

import "bytes"

// The content of a request is found by quoted words. Inside a text, quotes are escaped,
// so the words do not match there. Letters may be escaped as well; every server reads
// them as the letters.

// hasWord says whether the JSON contains one of the words, including its quotes.
func hasWord(json []byte, words ...[]byte) bool {
	json = plainLetters(json)
	for _, w := range words {
		if bytes.Contains(json, w) {
			return true
		}
	}
	return false
}

// plainLetters is JSON with escaped ASCII letters and underscores (\u0061) unescaped.
// It returns the same bytes if there are none, as nearly always.
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
			n = 2 // an escaped backslash starts no escape
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

// escapedLetter is the letter or underscore escaped at the start of b; 0: none.
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
