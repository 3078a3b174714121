// Package nearest finds the vectors nearest to another by cosine, in memory.
//
// It owns how vectors are made smaller: the signs of a vector's numbers, one bit each, and
// the numbers in eight bits. All vectors are compared by their signs, the best of those by
// their eight bits, and the caller compares the best of those exactly, with the numbers
// that it keeps elsewhere. A vector of 384 numbers takes 450 bytes here instead of 1,536.
// It refuses to know what a vector is of.
package nearest

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Set is a list of vectors, all of one length. The zero value is empty. Reading it from
// several goroutines is safe.
type Set struct {
	dims  int
	signs []uint64
	codes []int8
	scale []float32 // of each vector's codes
}

// Len is how many vectors there are.
func (s *Set) Len() int { return len(s.scale) }

// Dims is how many numbers each has; 0: there are none.
func (s *Set) Dims() int { return s.dims }

// Bytes is the memory that the vectors take.
func (s *Set) Bytes() int { return 8*len(s.signs) + len(s.codes) + 4*len(s.scale) }

// Grow makes room for so many vectors.
func (s *Set) Grow(n, dims int) {
	s.signs, s.codes, s.scale = slices.Grow(s.signs, n*words(dims)), slices.Grow(s.codes, n*dims), slices.Grow(s.scale, n)
}

func words(dims int) int { return (dims + 63) / 64 }

// Add appends a vector. One of another length than the first is not taken.
func (s *Set) Add(v []float32) bool {
	if len(s.scale) == 0 {
		s.dims = len(v)
	}
	if len(v) != s.dims || len(v) == 0 {
		return false
	}
	s.signs = appendSigns(s.signs, v)
	var scale float32
	s.codes, scale = appendCodes(s.codes, v)
	s.scale = append(s.scale, scale)
	return true
}

func appendSigns(dst []uint64, v []float32) []uint64 {
	for at := 0; at < len(v); at += 64 {
		var w uint64
		for i, f := range v[at:min(at+64, len(v))] {
			if f > 0 {
				w |= 1 << i
			}
		}
		dst = append(dst, w)
	}
	return dst
}

func appendCodes(dst []int8, v []float32) ([]int8, float32) {
	most := float32(0)
	for _, f := range v {
		most = max(most, f, -f)
	}
	if most == 0 {
		most = 1
	}
	for _, f := range v {
		dst = append(dst, int8(math.Round(float64(f/most*127))))
	}
	return dst, most / 127
}

// How many vectors a search keeps: of k asked for, those that are compared by eight bits,
// and those that are returned to be compared exactly.
const (
	bySigns   = 400
	leastSign = 4000
	byCodes   = 3
	leastCode = 30
)

// Found is a vector, and about how near it is.
type Found struct {
	At    int
	Score float32
}

// Search returns the vectors likely to be nearest to q, the nearest first: several times k.
// allowed says which vectors count; nil: all.
func (s *Set) Search(q []float32, k int, allowed func(at int) bool) []Found {
	if len(q) != s.dims || s.Len() == 0 || k <= 0 {
		return nil
	}
	best := s.bySigns(q, max(bySigns*k, leastSign), allowed)
	codes, scale := appendCodes(nil, q)
	out := make([]Found, len(best))
	for i, at := range best {
		row := s.codes[int(at)*s.dims : (int(at)+1)*s.dims]
		out[i] = Found{int(at), float32(dot8(codes, row)) * scale * s.scale[at]}
	}
	slices.SortFunc(out, func(a, b Found) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return a.At - b.At
	})
	return out[:min(len(out), max(byCodes*k, leastCode))]
}

// bySigns returns the vectors whose signs differ least from those of q, about most of them.
func (s *Set) bySigns(q []float32, most int, allowed func(int) bool) []int32 {
	signs, w := appendSigns(nil, q), words(s.dims)
	differ := make([]uint16, s.Len())
	counts := make([]int, s.dims+1)
	for at := range differ {
		row := s.signs[at*w : at*w+w : at*w+w]
		n := 0
		for i, x := range row {
			n += bits.OnesCount64(x ^ signs[i])
		}
		if allowed != nil && !allowed(at) {
			differ[at] = math.MaxUint16
			continue
		}
		differ[at] = uint16(n)
		counts[n]++
	}
	limit, sum := 0, 0
	for ; limit < len(counts) && sum < most; limit++ {
		sum += counts[limit]
	}
	out := make([]int32, 0, sum)
	for at, n := range differ {
		if int(n) < limit {
			out = append(out, int32(at))
		}
	}
	return out
}

// dot8 is the product of two lists of eight-bit numbers.
func dot8(a, b []int8) (sum int32) {
	b = b[:len(a)]
	var s0, s1, s2, s3 int32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += int32(a[i]) * int32(b[i])
		s1 += int32(a[i+1]) * int32(b[i+1])
		s2 += int32(a[i+2]) * int32(b[i+2])
		s3 += int32(a[i+3]) * int32(b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += int32(a[i]) * int32(b[i])
	}
	return s0 + s1 + s2 + s3
}

// Unit scales a vector to length 1, in place. A vector of zeros stays one.
func Unit(v []float32) []float32 {
	sum := 0.0
	for _, f := range v {
		sum += float64(f) * float64(f)
	}
	if sum > 0 {
		by := float32(1 / math.Sqrt(sum))
		for i := range v {
			v[i] *= by
		}
	}
	return v
}

// Dot is the exact product of two vectors: of unit vectors, their cosine.
func Dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// Bytes is a vector as little-endian 32-bit floats.
func Bytes(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// Floats reads what Bytes wrote.
func Floats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}
