package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzCursor: a value that a cursor passes is one for encoding/json, member by member
// or at once; and strings decode to the same text.
func FuzzCursor(f *testing.F) {
	for _, s := range append(scanSeeds, `"0123456789 a long text of many words, é\u00e9\"\\, and more"`, "\"01234567\x1f\"", `[1,]`, `"\ud83d\ude00"`, `"\ud83dx"`, `-`, "\"\x01\"", `{"a":{"b":[[],{"c":1}]}}`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if bytes.Count(in, []byte("["))+bytes.Count(in, []byte("{")) >= MaxOpen {
			return
		}
		whole := At(in)
		whole.Skip()
		deep := At(in)
		enter(&deep)
		if want := json.Valid(in); whole.Done() != want || deep.Done() != want {
			t.Fatalf("%q: at once %v, by members %v, encoding/json says %v", in, whole.Done(), deep.Done(), want)
		}
		var text string
		if json.Unmarshal(in, &text) != nil || !bytes.HasPrefix(bytes.TrimSpace(in), []byte{'"'}) {
			return
		}
		c := At(in)
		if got := string(Unescaped(c.Text())); strings.ToValidUTF8(got, "\ufffd") != strings.ToValidUTF8(text, "\ufffd") && !strings.Contains(text, "\ufffd") {
			t.Fatalf("%q: %q, encoding/json says %q", in, got, text)
		}
	})
}

// enter passes a value by every member in it.
func enter(c *Cursor) {
	switch c.Peek() {
	case '[':
		for first, in := true, c.Open('['); in && c.Next(']', first); first = false {
			enter(c)
		}
	case '{':
		for first, in := true, c.Open('{'); in && c.Next('}', first); first = false {
			c.Key()
			enter(c)
		}
	default:
		c.Skip()
	}
}

func TestACursorGoesNoDeeperThanMaxOpen(t *testing.T) {
	f := func(depth int, want bool) {
		t.Helper()
		c := At([]byte(strings.Repeat("[", depth) + strings.Repeat("]", depth)))
		enter(&c)
		if c.Done() != want {
			t.Errorf("%d deep: %v", depth, c.Done())
		}
	}
	f(MaxOpen, true)
	f(MaxOpen+1, false)
}

func TestAKeyIsKnownByWhatItSays(t *testing.T) {
	c := At([]byte(`{"us\u0061ge":{"a":1}, "b" : [ ], "c":"x"}`))
	var got []string
	for first, in := true, c.Open('{'); in && c.Next('}', first); first = false {
		key := string(c.Key())
		got = append(got, key+"="+string(c.Raw()))
	}
	if s := strings.Join(got, " "); s != `usage={"a":1} b=[ ] c="x"` || !c.Done() {
		t.Error(s)
	}
}

func TestObjectsKeepTheOrderOfTheirMembers(t *testing.T) {
	o := ObjectOf([]byte(`{"b":1,"a":{"x":[1, 2]},"\u0063":null,"\u0022\n\ud800\u00e9":0}`))
	o = o.With("a", "2").With("d", Quoted(`"`)).Without("b")
	if got := o.String(); got != `{"a":2,"c":null,"\u0022\n\ud800\u00e9":0,"d":"\""}` || TextOf(o.Get("d")) != `"` || o.Get("c") == nil {
		t.Error(got)
	}
	if ObjectOf([]byte("[]")) != nil || Elements([]byte("{}")) != nil || len(Elements([]byte("[1,[2],{}]"))) != 3 {
		t.Error("what is no object, or no list, has members")
	}
}
