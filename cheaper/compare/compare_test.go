package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// gateway answers as a running Weir does, by its public contract: the paths of OpenAI. What
// the models say to a request is in its last message, "large | small".
func gateway(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Model    string
			Logprobs bool
			Stream   bool
			Input    []string
			Messages []struct{ Content string }
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &ask); err != nil || ask.Stream || r.Header.Get("X-Weir-Cheaper") != "no" || r.Header.Get("Authorization") != "Bearer k" {
			t.Errorf("%s: %v", body, r.Header)
		}
		if r.URL.Path == "/v1/embeddings" {
			far := strings.Contains(ask.Input[1], "far")
			fmt.Fprintf(w, `{"data":[{"embedding":[1,0]},{"embedding":[1,%d]}]}`, map[bool]int{true: 1}[far])
			return
		}
		said := ask.Messages[len(ask.Messages)-1].Content
		large, small, _ := strings.Cut(said, " | ")
		switch ask.Model {
		case "judge":
			large = "Different."
			if strings.Contains(said, "alike") {
				large = `"Same"`
			}
		case "gpt-4o-mini":
			large = small
		}
		finish, log := "stop", -0.01
		switch large {
		case "error":
			http.Error(w, "no", 500)
			return
		case "cut":
			finish = "length"
		case "unsure":
			log = -1
		}
		fmt.Fprintf(w, `{"choices":[{"message":{"content":%s},"finish_reason":%q,"logprobs":{"content":[{"logprob":%v}]}}],"usage":{"prompt_tokens":1000,"completion_tokens":100}}`, strconv.Quote(large), finish, log)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// report compares lines of what the two models say.
func report(t *testing.T, c Comparison, said ...string) (string, error) {
	t.Helper()
	t.Setenv(KeyVariable, "k")
	var lines strings.Builder
	for _, s := range said {
		fmt.Fprintf(&lines, `{"model":"any","stream":true,"messages":[{"role":"user","content":%q}]}`+"\n", s)
	}
	c.File = filepath.Join(t.TempDir(), "p.jsonl")
	if err := os.WriteFile(c.File, []byte(lines.String()+"\nno\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.URL, c.Large, c.Small = gateway(t), "gpt-4o", "gpt-4o-mini"
	c.Alike, c.Level, c.Month = 0.95, 0.95, 1e6
	if c.Sample == 0 {
		c.Sample = 1000
	}
	var out strings.Builder
	err := Run(t.Context(), &out, c)
	return out.String(), err
}

func TestAnswersAgreeByWordsJSONEmbeddingOrJudge(t *testing.T) {
	said := []string{"Yes | yes.", `{"a":1,"b":2} | {"b":2, "a":1.0}`, "near one | alike too", "near one | far away", "it is 5 | it is 6"}
	f := func(c Comparison, want string) {
		t.Helper()
		if have, err := report(t, c, said...); err != nil || !strings.Contains(have, want) {
			t.Errorf("%v\n%s\nwant %s", err, have, want)
		}
	}
	f(Comparison{}, "answers agree: 2 of 5, 40 % (11.8 % to 76.9 % with 95 % confidence): 2 equal, 0 by embedding, 0 by the judge")
	f(Comparison{Embed: "e"}, "3 of 5, 60 % (23.1 % to 88.2 % with 95 % confidence): 2 equal, 1 by embedding")
	f(Comparison{Judge: "judge", Embed: "e"}, "2 equal, 0 by embedding, 1 by the judge")
	f(Comparison{Sample: 1}, "1 request by gpt-4o and gpt-4o-mini, 0 failed")
}

func TestTheReportSaysWhatMovesAndWhatItSaves(t *testing.T) {
	said := []string{"error | x", "a | error", "a | cut", "a | unsure"}
	for range 196 {
		said = append(said, "a | a")
	}
	have, err := report(t, Comparison{Quality: 0.96}, said...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"199 requests by gpt-4o and gpt-4o-mini, 2 failed\n", `line 1: status 500: no`, "line 202: is no body of a chat completion",
		"not good enough: 1 cut, 0 refused, 0 outside their schema, 1 failed",
		"how: move                          100 %                  196 of 199", "how: cascade                       99 %                   196 of 197",
		"how: cascade, min_confidence: 98%  98.5 %                 196 of 196",
		"best with at least 96 % in agreement: how: cascade, min_confidence: 99%, share 98.5 % of these requests\n1 million requests a month like these cost $3,500.00 by gpt-4o alone, and $261.71 so",
		// 92.5 % saved of the 94 % that moving all would: cascades ask in vain
		"in a demand.yaml of weir plan: smaller: {model: gpt-4o-mini, share: 98.4%}\n",
	} {
		if !strings.Contains(have, want) {
			t.Errorf("%s\nwant %s", have, want)
		}
	}
	if have, err := report(t, Comparison{Quality: 0.99}, said...); err != nil || !strings.Contains(have, "no way saves money with at least 99 % of its answers in agreement") {
		t.Errorf("%v %s", err, have)
	}
}

func TestWhatCannotBeComparedIsSaid(t *testing.T) {
	if have, err := report(t, Comparison{}, "error | x"); err == nil || !strings.Contains(have, "line 1: status 500") {
		t.Errorf("%v %s", err, have)
	}
	if _, err := report(t, Comparison{PriceSmall: "unheard-of"}, "a | a"); err == nil || !strings.Contains(err.Error(), "--price-small") {
		t.Error(err)
	}
	if err := Run(t.Context(), io.Discard, Comparison{URL: "here"}); err == nil || !strings.Contains(err.Error(), "is no URL") {
		t.Error(err)
	}
}
