package embed

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"weir/cache"
)

// An answer that is written reads back as the same vectors, in both encodings.
func TestAnAnswerReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dims := rapid.IntRange(1, 6).Draw(t, "dims")
		float := rapid.Custom(func(t *rapid.T) float32 {
			return math.Float32frombits(rapid.Uint32().Filter(func(b uint32) bool { return b>>23&0xff != 0xff }).Draw(t, "bits"))
		})
		a := Answer{Model: "m \"", Tokens: 3, Base64: rapid.Bool().Draw(t, "base64")}
		for range rapid.IntRange(1, 4).Draw(t, "n") {
			var v Vector
			for _, f := range rapid.SliceOfN(float, dims, dims).Draw(t, "v") {
				b := math.Float32bits(f)
				v.Data = append(v.Data, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
			}
			a.Vectors = append(a.Vectors, v)
		}
		text := a.Append(nil)
		if !json.Valid(text) {
			t.Fatalf("no JSON: %s", text)
		}
		got, fault := Vectors(text, len(a.Vectors))
		for i := range a.Vectors {
			if fault != nil || string(got[i].Data) != string(a.Vectors[i].Data) {
				t.Fatalf("vector %d of %s", i, text)
			}
		}
	})
}

func TestWhatIsNoVectorIsNotTaken(t *testing.T) {
	f := func(ok bool, n int, rows string) {
		t.Helper()
		if _, fault := Vectors([]byte(`{"data":`+rows+`}`), n); (fault == nil) != ok {
			t.Errorf("%d in %s: %v, want %v", n, rows, fault, ok)
		}
	}
	f(true, 2, `[{"embedding":[1,2],"index":1},{"embedding":[3,4],"index":0}]`)
	f(true, 2, `[{"embedding":[1,2]},{"embedding":"AACAPwAAAEA="}]`)
	f(false, 2, `[{"embedding":[1,2],"index":0},{"embedding":[3,4],"index":0}]`)
	f(false, 2, `[{"embedding":[1,2],"index":0},{"embedding":[3],"index":1}]`)
	f(false, 1, `[{"embedding":[1,2],"index":0},{"embedding":[3,4],"index":1}]`)
	f(false, 2, `[{"embedding":[1,2]}]`)
	f(false, 1, `[{"embedding":[]}]`)
	f(false, 1, `[{"embedding":[1,null]}]`)
	f(false, 1, `[{"embedding":[1e99]}]`)
	f(false, 1, `[{"embedding":"AAA="}]`)
	f(false, 1, `[{"embedding":"AADAfw=="}]`) // not a number
	f(false, 1, `[{"index":0}]`)
	f(false, 1, `[{"embedding":[1],"index":-1}]`)
	f(false, 1, `[{"embedding":[1]}`)
}

func TestSharesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 1000), 1, 20).Draw(t, "sizes")
		tokens := rapid.Int64Range(0, 1<<40).Draw(t, "tokens")
		sum := int64(0)
		for _, s := range Share(tokens, sizes) {
			if s < 0 {
				t.Fatal("a share is negative")
			}
			sum += s
		}
		if sum != tokens {
			t.Fatalf("%d of %d", sum, tokens)
		}
	})
}

// Two different items never have one key, in any body; the shorter request asks for the
// items named.
func TestItemsAndTheShorterRequest(t *testing.T) {
	item := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "text") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.IntRange(0, 99), 1, 3).Draw(t, "tokens") }))
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(item, 1, 6).Draw(t, "items")
		input, _ := json.Marshal(items)
		body := fmt.Appendf(nil, `{"model":"m", "input" : %s ,"dimensions":3}`, input)
		var r Request
		why := r.Read(body, &cache.Scope{})
		if why == cache.Unreadable && string(input) != "" { // a text with the replacement character
			return
		}
		if why != "" || len(r.Keys) != len(items) {
			t.Fatalf("%s: %q, %d keys", body, why, len(r.Keys))
		}
		for i := range items {
			for k := range items {
				a, _ := json.Marshal(items[i])
				b, _ := json.Marshal(items[k])
				if (r.Keys[i] == r.Keys[k]) != (string(a) == string(b)) {
					t.Fatalf("keys of %s and %s", a, b)
				}
			}
		}
		var some []int
		for i := range items {
			if rapid.Bool().Draw(t, "take") {
				some = append(some, i)
			}
		}
		var short struct {
			Model      string
			Input      []json.RawMessage
			Dimensions int
		}
		if err := json.Unmarshal(r.Without(nil, some), &short); err != nil || len(short.Input) != len(some) || short.Dimensions != 3 || short.Model != "m" {
			t.Fatalf("%s: %v", r.Without(nil, some), err)
		}
		for n, i := range some {
			if want, _ := json.Marshal(items[i]); string(short.Input[n]) != string(want) {
				t.Fatalf("%s, want %s", short.Input[n], want)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"input":["a",[1]],"encoding_format":"base64","x":{"y":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r Request
		if why := r.Read(body, &cache.Scope{}); why == "" && json.Valid(body) {
			all := make([]int, len(r.Items))
			for i := range all {
				all[i] = i
			}
			if short := r.Without(nil, all); !json.Valid(short) {
				t.Fatalf("%s became %s", body, short)
			}
		}
		Vectors(body, 2)
	})
}
