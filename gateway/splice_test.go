package gateway

import (
	"bytes"
	"encoding/json"
	"net"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func spliced(t interface{ Fatal(...any) }, body, model string, usage bool) string {
	a, err := readAsk([]byte(body))
	if err != nil {
		t.Fatal(body, err)
	}
	var edits []edit
	if model != "" {
		n := namesOf(model)
		edits = a.editModel(edits, &n)
	}
	if usage && !a.wantsUsage {
		edits = a.editUsage(edits, []byte(body))
	}
	sortEdits(edits)
	out := splice(net.Buffers{}, []byte(body), edits)
	return string(bytes.Join(out, nil))
}

func TestBodiesChangeOnlyWhereTheyMust(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := spliced(t, in, "up", true); got != want {
			t.Errorf("%s\nbecame %s\n  want %s", in, got, want)
		}
	}
	f(`{"model":"a","x":1}`, `{"stream_options":{"include_usage":true},"model":"up","x":1}`)
	f(`{ "x" : 1 , "model" : "a" }`, `{"stream_options":{"include_usage":true}, "x" : 1 , "model" : "up" }`)
	f(`{"model":"a","stream_options":null}`, `{"model":"up","stream_options":{"include_usage":true}}`)
	f(`{"model":"a","stream_options":{}}`, `{"model":"up","stream_options":{"include_usage":true}}`)
	f(`{"model":"a","stream_options":{ "y":1}}`, `{"model":"up","stream_options":{"include_usage":true, "y":1}}`)
	f(`{"stream_options":{"include_usage":false},"model":"a"}`, `{"stream_options":{"include_usage":true},"model":"up"}`)
	f(`{"stream_options":{"include_usage":null},"model":"a"}`, `{"stream_options":{"include_usage":true},"model":"up"}`)
	f(`{"stream_options":{"include_usage":true},"model":"a"}`, `{"stream_options":{"include_usage":true},"model":"up"}`)
	f(`{"x":1}`, `{"model":"up","stream_options":{"include_usage":true},"x":1}`)
	if got := spliced(t, `{}`, "up", false); got != `{"model":"up"}` {
		t.Error(got)
	}
	if got := spliced(t, `{}`, "", true); got != `{"stream_options":{"include_usage":true}}` {
		t.Error(got)
	}
	if in := `{"model":"a", "x":1.0e5,"é":"\u00e9"}`; spliced(t, in, "", false) != in {
		t.Error("a body without edits changed")
	}
}

// A spliced body decodes to the caller's body except for the two members.
func TestSplicedBodiesDecodeToTheSameButForTwoMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			doc[rapid.String().Draw(t, "key")] = rapid.String().Draw(t, "value")
		}
		delete(doc, "stream") // drawn as a string
		for _, k := range []string{"n", "max_tokens", "max_completion_tokens", "max_output_tokens", "user"} {
			delete(doc, k)
		}
		doc["model"] = rapid.String().Draw(t, "model")
		if options := rapid.SampledFrom([]any{nil, map[string]any{}, map[string]any{"include_usage": false}, map[string]any{"z": 1.0}, 0}).Draw(t, "options"); options != 0 {
			doc["stream_options"] = options
		} else {
			delete(doc, "stream_options")
		}
		body, _ := json.Marshal(doc)
		if rapid.Bool().Draw(t, "indented") {
			body, _ = json.MarshalIndent(doc, " ", "\t")
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(spliced(t, string(body), "up", true)), &got); err != nil {
			t.Fatal(err)
		}
		options, _ := doc["stream_options"].(map[string]any)
		if options == nil {
			options = map[string]any{}
		}
		options["include_usage"] = true
		doc["model"], doc["stream_options"] = "up", options
		if !reflect.DeepEqual(got, doc) {
			t.Fatalf("%s became %v", body, got)
		}
	})
}

func TestModelNamesAreQuoted(t *testing.T) {
	name := "a\"\\\n" + strings.Repeat("é", 3)
	var got map[string]string
	if err := json.Unmarshal([]byte(spliced(t, `{"model":"x"}`, name, false)), &got); err != nil || got["model"] != name {
		t.Error(got, err)
	}
}
