package cache

import (
	"bytes"
	"math"
	"strconv"
)

// exactDigits of a number in decimal are always kept by a double.
const exactDigits = 15

// mostDigits are as many as any double needs. Numbers with more lose some of them, and
// two that differ could become one.
const mostDigits = 17

// appendNumber appends a valid JSON number as ECMAScript writes it (RFC 8785, 3.2.2.3).
// ok is false if the number loses its identity: a whole number of 2^53 or more, more digits
// than a double has, or one out of range.
func appendNumber(dst, raw []byte) (out []byte, ok bool) {
	whole, digits := true, 0
	for _, c := range raw {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c != '-':
			whole = false
		}
	}
	if whole && digits <= exactDigits {
		if raw[0] == '-' && raw[1] == '0' { // -0
			raw = raw[1:]
		}
		return append(dst, raw...), true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || whole && math.Abs(f) >= 1<<53 || significant(raw) > mostDigits {
		return dst, false
	}
	return appendDouble(dst, f), true
}

// significant counts the digits of a number without zeros before and after them.
func significant(raw []byte) int {
	if e := bytes.IndexAny(raw, "eE"); e >= 0 {
		raw = raw[:e]
	}
	digits := make([]byte, 0, 32)
	for _, c := range raw {
		if c >= '0' && c <= '9' {
			digits = append(digits, c)
		}
	}
	return len(bytes.Trim(digits, "0"))
}

func appendDouble(dst []byte, f float64) []byte {
	if f == 0 {
		return append(dst, '0')
	}
	form := byte('f')
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		form = 'e'
	}
	dst = strconv.AppendFloat(dst, f, form, -1, 64)
	if n := len(dst); form == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-07
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
