package upstream

import (
	"bytes"
	"math"
	"strconv"

	"weir/jsonscan"
)

// maxCount is the largest plausible number of tokens of one answer: ten times the
// longest context of any model offered.
const maxCount = 100_000_000

// Count reads a number of tokens in any notation (1000, 1e3, 1000.0, "1000"). null
// counts as none; ok is false for anything else that is not a possible count.
func Count(s *jsonscan.Cursor) (n int64, ok bool) {
	c := s.Peek()
	switch {
	case c == '"':
		return wholeNumber(s.Text())
	case c != '-' && (c < '0' || c > '9'):
		s.Skip()
		return 0, c == 'n'
	}
	text := s.Raw()
	for _, d := range text {
		if d < '0' || d > '9' {
			return wholeNumber(text)
		}
		n = min(n*10+int64(d-'0'), maxCount+1)
	}
	return n, n <= maxCount
}

// wholeNumber reads a number of tokens that is not only digits.
func wholeNumber(text []byte) (int64, bool) {
	f, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
	if err != nil || f < 0 || f > maxCount || f != math.Trunc(f) { // also not a number
		return 0, false
	}
	return int64(f), true
}
