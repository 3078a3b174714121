package embed

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"weir/jsonscan"
)

// Fault is why an answer has not the vectors that were asked for.
type Fault struct {
	At  int // of the text whose vector cannot be used; -1: of none in particular
	Why string
}

func (f *Fault) Error() string { return f.Why }

// Vectors reads the vectors of an answer, of which there must be n, of one length.
func Vectors(body []byte, n int) ([]Vector, *Fault) {
	out := make([]Vector, n)
	in := jsonscan.At(body)
	seen, dims := 0, 0
	for first, is := true, in.Open('{'); is && in.Next('}', first); first = false {
		if string(in.Key()) != "data" {
			in.Skip()
			continue
		}
		for first, is := true, in.Open('['); is && in.Next(']', first); first = false {
			at, data := row(&in, seen)
			switch {
			case at < 0 || at >= n || out[at].Data != nil:
				return nil, &Fault{-1, "it has not one vector for each text"}
			case len(data) == 0:
				return nil, &Fault{at, "it is no list of finite numbers"}
			case seen > 0 && len(data) != dims:
				return nil, &Fault{at, fmt.Sprintf("it has %d numbers, and others have %d", len(data)/4, dims/4)}
			}
			out[at].Data, dims = data, len(data)
			seen++
		}
	}
	if !in.Done() || seen != n {
		return nil, &Fault{-1, "it has not one vector for each text"}
	}
	return out, nil
}

// row reads one row. A row without an index is in its place.
func row(in *jsonscan.Cursor, place int) (index int, data []byte) {
	index = place
	for first, is := true, in.Open('{'); is && in.Next('}', first); first = false {
		switch string(in.Key()) {
		case "index":
			n, err := strconv.Atoi(string(in.Raw()))
			if err != nil {
				return -1, nil
			}
			index = n
		case "embedding":
			if in.Peek() == '"' {
				data = fromBase64(in.Text())
			} else {
				data = fromNumbers(in)
			}
		default:
			in.Skip()
		}
	}
	return index, data
}

func fromBase64(text []byte) []byte {
	raw := jsonscan.Unescaped(text)
	data := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Decode(data, raw)
	if err != nil || n%4 != 0 {
		return nil
	}
	for at := 0; at < n; at += 4 {
		if !finite(math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))) {
			return nil
		}
	}
	return data[:n:n]
}

func fromNumbers(in *jsonscan.Cursor) (data []byte) {
	data = make([]byte, 0, 4*384)
	for first, is := true, in.Open('['); is && in.Next(']', first); first = false {
		f, err := strconv.ParseFloat(string(in.Raw()), 32)
		if err != nil || !finite(float32(f)) {
			return nil
		}
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(f)))
	}
	return data
}

func finite(f float32) bool { return f-f == 0 }

// Answer is an answer in OpenAI's form.
type Answer struct {
	Model   string // as the caller names it
	Tokens  int64  // of all items
	Base64  bool
	Vectors []Vector
}

// Append writes the answer.
func (a *Answer) Append(dst []byte) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range a.Vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"object":"embedding","index":`...)
		dst = append(strconv.AppendInt(dst, int64(i), 10), `,"embedding":`...)
		if a.Base64 {
			dst = append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Data), '"')
		} else {
			dst = appendNumbers(dst, v.Data)
		}
		dst = append(dst, '}')
	}
	dst = append(append(dst, `],"model":`...), jsonscan.Quoted(a.Model)...)
	dst = strconv.AppendInt(append(dst, `,"usage":{"prompt_tokens":`...), a.Tokens, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), a.Tokens, 10)
	return append(dst, "}}"...)
}

// appendNumbers writes each float with the fewest digits that read back as the same.
func appendNumbers(dst, data []byte) []byte {
	dst = append(dst, '[')
	for at := 0; at+4 <= len(data); at += 4 {
		if at > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))), 'g', -1, 32)
	}
	return append(dst, ']')
}

// Share shares tokens out by sizes: the parts add up to the whole.
func Share(tokens int64, sizes []int) []int64 {
	total, done, given := 0, 0, int64(0)
	for _, s := range sizes {
		total += s
	}
	out := make([]int64, len(sizes))
	for i, s := range sizes {
		done += s
		upTo := tokens
		if total > 0 {
			upTo = int64(float64(tokens) * (float64(done) / float64(total)))
		}
		if i == len(sizes)-1 {
			upTo = tokens
		}
		out[i], given = upTo-given, upTo
	}
	return out
}
