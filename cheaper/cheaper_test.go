package cheaper

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("rapid.nofailfile", "true")
	os.Exit(m.Run())
}

func TestTheFirstRuleThatFitsCounts(t *testing.T) {
	batch := weir.Batch
	p := Policy{Rules: []Rule{{Class: &batch, Tools: true}, {Tag: "a", MaxPrompt: 10}, {MaxPrompt: 5}}}
	f := func(r Request, want int) {
		t.Helper()
		if have := p.Fits(&r); have != want {
			t.Errorf("%+v: rule %d, want %d", r, have, want)
		}
	}
	f(Request{Class: weir.Batch, Tools: true, Prompt: 99}, 0)
	f(Request{Tags: []string{"b", "a"}, Prompt: 10}, 1)
	f(Request{Tags: []string{"a"}, Prompt: 11}, -1)
	f(Request{Tags: []string{"a"}, Prompt: 4, Tools: true}, -1)
	f(Request{Prompt: 5}, 2)
	f(Request{Prompt: 6}, -1)
}

// Of any n requests in a row a rule picks its share, give or take one.
func TestARulePicksItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{Share: rapid.Float64Range(0, 1).Draw(t, "share")}
		from, n := rapid.Uint64Range(1, 1e6).Draw(t, "from"), rapid.Uint64Range(1, 500).Draw(t, "n")
		picked := 0.0
		for i := range n {
			if r.Picks(from + i) {
				picked++
			}
		}
		if want := float64(n) * r.Share; math.Abs(picked-want) > 1+1e-6 {
			t.Fatalf("%v of %d, want %v", picked, n, want)
		}
	})
}

const (
	person = `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0}},"required":["name"],"additionalProperties":false}`
	tool   = `{"tools":[{"type":"function","function":{"name":"find","parameters":` + person + `}}]}`
	anthro = `{"tools":[{"name":"find","input_schema":` + person + `}]}`
)

func structured(schema string) string {
	return `{"response_format":{"type":"json_schema","json_schema":{"name":"p","schema":` + schema + `}}}`
}

func chat(text string) string {
	return fmt.Sprintf(`{"choices":[{"message":{"content":%q},"finish_reason":"stop"}]}`, text)
}

func called(name, arguments string) string {
	return fmt.Sprintf(`{"choices":[{"message":{"content":null,"tool_calls":[{"type":"function","function":{"name":%q,"arguments":%q}}]},"finish_reason":"tool_calls"}]}`, name, arguments)
}

func message(stop, content string) string {
	return fmt.Sprintf(`{"type":"message","content":[%s],"stop_reason":%q}`, content, stop)
}

func TestJudge(t *testing.T) {
	c := Cascade{Phrases: []string{"I'm sorry, but"}}
	f := func(op weir.Op, request, answer string, want Reason) {
		t.Helper()
		if have := c.Judge(op, []byte(request), []byte(answer)); have != want {
			t.Errorf("%s to %s: %q, want %q", answer, request, have, want)
		}
	}
	chats := func(request, answer string, want Reason) { t.Helper(); f(weir.OpChat, request, answer, want) }
	chats(`{}`, chat("hello"), "")
	chats(`{}`, chat(""), Failed)
	chats(`{}`, `{"choices":[]}`, Failed)
	chats(`{}`, `{`, Failed)
	chats(`{}`, chat(" i'M sorry, but no"), Refused)
	chats(`{}`, strings.Replace(chat("x"), "stop", "content_filter", 1), Refused)
	chats(`{}`, strings.Replace(chat("x"), `"content":"x"`, `"content":null,"refusal":"no"`, 1), Refused)
	chats(`{}`, strings.Replace(chat("x"), "stop", "length", 1), Cut)
	chats(`{}`, strings.Replace(chat("x"), `"stop"`, `null`, 1), Cut)
	chats(`{}`, `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{"message":{"content":"b"},"finish_reason":"length"}]}`, Cut)

	chats(structured(person), chat(`{"name":"A","age":3}`), "")
	chats(structured(person), chat(`{"name":"A","age":-3}`), Schema)
	chats(structured(person), chat(`{"name":"A","x":1}`), Schema)
	chats(structured(person), chat(`Here: {"name":"A"}`), Schema)
	chats(structured(`{"type":7}`), chat(`{}`), Schema)
	chats(structured(`{"$ref":"file:///etc/passwd"}`), chat(`{}`), Schema)
	chats(structured(`{"$ref":"http://127.0.0.1:1/x"}`), chat(`{}`), Schema)
	chats(structured(`{"$ref":"#/$defs/a","$defs":{"a":{"type":"object"}}}`), chat(`{}`), "")
	chats(structured(`{"$ref":"#"}`), chat(`{}`), Schema)
	chats(`{"response_format":{"type":"json_object"}}`, chat(`{"a":1}`), "")
	chats(`{"response_format":{"type":"json_object"}}`, chat(`a`), Schema)
	chats(`{"response_format":7}`, chat(`a`), Schema)

	chats(tool, called("find", `{"name":"A"}`), "")
	chats(tool, called("find", `{"name":`), Schema)
	chats(tool, called("find", `{}`), Schema)
	chats(tool, called("lose", `{"name":"A"}`), Schema)
	chats(`{}`, called("find", `{"name":"A"}`), Schema)

	f(weir.OpCompletions, `{}`, `{"choices":[{"text":"hi","finish_reason":"stop"}]}`, "")
	f(weir.OpMessages, `{}`, message("end_turn", `{"type":"text","text":"hi"}`), "")
	f(weir.OpMessages, `{}`, message("max_tokens", `{"type":"text","text":"hi"}`), Cut)
	f(weir.OpMessages, `{}`, message("refusal", ``), Refused)
	f(weir.OpMessages, anthro, message("tool_use", `{"type":"tool_use","name":"find","input":{"name":"A"}}`), "")
	f(weir.OpMessages, anthro, message("tool_use", `{"type":"tool_use","name":"find","input":{}}`), Schema)
	f(weir.OpMessages, `{"output_config":{"format":{"type":"json_schema","schema":`+person+`}}}`, message("end_turn", `{"type":"text","text":"hi"}`), Schema)
	f(weir.OpResponses, `{}`, `{"output":[]}`, Failed)
}

// An answer is accepted only at or above the bound, and without probabilities never.
func TestConfidenceIsTheGeometricMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := rapid.SliceOfN(rapid.Float64Range(-3, 0), 0, 9).Draw(t, "logs")
		c := Cascade{MinConfidence: rapid.Float64Range(0.01, 0.99).Draw(t, "min")}
		product, tokens := 1.0, []string{}
		for _, l := range logs {
			product *= math.Exp(l)
			tokens = append(tokens, fmt.Sprintf(`{"logprob":%v}`, l))
		}
		mean := math.Pow(product, 1/float64(len(logs)))
		if len(logs) == 0 {
			mean = 0
		}
		if math.Abs(mean-c.MinConfidence) < 1e-9 {
			return
		}
		answer := fmt.Sprintf(`{"choices":[{"message":{"content":"a"},"logprobs":{"content":[%s]},"finish_reason":"stop"}]}`, strings.Join(tokens, ","))
		if accepted := c.Judge(weir.OpChat, []byte(`{}`), []byte(answer)) == ""; accepted != (mean > c.MinConfidence) {
			t.Fatalf("accepted %v with a mean of %v", accepted, mean)
		}
	})
}

func TestProbabilitiesAreAskedForOnce(t *testing.T) {
	c := Cascade{MinConfidence: 0.5}
	f := func(body, want string, added bool) {
		t.Helper()
		if have, did := c.Ask([]byte(body)); string(have) != want || did != added {
			t.Errorf("%s, %v; want %s, %v", have, did, want, added)
		}
	}
	f(`{"model":"m"}`, `{"logprobs":true,"model":"m"}`, true)
	f(` { } `, ` {"logprobs":true } `, true)
	f(`{"logprobs":true}`, `{"logprobs":true}`, false)
	f(`{"a":1,"logpro\u0062s":false}`, `{"a":1,"logpro\u0062s":true}`, true)
	if have, did := (&Cascade{}).Ask([]byte(`{"model":"m"}`)); string(have) != `{"model":"m"}` || did {
		t.Error(string(have), did)
	}
	if c.Asks(weir.OpMessages) || !c.Asks(weir.OpChat) || !(&Cascade{}).Asks(weir.OpMessages) || (&Cascade{}).Asks(weir.OpResponses) {
		t.Error("which operations are asked")
	}
}

func TestProbabilitiesAreHiddenAndNothingElse(t *testing.T) {
	f := func(answer, want string) {
		t.Helper()
		if have := string(Hide([]byte(answer))); have != want {
			t.Errorf("%s, want %s", have, want)
		}
	}
	f(`{"choices":[{"logprobs":{"content":[{"logprob":-1}]},"a":1},{"b":"logprobs","logprobs":[]}],"logprobs":1}`,
		`{"choices":[{"logprobs":null,"a":1},{"b":"logprobs","logprobs":null}],"logprobs":1}`)
	f(`{"choices":[7]}`, `{"choices":[7]}`)
	f(`{"choices":{}}`, `{"choices":{}}`)
	f(`no`, `no`)
}

// Answers and requests are strangers' text: none of it makes the judge panic.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{chat("a"), called("find", "{}"), message("end_turn", `{"type":"text","text":"hi"}`), structured(person), tool, anthro} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, request, answer string) {
		c := Cascade{MinConfidence: 0.5}
		for _, op := range []weir.Op{weir.OpChat, weir.OpCompletions, weir.OpMessages} {
			c.Judge(op, []byte(request), []byte(answer))
		}
		c.Ask([]byte(request))
		Hide([]byte(answer))
	})
}
