package jsonscan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWordsAreSeenAsWholeStringsHoweverTheyAreWritten(t *testing.T) {
	w := NewWords("image", "input_audio")
	f := func(text string, want uint32) {
		t.Helper()
		s := Scanner{B: []byte(text), Look: w}
		if _, err := s.Value(0); err != nil {
			t.Fatal(err)
		}
		if s.Seen != want {
			t.Errorf("%s: seen %b, want %b", text, s.Seen, want)
		}
	}
	f(`["image"]`, 1)
	f(`{"input_audio":1,"a":"image"}`, 3)
	f(`["\u0069m\u0061ge"]`, 1)
	f(`["`+strings.Repeat(`\u0069`, 1)+`mage","\u0069\u006e\u0070\u0075\u0074\u005f\u0061\u0075\u0064\u0069\u006f"]`, 3)
	f(`["images","mage"," image","a \"image\" b","image\n",""]`, 0)
	f(`["`+strings.Repeat("image", 1000)+`"]`, 0)
	none := Scanner{B: []byte(`["image"]`)}
	if none.Value(0); none.Seen != 0 {
		t.Error("a scanner without words has seen one")
	}
}

func TestLookingForWordsAllocatesNothing(t *testing.T) {
	b, w := []byte(`{"type":"text","text":"one\ntwo","a":"\u0069mage","long":"\n`+strings.Repeat("a", 300)+`"}`), NewWords("image")
	if n := testing.AllocsPerRun(100, func() {
		s := Scanner{B: b, Look: w}
		if _, err := s.Value(0); err != nil || s.Seen != 1 {
			t.Fatal(err, s.Seen)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Every number that decimals passes is one for encoding/json, and every array is judged
// as encoding/json judges it, wherever it is broken.
func TestArraysOfNumbersAreJudgedAsByEncodingJSON(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"0", "7", "12345678", "123456789", "-", "-0", "-1", ".", "0.5", "-0.012345678", "0.0000000000000001", "0.12345678901234567", "01", "1.", "1e5", "-0.1E-07",
		",", ", ", " ,", ",\n", ",  ", ",,", "]", "[", "[]", "{}", `"a"`, "null", "\x00", "\xb0", "\x30\x80", "1:2", "/", ":",
	})
	rapid.Check(t, func(t *rapid.T) {
		sound := rapid.SampledFrom([]string{"0.0123,", "-0.5, ", "1234,"})
		b := []byte("[" + strings.Join(rapid.SliceOfN(sound, 0, 6).Draw(t, "before"), "") + strings.Join(rapid.SliceOfN(piece, 0, 4).Draw(t, "piece"), "") +
			strings.Join(rapid.SliceOfN(sound, 0, 6).Draw(t, "after"), "") + rapid.SampledFrom([]string{"0.25]", "1]", "]", "", "0." + strings.Repeat("1", 40) + "]"}).Draw(t, "end"))
		s := Scanner{B: b}
		end, err := s.Value(0)
		if ok := err == nil && end == len(b); ok != json.Valid(b) {
			t.Fatalf("%q: encoding/json says %v, the scanner %v (%v)", b, json.Valid(b), ok, err)
		}
	})
}

func TestEightBytesAreJudgedAsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edge := rapid.SampledFrom([]byte{0, 1, 0x1f, ' ', '!', '"', '#', '/', '0', '9', ':', '[', '\\', ']', 0x7f, 0x80, 0xa2, 0xb0, 0xb9, 0xdc, 0xff})
		b := rapid.SliceOfN(edge, 8, 100).Draw(t, "bytes")
		at, digits := 0, 0
		for at < len(b) && b[at] != '"' && b[at] != '\\' && b[at] >= 0x20 {
			at++
		}
		if got := plain(b, 0); got != at {
			t.Fatalf("plain(%q) = %d, want %d", b, got, at)
		}
		for digits < 8 && b[digits] >= '0' && b[digits] <= '9' {
			digits++
		}
		if got := leadingDigits(binary.LittleEndian.Uint64(b)); got != digits {
			t.Fatalf("leadingDigits(%q) = %d, want %d", b[:8], got, digits)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, again. "), 1000)
	numbers := bytes.Repeat([]byte("-0.023456789,0.012345678,0.0098765432,"), 500)
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"text", []byte(`{"a":"` + string(text) + `"}`)},
		{"numbers", []byte(`{"a":[` + string(numbers) + `0.5]}`)},
		{"members", []byte(`[` + strings.Repeat(`{"role":"user","content":"hello"},`, 500) + `{}]`)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				s := Scanner{B: c.body}
				if _, err := s.Value(0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
