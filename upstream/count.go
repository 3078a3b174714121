package upstream

import (
	"bytes"
	"math"
	"strconv"

	"weir/jsonscan"
)

// maxCount is the most tokens one answer is believed to have used, ten times
// the longest context on offer.
const maxCount = 100_000_000

// Count reads a number of tokens, however it is written (1000, 1e3, 1000.0, "1000").
// null counts as none; ok is false for anything else that is no possible number.
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

// wholeNumber reads a number of tokens that is not written in digits alone.
func wholeNumber(text []byte) (int64, bool) {
	f, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
	if err != nil || f < 0 || f > maxCount || f != math.Trunc(f) { // also what is no number
		return 0, false
	}
	return int64(f), true
}
