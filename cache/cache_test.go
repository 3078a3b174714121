package cache

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// Every part of a scope, and every member of a body that is not ignored, makes another key.
func TestTheKeyChangesWithEverythingThatMatters(t *testing.T) {
	body := `{"messages":[{"role":"user","content":"a"}],"temperature":0,"x":1}`
	seen := map[Key]string{}
	add := func(s Scope, body string) {
		t.Helper()
		canonical, why := read(body, true)
		k := KeyOf(&s, []byte(canonical))
		if other, ok := seen[k]; ok || why != "" {
			t.Errorf("%+v %s has the key of %s (%s)", s, body, other, why)
		}
		seen[k] = fmt.Sprintf("%+v %s", s, body)
	}
	base := Scope{Tenant: "t", Namespace: "n", Model: "m", Version: "v", Op: weir.OpChat, Headers: []string{"", ""}}
	add(base, body)
	for _, change := range []func(*Scope){
		func(s *Scope) { s.Tenant = "" }, func(s *Scope) { s.Tenant = "tn"; s.Namespace = "" }, func(s *Scope) { s.Namespace = "x" }, func(s *Scope) { s.Model = "x" },
		func(s *Scope) { s.Version = "x" }, func(s *Scope) { s.Op = weir.OpResponses }, func(s *Scope) { s.Headers = []string{"a", ""} }, func(s *Scope) { s.Headers = []string{"", "a"} },
	} {
		s := base
		change(&s)
		add(s, body)
	}
	for _, other := range []string{
		`{"messages":[{"role":"user","content":"b"}],"temperature":0,"x":1}`, `{"messages":[{"role":"system","content":"a"}],"temperature":0,"x":1}`,
		`{"messages":[{"role":"user","content":"a"}],"temperature":0,"x":2}`, `{"messages":[{"role":"user","content":"a"}],"temperature":0}`,
		`{"messages":[{"role":"user","content":"a"}],"temperature":0,"x":"1"}`, `{"messages":[{"role":"user","content":"a"}],"temperature":0,"x":1,"seed":1}`,
		`{"messages":[{"role":"user","content":"a"}],"temperature":0,"x":1,"store":false}`, `{"messages":[{"role":"user","content":"a"}],"temperature":0,"x":1,"max_tokens":5}`,
	} {
		add(base, other)
	}
	for _, same := range []string{`{"stream":true,"user":"u","x":1,"temperature":0,"metadata":{"a":"b"},"messages":[{"content":" a\n","role":"user"}],"model":"alias","stream_options":{"include_usage":true}}`} {
		canonical, _ := read(same, true)
		if seen[KeyOf(&base, []byte(canonical))] == "" {
			t.Errorf("%s has another key", same)
		}
	}
}

// FuzzKeys: two tenants never have the same key, whatever the names and bodies are.
func FuzzTwoTenantsNeverShareAKey(f *testing.F) {
	f.Add("a", "b", "n", `{"x":1}`, `{"x":1}`)
	f.Add("a", "ab", "bc", `{}`, `{}`)
	f.Fuzz(func(t *testing.T, one, two, namespace, x, y string) {
		if one == two {
			return
		}
		a, b := Scope{Tenant: one, Namespace: namespace}, Scope{Tenant: two, Namespace: namespace}
		if KeyOf(&a, []byte(x)) == KeyOf(&b, []byte(y)) {
			t.Fatalf("%q and %q share a key", one, two)
		}
		c := Scope{Tenant: one + namespace, Namespace: ""}
		if namespace != "" && KeyOf(&a, []byte(x)) == KeyOf(&c, []byte(x)) {
			t.Fatalf("%q in %q is %q", one, namespace, one+namespace)
		}
	})
}

func TestCacheControl(t *testing.T) {
	f := func(want Control, lines ...string) {
		t.Helper()
		if got := ParseControl(lines); got != want {
			t.Errorf("%q: have %+v, want %+v", lines, got, want)
		}
	}
	f(Control{})
	f(Control{NoCache: true}, "no-cache")
	f(Control{NoStore: true, NoCache: true}, "No-Store , no-cache")
	f(Control{OnlyIfCached: true, MaxAge: time.Minute, HasMaxAge: true}, "only-if-cached", "max-age=60")
	f(Control{MaxAge: time.Minute, HasMaxAge: true}, `max-age="60", private, x=y`)
	f(Control{HasMaxAge: true}, "max-age=soon")
	f(Control{HasMaxAge: true}, "max-age=-1")
	f(Control{MaxAge: maxSeconds * time.Second, HasMaxAge: true}, "max-age=99999999999")
}

func TestAReplayHasItsOwnNames(t *testing.T) {
	f := func(body, model, pattern string) {
		t.Helper()
		e := (&Entry{Body: []byte(body)}).Ready()
		r := Replay{Model: model, Now: weir.At(time.Unix(99, 0)), Random: 7}
		got := string(r.Append(nil, e))
		at := 0
		for _, part := range strings.Split(pattern, "*") {
			i := strings.Index(got[at:], part)
			if i < 0 {
				t.Fatalf("have %s\nwant %s", got, pattern)
			}
			at += i + len(part)
		}
		if again := (&Replay{Model: model, Now: r.Now, Random: 8}); strings.Contains(pattern, "*") && bytes.Equal(again.Append(nil, e), []byte(got)) {
			t.Errorf("two replays of %s are equal", body)
		}
		keep := Replay{Now: weir.At(time.Unix(99, 0)), KeepID: true}
		if kept := string(keep.Append(nil, e)); strings.Contains(body, "resp_1abc") && !strings.Contains(kept, "resp_1abc") {
			t.Errorf("the id is not kept: %s", kept)
		}
	}
	f(`{"id":"chatcmpl-Abc1","created":1,"model":"m","choices":[{"id":"x"}]}`, "alias", `{"id":"chatcmpl-*","created":99,"model":"alias","choices":[{"id":"x"}]}`)
	f(`{"id":"resp_1abc","created_at":1,"output":[{"id":"msg_1abc","content":[{"id":"x"}]}]}`, "", `{"id":"resp_*","created_at":99,"output":[{"id":"msg_*","content":[{"id":"x"}]}]}`)
	f(`{"data":[{"embedding":[1]}],"model":"m"}`, "a\"b", `{"data":[{"embedding":[1]}],"model":"a\"b"}`)
	f(`{"id":"1f3e-22"}`, "", `{"id":"1f3e-*"}`)
}

func plainPack(dst, body []byte) []byte { return append(dst, body...) }

func plainUnpack(packed []byte, size int) ([]byte, error) { return packed, nil }

// What was written for a key is read for that key; anything else is no entry.
func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	k := KeyOf(&Scope{Tenant: "t"}, []byte("{}"))
	e := (&Entry{Body: []byte(`{"id":"a"}`), Usage: weir.Usage{Prompt: 3}, Cost: 5, Stored: 7, TTL: time.Hour, Generation: 2, Of: Origin{Tenant: "t", Model: "m", Tags: []string{"x"}}}).Ready()
	b, err := e.Append(nil, k, plainPack)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadEntry(b, k, 100, plainUnpack)
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", e) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadEntry(b, Key{}, 100, plainUnpack); err == nil {
		t.Error("it is read for another key")
	}
	if _, err := ReadEntry(b, k, 5, plainUnpack); err == nil {
		t.Error("it is read beyond the bound")
	}
	rapid.Check(t, func(t *rapid.T) {
		x := bytes.Clone(b)
		if n := rapid.IntRange(0, len(x)).Draw(t, "cut"); rapid.Bool().Draw(t, "cuts") {
			x = x[:n]
		} else {
			x[min(n, len(x)-1)] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		}
		ReadEntry(x, k, 100, plainUnpack)
	})
}

func TestPurgesAreByName(t *testing.T) {
	var g Generations
	of := &Origin{Tenant: "t", Model: "m", Namespace: "n", Tags: []string{"a", "b"}}
	for _, name := range []string{"tenant=t", "model=m", "namespace=n", "tag=b", everything} {
		at := g.Now()
		if !g.Live(at, of) {
			t.Fatalf("dead before %s", name)
		}
		g.Purge("tag=other")
		if !g.Live(at, of) {
			t.Errorf("another tag ends it")
		}
		g.Purge(name)
		if g.Live(at, of) || !g.Live(g.Now(), of) {
			t.Errorf("%s: %v", name, g.Live(at, of))
		}
	}
	for i := range MaxPurged + 1 {
		g.Purge(fmt.Sprint("tag=", i))
	}
	if len(g.purged) > MaxPurged || g.Live(0, of) {
		t.Errorf("%d names are remembered", len(g.purged))
	}
}

// Most texts are ASCII and take a short way, which changes nothing.
func TestTextsOfASCIIAreNormalisedAsAllAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune(" \t\v\f\r\x00ab,.")), 0, 40, -1).Draw(t, "text")
		const long = "é" // makes it take the long way
		have, want := string(appendPlain(nil, []byte(text)))+long, string(appendPlain(nil, []byte(text+long)))
		if have != want {
			t.Fatalf("%q: %q, want %q", text, have, want)
		}
		for n := range len(text) {
			if b := append([]byte(text), "éabcdefgh"[:2]...); !ascii([]byte(text)) || ascii(b[n:]) {
				t.Fatalf("%q", b[n:])
			}
		}
	})
}

// A rule's text is found in a raw prompt too, whose white space stays.
func TestARulesTextIsFoundWhereWhiteSpaceStays(t *testing.T) {
	const text = "two  spaces"
	r := Rule{TTL: time.Hour, Contains: QuoteContains(text, true), Exact: QuoteContains(text, false)}
	for _, body := range []string{`{"prompt":"a two  spaces b"}`, `{"messages":[{"role":"user","content":"a two   spaces b"}]}`} {
		var b Body
		if why := b.Read([]byte(body), true); why != "" || !r.fits(&Asked{Body: &b}) {
			t.Errorf("%s: %s", body, why)
		}
	}
}
