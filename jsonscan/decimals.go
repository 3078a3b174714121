package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// decimals passes elements of an array from i on, each with its comma, as long as they
// are numbers without an exponent: what embeddings and lists of tokens consist of. It
// returns the index after the last comma it has passed, where any element may follow. It
// passes nothing that is not a number, but not every number: not those of more digits
// than fit, nor an array's last, which no comma follows.
//
// The form of nearly all elements of an embedding, -0.012345678, is judged 16 bytes at a
// time: where is the comma, and which bytes before it are no digits.
func decimals(b []byte, i int) int {
	for i+32 <= len(b) {
		if b[i] != '-' && b[i]-'0' > 9 {
			return i
		}
		w := (*[32]byte)(b[i:])
		low, high := binary.LittleEndian.Uint64(w[:]), binary.LittleEndian.Uint64(w[8:])
		n := bits.TrailingZeros64(equal(low, ',')) / 8
		if n == 8 {
			n += bits.TrailingZeros64(equal(high, ',')) / 8
		}
		sign := b2i(w[0] == '-')
		marks, before := gather(notDigits(low))|gather(notDigits(high))<<8, uint32(1)<<(n&31)
		if marks&(2*before-1) != uint32(2+3*sign)|before || w[sign+1] != '.' || n < sign+3 { // bits of point and sign
			if n = number(w); n == 0 {
				return i
			}
		}
		if i += n + 1; b[i] == ' ' { // as some servers write them
			i++
		}
	}
	return i
}

// number is the length of the number at the start of w, 0 if it is none that decimals
// passes.
func number(w *[32]byte) int {
	at := b2i(w[0] == '-')
	digits := leadingDigits(binary.LittleEndian.Uint64(w[at : at+8]))
	if digits == 0 || digits > 1 && w[at] == '0' {
		return 0
	}
	if at += digits; w[at] == '.' {
		at++
		if digits = leadingDigits(binary.LittleEndian.Uint64(w[at : at+8])); digits == 8 {
			digits += leadingDigits(binary.LittleEndian.Uint64(w[at+8 : at+16]))
		}
		if at += digits; digits == 0 {
			return 0
		}
	}
	if w[at] != ',' {
		return 0
	}
	return at
}

// leadingDigits is how many of eight bytes, from the lowest on, are digits.
func leadingDigits(x uint64) int { return bits.TrailingZeros64(notDigits(x)) / 8 }

// notDigits marks the bytes that are not digits by their top bits, each exactly.
func notDigits(x uint64) uint64 {
	y := x ^ ones*'0'
	return (y&^tops + ones*(0x80-10) | y) & tops
}

// equal marks the bytes that are c by their top bits. The lowest mark is exact; higher
// ones may be false after it.
func equal(x uint64, c byte) uint64 {
	y := x ^ ones*uint64(c)
	return (y - ones) &^ y & tops
}

// gather returns the top bits of eight bytes as bits 0 to 7.
func gather(marks uint64) uint32 { return uint32(marks >> 7 * 0x0102040810204080 >> 56) }
