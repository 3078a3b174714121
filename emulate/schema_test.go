package emulate

import (
	"encoding/json"
	"regexp"
	"testing"
)

func TestInventedValuesFitTheirSchema(t *testing.T) {
	f := func(schema, want string) {
		t.Helper()
		for hash := range uint64(20) {
			if have := mustJSON(invent(json.RawMessage(schema), hash)); !regexp.MustCompile(`^(` + want + `)$`).Match(have) {
				t.Fatalf("%s: have %s, want %s", schema, have, want)
			}
		}
	}
	f(`{"type":"string"}`, `"[a-z]+"`)
	f(`{"type":["integer","null"]}`, `\d+`)
	f(`{"type":"number"}`, `[\d.]+`)
	f(`{"type":"boolean"}`, `true|false`)
	f(`{"type":"null"}`, `null`)
	f(`{"const":"x"}`, `"x"`)
	f(`{"enum":[1,"b"]}`, `1|"b"`)
	f(`{"anyOf":[{"type":"null"},{"type":"string"}]}`, `null`)
	f(`{"type":"array"}`, `\[\]`)
	f(`{"type":"array","items":{"type":"integer"}}`, `\[\d+\]`)
	f(`{"properties":{"a":{"type":"integer"},"b":{}},"required":["a","missing"]}`, `\{"a":\d+\}`)
	f(`{"$ref":"#/$defs/P","$defs":{"P":{"type":"object","properties":{"x":{"$ref":"#/$defs/Q"}},"required":["x"]},"Q":{"type":"boolean"}}}`, `\{"x":(true|false)\}`)
	f(`{"$ref":"#/$defs/P","$defs":{"P":{"type":"object","properties":{"p":{"$ref":"#/$defs/P"}},"required":["p"]}}}`, `.*null.*`) // without end
	f(`{"$ref":"#/$defs/none"}`, `null`)
	f(`7`, `null`)
}
