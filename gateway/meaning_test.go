package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/meaning"
	"weir/cache/memory"
	"weir/meter"
)

// embeds is a server of embeddings: texts that have the same first word are near.
func embeds(w http.ResponseWriter, r *http.Request) {
	var ask struct{ Input []string }
	json.NewDecoder(r.Body).Decode(&ask)
	var data []string
	for i, text := range ask.Input {
		v := [3]float64{}
		v[strings.Index("rda", text[:1])] = 1 // reset, delete; answers begin with a
		if strings.HasSuffix(text, "far") {
			v = [3]float64{1, 1, 1}
		}
		data = append(data, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%v,%v,%v]}`, i, v[0], v[1], v[2]))
	}
	fmt.Fprintf(w, `{"object":"list","data":[%s],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}`, strings.Join(data, ","))
}

// says is a chat server whose answer is what f says to its last message.
func says(f func(text string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Messages []struct{ Content string }
		}
		body, _ := io.ReadAll(r.Body)
		json.Unmarshal(body, &ask)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, strings.Replace(answerText, `"hello"`, strconv.Quote(f(ask.Messages[len(ask.Messages)-1].Content)), 1))
	}
}

func hello(string) string { return "hello" }

// meant is a gateway whose model m has a Meaning. Nothing is drawn for an audit.
type meant struct {
	*running
	conf               Config
	chat, embed, judge *backend
	words              int
}

func meaningful(t testing.TB, m Meaning, chat, embed, judge http.HandlerFunc) *meant {
	g := &meant{chat: newBackend(t, chat), embed: newBackend(t, embed), judge: newBackend(t, judge)}
	c, e, j := config(g.chat.URL), config(g.embed.URL), config(g.judge.URL)
	e.Models[0].Name, e.Models[0].Deployments[0].Name = "e", "e0"
	j.Models[0].Name, j.Models[0].Deployments[0].Name = "j", "j0"
	c.Models = append(c.Models, e.Models[0], j.Models[0])
	c.Tenants = append(c.Tenants, Tenant{Name: "other", Keys: []Key{{Name: "ci", SHA256: sum("sk-other")}}})
	m.Embed = "e"
	orElse(&m.Within, time.Minute)
	if m.MaxError == 0 {
		m.MaxError = 0.2
	}
	c.Models[0].Meaning, c.Models[0].Cache = &m, &cache.Policy{TTL: time.Hour, Normalise: true, Shared: true, Tools: true}
	s := memory.New(memory.Options{}, nil)
	t.Cleanup(s.Close)
	g.conf = c
	g.running = start(t, c, func(o *Options) { o.Answers = s })
	g.meanings.draw = func() float64 { return 1 }
	return g
}

// body is a request that was not made before, with these words first.
func (g *meant) body(words string) string {
	g.words++
	word := string([]byte{'b' + byte(g.words/20/20%20), 'b' + byte(g.words/20%20), 'b' + byte(g.words%20)})
	return fmt.Sprintf(`{"model":"m","temperature":0,"messages":[{"role":"system","content":"s"},{"role":"user","content":"%s %s"}]}`, words, word)
}

func (g *meant) row() meaning.Row {
	var rows []meaning.Row
	g.meanings.in(func(s *meaning.Space) { rows = s.Report() })
	if len(rows) != 1 {
		return meaning.Row{}
	}
	return rows[0]
}

// learns asks in n other words, and returns how many were served.
func (g *meant) learns(t *testing.T, words string, n int) (served int) {
	t.Helper()
	for range n {
		if h, _ := g.post(chatPath, g.body(words)); met(h.Header) == "meaning" {
			served++
		} else {
			eventually(t, "an answer is stored", func() bool { return g.row().Prompts > 0 })
		}
		g.compared(t)
	}
	return served
}

// compared waits until every comparison is made: answers are compared after they are sent.
func (g *meant) compared(t *testing.T) {
	t.Helper()
	g.settled()
	eventually(t, "all answers are compared", func() bool {
		row := g.row()
		g.meanings.mu.Lock()
		defer g.meanings.mu.Unlock()
		return g.meanings.comparing == 0 && row.Near == row.Served+uint64(row.Compared.Right+row.Compared.Wrong)+row.Undone
	})
}

const evidence = 40 // more than enough for an error of 20 %

func TestAnAnswerIsGivenToOtherWordsOnceThereIsEvidence(t *testing.T) {
	g := meaningful(t, Meaning{}, says(hello), embeds, nil)
	served := g.learns(t, "reset it", evidence)
	if row := g.row(); served == 0 || served > evidence-15 || row.Served != uint64(served) || int(row.Compared.Right) != evidence-served-1 || row.Compared.Wrong != 0 {
		t.Fatalf("%d served, %+v", served, row)
	}
	asked := g.chat.calls.Load()
	h, answer := g.post(chatPath, g.body("reset it"))
	if met(h.Header) != "meaning" || h.Header.Get("Age") == "" || !strings.Contains(h.Header.Get("Cache-Status"), "detail=meaning") || !strings.Contains(answer, `"hello"`) || !strings.Contains(answer, `"usage":{"prompt_tokens":11`) || strings.Contains(answer, `"id":"c1"`) {
		t.Errorf("%v %s", h.Header, answer)
	}
	if h, answer := g.post(chatPath, strings.Replace(g.body("reset it"), "{", `{"stream":true,`, 1)); met(h.Header) != "meaning" || !strings.HasSuffix(answer, doneEvent) {
		t.Errorf("as a stream: %v %s", h.Header, answer)
	}
	if n := g.chat.calls.Load(); n != asked {
		t.Errorf("the model was asked %d times more", n-asked)
	}
	g.settled()
	g.mu.Lock()
	defer g.mu.Unlock()
	own := 0
	for _, rec := range g.records {
		switch {
		case rec.Tenant == OwnAccount:
			if own++; rec.Model != "e" || rec.Key != ownKey || rec.Outcome != weir.Completed {
				t.Errorf("%+v", rec)
			}
		case rec.Cache == "meaning" && (rec.Usage != weir.Usage{} || rec.SavedTokens != 18 || rec.Attempts != 0 || rec.Outcome != weir.Completed):
			t.Errorf("%+v", rec)
		}
	}
	if own != evidence+2 {
		t.Errorf("%d requests on Weir's own account, want one for each of %d", own, evidence+2)
	}
}

// What must not be compared is not: nothing of it is served, by however much evidence.
func TestWhatIsNeverServedByMeaning(t *testing.T) {
	g := meaningful(t, Meaning{}, says(hello), embeds, nil)
	g.learns(t, "reset it", evidence)
	never := func(name, body string, headers ...string) {
		t.Helper()
		asked := g.chat.calls.Load()
		h, answer := g.post(chatPath, body, headers...)
		if met(h.Header) == "meaning" || g.chat.calls.Load() != asked+1 {
			t.Errorf("%s: %v %s", name, h.Header, answer)
		}
		g.compared(t)
	}
	change := func(old, with string) string { return strings.Replace(g.body("reset it"), old, with, 1) }
	never("another tenant", g.body("reset it"), "Authorization", "Bearer sk-other")
	never("a number", g.body("reset it 5 times"))
	never("a negation", g.body("reset it not"))
	never("another system prompt", change(`"s"`, `"t"`))
	never("another member", change(`"temperature"`, `"max_tokens":9,"temperature"`))
	never("an earlier turn", change(`{"role":"user"`, `{"role":"assistant","content":"x"},{"role":"user"`))
	never("tools", change(`"temperature"`, `"tools":[{"type":"function"}],"temperature"`))
	never("not near", g.body("delete it"))
	never("no-cache", g.body("reset it"), "Cache-Control", "no-cache")
	never("no-store", g.body("reset it"), "Cache-Control", "no-store")
	never("a namespace", g.body("reset it"), "X-Weir-Cache-Namespace", "n")
	never("a temperature", change(`"temperature":0`, `"temperature":1`))
	if h, _ := g.post(chatPath, g.body("reset it"), "Cache-Control", "only-if-cached"); h.StatusCode != 504 {
		t.Errorf("only-if-cached: %d", h.StatusCode)
	}
	g.meanings.draw = func() float64 { return 0 }
	never("an audit", g.body("reset it"))
	if row := g.row(); row.Audited.Right == 0 {
		t.Errorf("%+v", row)
	}
	g.meanings.draw = func() float64 { return 1 }
	if h, _ := g.post(chatPath, g.body("reset it")); met(h.Header) != "meaning" {
		t.Errorf("%v", h.Header)
	}
	g.store().Purge(t.Context(), cache.Selector{Model: "m"})
	never("a purged answer", g.body("reset it"))
}

// A prompt whose answers differ is never served, and one wrong answer ends its service.
func TestAnswersThatDifferAreNotServed(t *testing.T) {
	n := 0
	g := meaningful(t, Meaning{}, says(func(string) string { n++; return fmt.Sprint("take ", n) }), embeds, nil)
	if served := g.learns(t, "reset it", evidence); served != 0 || g.row().Compared.Wrong != evidence-1 {
		t.Errorf("%d served, %+v", served, g.row())
	}
	answer := "hello"
	g = meaningful(t, Meaning{}, says(func(string) string { return answer }), embeds, nil)
	g.learns(t, "reset it", evidence)
	answer = "now 5"
	g.meanings.draw = func() float64 { return 0 }
	g.learns(t, "reset it", 3)
	g.meanings.draw = func() float64 { return 1 }
	if h, _ := g.post(chatPath, g.body("reset it")); met(h.Header) == "meaning" {
		t.Error("served after wrong answers")
	}
}

func TestInTheShadowTheModelIsAlwaysAsked(t *testing.T) {
	g := meaningful(t, Meaning{Shadow: true}, says(hello), embeds, nil)
	if served := g.learns(t, "reset it", evidence); served != 0 || g.chat.calls.Load() != evidence {
		t.Errorf("%d served, %d asked", served, g.chat.calls.Load())
	}
	if row := g.row(); row.Audited.Right == 0 || row.Saved != 0 {
		t.Errorf("%+v", row)
	}
}

// An embedding that does not come, or comes to nothing, costs its time and no more.
func TestALateEmbeddingHoldsNoRequestUp(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	for name, embed := range map[string]http.HandlerFunc{
		"late":     func(http.ResponseWriter, *http.Request) { <-hold },
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) },
		"no vector": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":[{"index":0,"embedding":[0,0]}],"usage":{"prompt_tokens":1}}`)
		},
		"another index": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":[{"index":1,"embedding":[0,1]}],"usage":{"prompt_tokens":1}}`)
		},
		"too many": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":[{"index":0,"embedding":[0,1]},{"index":0,"embedding":[1,0]}],"usage":{"prompt_tokens":1}}`)
		},
		"no number": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":[{"index":0,"embedding":[NaN,1]}],"usage":{"prompt_tokens":1}}`)
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":[{"index":0,"embedding":[1e39,1]}],"usage":{"prompt_tokens":1}}`)
		},
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":[{"index":0,"embedding":[`+strings.Repeat("1,", meaning.MaxDims)+`1]}],"usage":{"prompt_tokens":1}}`)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") },
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":[{"index":0,"embedding":[`+strings.Repeat("1,", maxOwnAnswer/2)+`1]}],"usage":{"prompt_tokens":1}}`)
		},
	} {
		g := meaningful(t, Meaning{Within: 20 * time.Millisecond}, says(hello), embed, nil)
		if h, _ := g.post(chatPath, g.body("reset it")); h.StatusCode != 200 || met(h.Header) != "miss" {
			t.Errorf("%s: %d %v", name, h.StatusCode, h.Header)
		}
		g.settled()
		if row := g.row(); row.Late != 1 || row.Looked != 0 || row.Prompts != 0 {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

// Answers in other words are compared by their vectors, or by a judge; its failure is no
// evidence.
func TestAnswersInOtherWordsAreCompared(t *testing.T) {
	var n atomic.Int64
	other := func(how string) http.HandlerFunc {
		return says(func(string) string { return "a word " + strings.Repeat("b", int(n.Add(1))) + how })
	}
	judge := func(word string) http.HandlerFunc { return says(func(string) string { return word }) }
	for _, c := range []struct {
		name         string
		m            Meaning
		chat, judge  http.HandlerFunc
		right, wrong uint32
		undone       uint64
	}{
		{"near", Meaning{}, other(""), nil, 4, 0, 0},
		{"the first is far", Meaning{}, says(func(text string) string {
			if n.Add(1); strings.HasSuffix(text, "c") {
				return "a word far"
			}
			return "a word"
		}), nil, 0, 4, 0},
		{"long", Meaning{}, other(strings.Repeat(" b", meaning.MaxText)), nil, 0, 4, 0},
		{"judged the same", Meaning{Judge: "j"}, other(""), judge("Same."), 4, 0, 0},
		{"judged different", Meaning{Judge: "j"}, other(""), judge("different"), 0, 4, 0},
		{"judged in words", Meaning{Judge: "j"}, other(""), judge("The same, I think"), 0, 4, 0},
		{"too long for a judge", Meaning{Judge: "j"}, other(strings.Repeat("b", maxJudged)), judge("same"), 0, 4, 0},
		{"a judge that fails", Meaning{Judge: "j"}, other(""), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, 0, 0, 4},
	} {
		n.Store(0)
		g := meaningful(t, c.m, c.chat, embeds, c.judge)
		g.learns(t, "reset it", 5)
		if row := g.row(); row.Compared != (meaning.Counts{Right: c.right, Wrong: c.wrong}) || row.Undone != c.undone || g.meanings.comparing != 0 {
			t.Errorf("%s: %+v", c.name, row)
		}
	}
}

// Weir pays for embeddings: a caller that is over a limit does not use them.
func TestARefusedRequestIsNotEmbedded(t *testing.T) {
	for _, scope := range []meter.Scope{{Tenant: "demo"}, {Tenant: "demo", Key: "ci"}} {
		g := meaningful(t, Meaning{}, says(hello), embeds, nil)
		g.conf.Limits = []Limit{{Scope: scope, Limits: meter.Limits{RequestsPerMinute: 1}}}
		if err := g.Apply(g.conf); err != nil {
			t.Fatal(err)
		}
		for i := range 6 {
			if h, _ := g.post(chatPath, g.body("reset it")); (h.StatusCode == 200) != (i < 1) {
				t.Errorf("%+v: request %d: %d", scope, i, h.StatusCode)
			}
		}
		if n := g.embed.calls.Load(); n != 1 {
			t.Errorf("%+v: embedded %d times, want 1", scope, n)
		}
	}
}

// A request that is near and gets no answer that can be compared is counted all the same.
func TestWhatIsNearAddsUp(t *testing.T) {
	whole := true
	g := meaningful(t, Meaning{}, func(w http.ResponseWriter, r *http.Request) {
		if whole {
			says(hello)(w, r)
			return
		}
		w.WriteHeader(400)
	}, embeds, nil)
	g.learns(t, "reset it", 3)
	whole = false
	g.post(chatPath, g.body("reset it"))
	g.compared(t)
	if row := g.row(); row.Near != 3 || row.Compared.Right != 2 || row.Undone != 1 {
		t.Errorf("%+v", row)
	}
}

// Vectors of another version of the embedding model are not compared with those stored.
func TestAnotherVersionOfTheEmbeddingModelBeginsFromNothing(t *testing.T) {
	g := meaningful(t, Meaning{}, says(hello), embeds, nil)
	g.learns(t, "reset it", evidence)
	g.conf.Models[1].Cache = &cache.Policy{TTL: time.Hour, Version: "2"}
	if err := g.Apply(g.conf); err != nil {
		t.Fatal(err)
	}
	if h, _ := g.post(chatPath, g.body("reset it")); met(h.Header) != "miss" {
		t.Errorf("%v", h.Header)
	}
}

func TestComparisonsUnderWayAreBounded(t *testing.T) {
	g := meaningful(t, Meaning{}, says(hello), embeds, nil)
	g.meanings.comparing = maxComparing
	nr := &near{of: &Meaning{}, pool: meaning.Pool{Model: "m"}}
	g.compare(nr, "a", "b")
	if row := g.row(); row.Undone != 1 || g.meanings.comparing != maxComparing {
		t.Errorf("%+v", row)
	}
	g.meanings.comparing = 0
}

// Weir's own requests are compared with nothing: a judge would have a judge.
func TestWeirsOwnRequestsAreNotEmbedded(t *testing.T) {
	g := meaningful(t, Meaning{}, says(hello), embeds, nil)
	if _, err := g.Submit(t.Context(), Submission{Tenant: OwnAccount, Key: ownKey, Op: weir.OpChat, Body: []byte(g.body("reset it"))}, &ownAnswer{}); err != nil {
		t.Fatal(err)
	}
	if n := g.embed.calls.Load(); n != 0 {
		t.Errorf("embedded %d times", n)
	}
}

func TestAMeaningThatCannotWorkIsAFault(t *testing.T) {
	for want, change := range map[string]func(*Model){
		"no Cache":               func(m *Model) { m.Cache = nil },
		`embedded by "m"`:        func(m *Model) { m.Meaning.Embed = "m" },
		`embedded by "x"`:        func(m *Model) { m.Meaning.Embed = "x" },
		`judged by "x"`:          func(m *Model) { m.Meaning.Judge = "x" },
		"MaxError between 0 and": func(m *Model) { m.Meaning.MaxError = 1 },
		"Alike of 0 to 1":        func(m *Model) { m.Meaning.Alike = 2 },
		"not negative":           func(m *Model) { m.Meaning.Within = -1 },
	} {
		c := config("http://127.0.0.1:1")
		e := config("http://127.0.0.1:1").Models[0]
		e.Name, e.Deployments[0].Name = "e", "e0"
		c.Models = append(c.Models, e)
		c.Models[0].Cache, c.Models[0].Meaning = &cache.Policy{TTL: time.Hour}, &Meaning{Embed: "e", MaxError: 0.01}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c.Models[0])
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}
