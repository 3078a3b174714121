package cache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func read(body string, normalise bool) (string, Reason) {
	var b Body
	why := b.Read([]byte(body), normalise)
	return string(b.Canonical), why
}

// The examples of RFC 8785: 3.2.2 and 3.2.3, and appendix B.
func TestCanonicalAsTheRFCHasIt(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got, why := read(in, false); got != want || why != "" {
			t.Errorf("%s\nhave %s (%s)\nwant %s", in, got, why, want)
		}
	}
	f(`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
		"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`,
		`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`)
	f(`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
		"{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}")
	f(`{}`, `{}`)
	f(` {"b" : [ ] , "a":{} } `, `{"a":{},"b":[]}`)
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "5e-324": "5e-324", "-5e-324": "-5e-324", "1.7976931348623157e308": "1.7976931348623157e+308", "9007199254740991": "9007199254740991", "9007199254740992": "",
		"295147905179352830000": "", "9.999999999999997e22": "9.999999999999997e+22", "1e23": "1e+23", "999999999999999700000": "", "1e21": "1e+21", "1e-6": "0.000001", "9.999999999999997e-7": "9.999999999999997e-7",
		"333333333.33333325": "333333333.33333325", "1424953923781206.2": "1424953923781206.2", "1e400": "", "9007199254740993": "", "0.1234567890123456789": "", "-12": "-12", "1.0": "1", "1E2": "100",
	} {
		got, why := read(`{"a":`+in+`}`, false)
		if want == "" && why != Number || want != "" && got != `{"a":`+want+`}` {
			t.Errorf("%s: have %s (%s), want %s", in, got, why, want)
		}
	}
}

func TestABodyThatReadersReadDifferentlyHasNoKey(t *testing.T) {
	f := func(in string, want Reason) {
		t.Helper()
		if _, why := read(in, true); why != want {
			t.Errorf("%s: %q, want %q", in, why, want)
		}
	}
	f(`{"a":1,"a":1}`, Duplicate)
	f(`{"b":1,"a":1,"b":2}`, Duplicate)
	f(`{"a":1,"\u0061":1}`, Duplicate)
	f(`{"x":{"a":1,"b":2,"a":3}}`, Duplicate)
	f(`{"x":[{"a":1,"a":2}]}`, Duplicate)
	f(`{"a":"\ud800"}`, Unreadable)
	f(`{"a":"\ud800b"}`, Unreadable)
	f("{\"a\":\"\xff\"}", Unreadable)
	f("{\"\xff\":1}", Unreadable)
	f(`[1]`, Unreadable)
	f(`{"a":`, Unreadable)
	f(`{"a":1}x`, Unreadable)
	f(`{"a":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`, Unreadable)
	f(`{"a":[[{}]]}`, "")
}

// Texts that differ only in white space or in their Unicode form are the same; what may
// be code is not changed.
func TestWhiteSpaceOfTextsIsMadeOneAndCodeIsNot(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(appendNormal(nil, []byte(in))); got != want {
			t.Errorf("%q: have %q, want %q", in, got, want)
		}
		if again := string(appendNormal(nil, []byte(want))); again != want {
			t.Errorf("%q becomes %q when it is read again", want, again)
		}
	}
	f("  Hello   world \t\n", "Hello world")
	f("a\r\nb  \n\n\n\nc", "a\nb\n\nc")
	f("a\u00a0 b\u2003c", "a b c")
	f("e\u0301", "é")
	f("", "")
	f(" \n ", "")
	f("x  `a  b`  y", "x `a  b` y")
	f("x ``a ` b``  y", "x ``a ` b`` y")
	f("x ` a  b", "x ` a b")
	f(`say  "a  b"  and  "c`, `say "a  b" and "c`)
	f("- a\n  - b   c\n", "- a\n  - b c")
	f("code:\n\n    if  a:\n\tb  = 1  \nend", "code:\n\n    if  a:\n\tb  = 1\nend")
	f("    first  line", "    first  line")
	f("a\n```py\nif  x:\n\n\n  e\u0301  \n```\nb  c", "a\n```py\nif  x:\n\n\n  e\u0301  \n```\nb c")
	f("~~~\na  b\n~~~~\nc  d", "~~~\na  b\n~~~~\nc d")
	f("```\nnever  closed  ", "```\nnever  closed  ")
}

func TestOnlyTextsForPeopleAreNormalised(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got, why := read(in, true)
		if got != want || why != "" {
			t.Errorf("%s\nhave %s (%s)\nwant %s", in, got, why, want)
		}
	}
	f(`{"messages":[{"role":"user","content":" a  b "}]}`, `{"messages":[{"content":"a b","role":"user"}]}`)
	f(`{"messages":[{"content":[{"type":"text","text":" a  b "},{"type":"image_url","image_url":{"url":"x  y"}}],"role":"user"}]}`,
		`{"messages":[{"content":[{"text":"a b","type":"text"},{"image_url":{"url":"x  y"},"type":"image_url"}],"role":"user"}]}`)
	f(`{"messages":[{"content":" a  b ","role":"tool","tool_call_id":"x"}]}`, `{"messages":[{"content":" a  b ","role":"tool","tool_call_id":"x"}]}`)
	f(`{"messages":[{"role":"assistant","content":null,"tool_calls":[{"function":{"arguments":"{\"a\":  1}"}}]}]}`,
		`{"messages":[{"content":null,"role":"assistant","tool_calls":[{"function":{"arguments":"{\"a\":  1}"}}]}]}`)
	f(`{"input":" a  b "}`, `{"input":"a b"}`)
	f(`{"input":[" a  b ","c"]}`, `{"input":["a b","c"]}`)
	f(`{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":" a "}]},{"type":"function_call_output","output":" a  b ","content":" c "}]}`,
		`{"input":[{"content":[{"text":"a","type":"input_text"}],"role":"user","type":"message"},{"content":" c ","output":" a  b ","type":"function_call_output"}]}`)
	f(`{"system":[{"type":"text","text":" a  b "}],"prompt":" a  b ","instructions":"c  d"}`, `{"instructions":"c d","prompt":" a  b ","system":[{"text":"a b","type":"text"}]}`)
	f(`{"tools":[{"function":{"description":" a  b ","parameters":{"content":" x "}}}],"response_format":{"text":" a  b "}}`,
		`{"response_format":{"text":" a  b "},"tools":[{"function":{"description":" a  b ","parameters":{"content":" x "}}}]}`)
	f(`{"messages":[{"role":"user","content":[{"type":"tool_result","content":" a  b "}]}]}`, `{"messages":[{"content":[{"content":" a  b ","type":"tool_result"}],"role":"user"}]}`)
}

// shuffled writes a value with its members in another order and other white space.
func shuffled(v any, rng *rand.Rand) string {
	space := strings.Repeat(" ", rng.IntN(3))
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for k, e := range v {
			key, _ := json.Marshal(k)
			parts = append(parts, space+string(key)+space+":"+shuffled(e, rng))
		}
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return "{" + strings.Join(parts, ",") + space + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, shuffled(e, rng))
		}
		return "[" + space + strings.Join(parts, ",") + "]"
	}
	b, _ := json.Marshal(v)
	return space + string(b)
}

func anyValue(t *rapid.T, depth int) any {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.StringMatching(`[a-c "\\é\n😀]{0,4}`).Draw(t, "text")
	case 1:
		return float64(rapid.IntRange(-1000, 1000).Draw(t, "number")) / 8
	case 2:
		return rapid.Bool().Draw(t, "bool")
	case 3:
		return nil
	case 4:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			list = append(list, anyValue(t, depth-1))
		}
		return list
	}
	o := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "n") {
		o[rapid.StringMatching(`[ab"é😀]{0,3}`).Draw(t, "name")] = anyValue(t, depth-1)
	}
	return o
}

// However a value is written, its canonical form is the same; and another value has
// another one.
func TestTheCanonicalFormIsThatOfTheValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		x, y := map[string]any{"x": anyValue(t, 3)}, map[string]any{"x": anyValue(t, 3)}
		a, why := read(shuffled(x, rng), false)
		if again, _ := read(shuffled(x, rng), false); again != a || why != "" {
			t.Fatalf("%q (%s) and %q", a, why, again)
		}
		var back any
		if err := json.Unmarshal([]byte(a), &back); err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		b, _ := read(shuffled(y, rng), false)
		if (fmt.Sprintf("%#v", x) == fmt.Sprintf("%#v", y)) != (a == b) {
			t.Fatalf("%#v is %s, %#v is %s", x, a, y, b)
		}
		if once, _ := read(a, true); true {
			if twice, _ := read(once, true); twice != once {
				t.Fatalf("%s becomes %s", once, twice)
			}
		}
	})
}

// A body is never changed into one that says something else, whatever it holds.
func FuzzTheCanonicalFormSaysTheSame(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.50,"\u00e9"],"b":{"d":1,"c":null}}`, `{"messages":[{"role":"user","content":"  a  "}]}`, `{"😀":1,"ﬁ":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var b Body
		if b.Read(body, false) != "" || !json.Valid(body) {
			return
		}
		var x, y any
		d := json.NewDecoder(bytes.NewReader(body))
		if d.Decode(&x) != nil || json.Unmarshal(b.Canonical, &y) != nil {
			t.Fatalf("%s is %s", body, b.Canonical)
		}
		o := x.(map[string]any)
		for name := range ignored {
			delete(o, name)
		}
		if fmt.Sprintf("%#v", x) != fmt.Sprintf("%#v", y) {
			t.Fatalf("%s is %s", body, b.Canonical)
		}
		if first := string(b.Canonical); b.Read([]byte(first), false) != "" || string(b.Canonical) != first {
			t.Fatalf("%s is read again as %s", first, b.Canonical)
		}
		b.Read(body, true)
	})
}
