package meaning

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"weir"
	"weir/cache"
)

func canonical(t testing.TB, body string) []byte {
	t.Helper()
	var b cache.Body
	if why := b.Read([]byte(body), true); why != "" {
		t.Fatal(body, why)
	}
	return b.Canonical
}

func TestTheLastTurnIsFound(t *testing.T) {
	for _, c := range []struct {
		op         weir.Op
		body, want string
	}{
		{weir.OpChat, `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a \"b\" é"}],"n":1}`, `a "b" é`},
		{weir.OpChat, `{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`, "a"},
		{weir.OpMessages, `{"system":"s","messages":[{"content":[{"text":"a","type":"text"}],"role":"user"}]}`, "a"},
		{weir.OpResponses, `{"input":"a"}`, "a"}, {weir.OpResponses, `{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}]}`, "a"},
		{weir.OpCompletions, `{"prompt":"a"}`, "a"},
		{weir.OpCompletions, `{"prompt":["a"]}`, ""}, {weir.OpEmbeddings, `{"input":"a"}`, ""}, {weir.OpChat, `{"messages":[]}`, ""}, {weir.OpChat, `{"messages":[{"role":"user","content":""}]}`, ""},
		{weir.OpChat, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`, ""},
		{weir.OpChat, `{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{}}]}]}`, ""},
		{weir.OpChat, `{"messages":[{"role":"user","content":[{"type":"image_url","text":"a"}]}]}`, ""},
		{weir.OpChat, `{}`, ""},
	} {
		turn, ok := TurnOf(c.op, canonical(t, c.body))
		if ok != (c.want != "") || turn.Text != c.want {
			t.Errorf("%s: %q %v", c.body, turn.Text, ok)
		}
	}
}

// Everything but the words of the last turn makes another circle.
func TestACircleIsOfOneTenantAndOneContext(t *testing.T) {
	seen := map[Circle]string{}
	base := cache.Scope{Tenant: "t", Model: "m", Version: "1", Op: weir.OpChat}
	add := func(s cache.Scope, embed, body string, isNew bool) {
		t.Helper()
		turn, ok := TurnOf(s.Op, canonical(t, body))
		c, readable := CircleOf(&s, &turn, embed)
		if !ok || !readable || (seen[c] == "") != isNew {
			t.Errorf("%+v %s %s: %v %v, beside %q", s, embed, body, ok, readable, seen[c])
		}
		seen[c] = body
	}
	chat := func(more, system, text string) string {
		return `{` + more + `"messages":[{"role":"system","content":"` + system + `"},{"role":"user","content":"` + text + `"}]}`
	}
	add(base, "e", chat("", "s", "reset my password"), true)
	add(base, "e", chat("", "s", "please reset a password"), false)
	for _, other := range []cache.Scope{{Tenant: "u"}, {Tenant: ""}, {Tenant: "t", Namespace: "n"}} {
		other.Model, other.Version, other.Op = "m", "1", weir.OpChat
		add(other, "e", chat("", "s", "reset my password"), true)
	}
	add(cache.Scope{Tenant: "t", Model: "m2", Version: "1", Op: weir.OpChat}, "e", chat("", "s", "reset my password"), true)
	add(cache.Scope{Tenant: "t", Model: "m", Version: "2", Op: weir.OpChat}, "e", chat("", "s", "reset my password"), true)
	add(base, "e2", chat("", "s", "reset my password"), true)
	add(base, "e", chat(`"max_tokens":5,`, "s", "reset my password"), true)
	add(base, "e", chat(`"tools":[{"type":"function"}],`, "s", "reset my password"), true)
	add(base, "e", chat("", "another", "reset my password"), true)
	add(base, "e", chat("", "s", "reset 2 passwords"), true)
	add(base, "e", `{"messages":[{"role":"user","content":"s"},{"role":"user","content":"reset my password"}]}`, true)
	add(base, "e", `{"messages":[{"role":"user","content":"reset my password","name":"x"}]}`, true)
}

// FuzzCircles: two tenants are never in one circle, and a text that is moved to another
// place of the body makes another one.
func FuzzCircles(f *testing.F) {
	f.Add("a", "b", "hello", "more")
	f.Add("a", "ab", "b", "")
	f.Fuzz(func(t *testing.T, one, two, text, earlier string) {
		turn := Turn{Text: text, rest: []byte(earlier)}
		a, ok := CircleOf(&cache.Scope{Tenant: one, Op: weir.OpChat}, &turn, "e")
		b, _ := CircleOf(&cache.Scope{Tenant: two, Op: weir.OpChat}, &turn, "e")
		if ok && (a == b) != (one == two) {
			t.Errorf("tenants %q and %q", one, two)
		}
		moved := Turn{Text: text, rest: []byte(earlier + "x")}
		if c, ok := CircleOf(&cache.Scope{Tenant: one, Op: weir.OpChat}, &moved, "e"); ok && a == c {
			t.Errorf("%q and %q have one circle", earlier, earlier+"x")
		}
	})
}

// However prompts come and go: no more memory than allowed, only prompts of the circle that
// is asked for, the nearest of them, and counts that add up.
func TestASpaceIsBoundedAndFindsTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const dims = 4
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		random := func() Vector {
			v := make(Vector, dims)
			for i := range v {
				v[i] = float32(r.NormFloat64())
			}
			return v.Unit()
		}
		most := rapid.IntRange(promptSize+4*dims, 30*promptSize).Draw(t, "bytes")
		s, where, vectors := New(most), map[cache.Key]Circle{}, map[cache.Key]Vector{}
		for i := range rapid.IntRange(1, 80).Draw(t, "steps") {
			at := Circle{byte(r.IntN(3))}
			v := random()
			if m, ok := s.Nearest(at, v); ok {
				if where[m.Key] != at || math.Abs(Cosine(v, vectors[m.Key])-m.Similarity) > 1e-6 || m.Similarity < Floor {
					t.Fatalf("%+v of another circle", m)
				}
				for _, p := range s.circles[at].prompts {
					if Cosine(v, p.vector) > m.Similarity {
						t.Fatal("another one is nearer")
					}
				}
				if r.IntN(4) == 0 {
					s.Forget(m)
					s.Learn(m, s.Decide(m, Terms{MaxError: 0.01}, 0), Terms{MaxError: 0.01}, true) // it is gone, and harms nothing
				}
			}
			k := cache.Key{byte(i)}
			where[k], vectors[k] = at, v
			s.Add(at, Pool{Model: "m"}, v, k)
			n := 0
			for _, c := range s.circles {
				n += len(c.prompts)
			}
			if s.bytes > most || s.prompts != n || s.bytes != n*(promptSize+4*dims) || s.Report()[0].Prompts != n {
				t.Fatalf("%d prompts, %d bytes of %d, %d counted", n, s.bytes, most, s.prompts)
			}
		}
	})
}

func TestOneCircleIsBounded(t *testing.T) {
	s, v := New(1<<40), make(Vector, MaxDims)
	v[0] = 1
	for i := range 2 * maxScan / MaxDims {
		s.Add(Circle{}, Pool{}, v, cache.Key{byte(i), byte(i >> 8)})
	}
	if n := len(s.circles[Circle{}].prompts); n != maxScan/MaxDims {
		t.Errorf("%d prompts", n)
	}
	for i := range maxScan/minScan + 9 {
		s.Add(Circle{1}, Pool{}, Vector{1}, cache.Key{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	if n := len(s.circles[Circle{1}].prompts); n != maxScan/minScan {
		t.Errorf("%d prompts of one dimension", n)
	}
	if (make(Vector, MaxDims+1)).Unit() != nil || (Vector{0, 0}).Unit() != nil || (Vector{float32(math.NaN())}).Unit() != nil {
		t.Error("a vector without direction, or too long, has a unit")
	}
}

// The prompt that is asked for most is seldom the youngest.
func TestAFullCircleDropsWhatWasNotUsedForLongest(t *testing.T) {
	s := New(1 << 40)
	vector := func(i int) Vector {
		v := make(Vector, MaxDims)
		v[i] = 1
		return v
	}
	for i := range 2 * maxScan / MaxDims {
		s.Add(Circle{}, Pool{}, vector(i), cache.Key{byte(i), byte(i >> 8)})
		if m, ok := s.Nearest(Circle{}, vector(0)); !ok || m.Key != (cache.Key{}) {
			t.Fatalf("after %d the first prompt, used each time, is gone", i)
		}
	}
}

func TestPoolsAreBoundedAndReportedByModel(t *testing.T) {
	s := New(1 << 20)
	for i := range maxPools + 5 {
		s.Tally(Pool{Model: "m", Tenant: string(rune(i))}).Looked++
	}
	s.Add(Circle{}, Pool{Model: "new"}, Vector{1}, cache.Key{})
	if rows := s.Report(); len(rows) != 1 || rows[0].Model != "m" || rows[0].Looked != maxPools || s.prompts != 0 {
		t.Errorf("%+v", rows)
	}
}

func BenchmarkNearest(b *testing.B) {
	s, v := New(1<<30), make(Vector, 384)
	for i := range v {
		v[i] = float32(i)
	}
	v = v.Unit()
	for i := range maxScan / 384 {
		s.Add(Circle{}, Pool{}, v, cache.Key{byte(i), byte(i >> 8)})
	}
	for b.Loop() {
		s.Nearest(Circle{}, v)
	}
}
