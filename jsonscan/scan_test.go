package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// topLevel returns the scanner's results for the top level of an object.
func topLevel(b []byte) (map[string]string, error) {
	s := Scanner{B: b}
	found := map[string]string{}
	end, err := s.Members(0, func(key []byte, v Span) error {
		found[string(Unescaped(key))] = string(b[v.From:v.To])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if end = s.Space(end); end != len(b) {
		return nil, &SyntaxError{end, "the end"}
	}
	return found, nil
}

var scanSeeds = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a":[1,2,{"b":null}],"c":{"d":[[]]}}`, `{"a":"\u00e9\n\"","b":-0.5e+10}`,
	`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":-}`, `{"a":1e}`, `{"a":"`, `{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\t\"}",
	`{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":}`, `{"a":[1,]}`, `{"a":[}`, `{"a":{]}`, `[1]`, `"x"`, ``, `{"a":1}x`, `{"a":tru}`,
	`{"a":nul}`, `{"a":true,"a":false}`, `{"mod\u0065l":"x"}`, "{\"\xff\":\"\xff\"}", `{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaa\\"}`,
	"{\"a\":\"aaaaaaaaaaaaaaa\x01\"}", `{"a":"  éé!` + "\u2028" + `"}`, `{"a":[[[[[[[[1]]]]]]]]}`,
	`{"a":[0.1234567,-0.7654321, 12345,1e5,0.12345678901234567,-0.0,0.5,1]}`, `{"a":[0.1234567,-0.7654321,012345,0.12345678901234567,0.5,1]}`,
	`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}`, "\xef\xbb\xbf{}", `{"a":1e5E}`, `{"":{"":[]}}`, `{"a":[{},[],{"b":{}}]}`,
}

func FuzzScannerAgreesWithEncodingJSON(f *testing.F) {
	for _, s := range scanSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, b) })
}

func agree(t *testing.T, b []byte) {
	t.Helper()
	found, err := topLevel(b)
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	valid := json.Valid(b) && len(trimmed) > 0 && trimmed[0] == '{'
	if valid != (err == nil) {
		t.Fatalf("%q: encoding/json says valid=%v, the scanner says %v", b, valid, err)
	}
	if !valid {
		return
	}
	var want map[string]json.RawMessage
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for k, v := range want {
		if strings.ContainsRune(k, '\ufffd') {
			continue // encoding/json writes that for bytes that are not UTF-8
		}
		if found[k] != string(v) {
			t.Fatalf("%q: member %q is %q, the scanner says %q", b, k, v, found[k])
		}
	}
	if len(found) < len(want) {
		t.Fatalf("%q: %d members, the scanner found %d", b, len(want), len(found))
	}
}

func TestScannerAgreesWithEncodingJSONOnEveryPrefixAndByteFlip(t *testing.T) {
	doc := []byte(`{"model":"gpt-4o","messages":[{"role":"user","content":"a \"b\" \\ \u00e9 ü"}],"n":-1.5e+3,"stream":true,"x":[null,false,{}],"y":{"z":[1,2]}}`)
	for i := range doc {
		agree(t, doc[:i])
		for _, c := range []byte("\"\\{}[],:0e.- \x00a") {
			b := bytes.Clone(doc)
			b[i] = c
			agree(t, b)
		}
	}
}

func TestScannerNestsAsDeepAsEncodingJSON(t *testing.T) {
	for _, n := range []int{1, 63, 64, 65, MaxDepth - 2, MaxDepth - 1, MaxDepth, MaxDepth + 1} {
		agree(t, []byte(`{"a":`+strings.Repeat("[", n)+strings.Repeat("]", n)+`}`))
		agree(t, []byte(strings.Repeat(`{"a":`, n)+"{}"+strings.Repeat("}", n)))
	}
}

// Values nested deeper than one word of bits are read twice and counted once.
func TestWhatIsReadTwiceIsCountedOnce(t *testing.T) {
	picture := `"data:` + strings.Repeat("iVBORw0K", 1000) + `"`
	for _, depth := range []int{1, 63, 64, 65, 200} {
		s := Scanner{B: []byte(strings.Repeat("[", depth) + picture + strings.Repeat("]", depth))}
		if end, err := s.Value(0); end != len(s.B) || err != nil || s.Binaries != 1 || s.Binary != len(picture)-2 {
			t.Errorf("%d deep: %d strings of %d bytes, %d, %v", depth, s.Binaries, s.Binary, end, err)
		}
	}
}
