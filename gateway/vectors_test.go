package gateway

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"weir"
	"weir/meter"
	"weir/store/vectors"
)

const embedPath = "/v1/embeddings"

// embedder is a server of embeddings: a text's vector is made of its hash, and a token is
// billed for each letter.
type embedder struct {
	dims int
	mu   sync.Mutex
	got  []int // items of each request
	hold chan struct{}
	fail int // requests to be failed
	// refuse is what it says of a request that it refuses; "": it refuses none.
	refuse string
	bad    map[string]string // rows in place of those of items
}

func (e *embedder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Input  json.RawMessage
		Format string `json:"encoding_format"`
	}
	json.NewDecoder(r.Body).Decode(&ask)
	var items []json.RawMessage
	if json.Unmarshal(ask.Input, &items) != nil || ask.Input[1] != '"' && ask.Input[1] != '[' {
		items = []json.RawMessage{ask.Input}
	}
	e.mu.Lock()
	e.got = append(e.got, len(items))
	fails := e.fail > 0
	e.fail--
	e.mu.Unlock()
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-r.Context().Done():
			return
		}
	}
	if e.refuse != "" {
		http.Error(w, `{"error":{"message":"`+e.refuse+`","type":"invalid_request_error","param":"input","code":null}}`, 400)
		return
	}
	if fails {
		http.Error(w, `{"error":{"message":"no"}}`, 500)
		return
	}
	var rows []string
	tokens := 0
	for i, item := range items {
		v := e.vector(string(item))
		tokens += len(item) - 2
		if row := e.bad[string(item)]; row != "" {
			rows = append(rows, row)
			continue
		}
		rows = append(rows, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":%s}`, i, written(v, ask.Format == "base64")))
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"object":"list","data":[%s],"model":"up","usage":{"prompt_tokens":%d,"total_tokens":%d}}`, strings.Join(rows, ","), tokens, tokens)
}

func (e *embedder) vector(item string) (v []float32) {
	h := fnv.New32a()
	h.Write([]byte(item))
	for i := range e.dims {
		v = append(v, float32(math.Sin(float64(h.Sum32())+float64(i))))
	}
	return v
}

func written(v []float32, in64 bool) string {
	if !in64 {
		b, _ := json.Marshal(v)
		return string(b)
	}
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return `"` + base64.StdEncoding.EncodeToString(b) + `"`
}

func (e *embedder) asked() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprint(e.got)
}

func embedding(t *testing.T, e *embedder, c func(*Config)) *running {
	t.Helper()
	if e.dims == 0 {
		e.dims = 8
	}
	b := newBackend(t, e.ServeHTTP)
	cfg := config(b.URL)
	cfg.Models[0].Vectors = &VectorPolicy{}
	cfg.Models[0].Deployments[0].Rates = meter.Rates{Prompt: 1_000_000}
	if c != nil {
		c(&cfg)
	}
	s, err := vectors.Open(vectors.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return start(t, cfg, func(o *Options) { o.Vectors = s })
}

// embed asks for texts and checks every vector of the answer against the model's own.
func (r *running) embed(t *testing.T, e *embedder, in64 bool, texts []string, headers ...string) (h http.Header, tokens int) {
	t.Helper()
	input, _ := json.Marshal(texts)
	format := "float"
	if in64 {
		format = "base64"
	}
	resp, answer := r.post(embedPath, fmt.Sprintf(`{"input":%s,"encoding_format":"%s","model":"m"}`, input, format), headers...)
	var got struct {
		Object, Model string
		Data          []struct {
			Object    string
			Index     int
			Embedding json.RawMessage
		}
		Usage struct {
			Prompt int `json:"prompt_tokens"`
			Total  int `json:"total_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || resp.StatusCode != 200 || len(got.Data) != len(texts) || got.Model != "m" || got.Object != "list" || got.Usage.Prompt != got.Usage.Total {
		t.Fatalf("%d %s (%v)", resp.StatusCode, answer, err)
	}
	for i, d := range got.Data {
		quoted, _ := json.Marshal(texts[i])
		if want := written(e.vector(string(quoted)), in64); string(d.Embedding) != want || d.Index != i || d.Object != "embedding" {
			t.Fatalf("%q: %s, want %s", texts[i], d.Embedding, want)
		}
	}
	return resp.Header, got.Usage.Prompt
}

func TestOnlyMissingTextsAreAskedFor(t *testing.T) {
	e := &embedder{}
	r := embedding(t, e, nil)
	f := func(in64 bool, how, counts, asked string, tokens int, texts ...string) weir.Record {
		t.Helper()
		h, n := r.embed(t, e, in64, texts)
		if met(h) != how || h.Get("X-Weir-Embeddings") != counts || e.asked() != asked || n != tokens {
			t.Errorf("%v: %s, %s, asked %s, %d tokens; want %s, %s, %s, %d", texts, met(h), h.Get("X-Weir-Embeddings"), e.asked(), n, how, counts, asked, tokens)
		}
		r.settled()
		return r.rec()
	}
	if rec := f(false, "miss", "stored=0, asked=2, saved_tokens=0", "[2]", 5, "aa", "bbb"); rec.Usage.Prompt != 5 || rec.SavedTokens != 0 {
		t.Errorf("%+v", rec)
	}
	if rec := f(false, "hit", "stored=2, asked=0, saved_tokens=5", "[2]", 5, "bbb", "aa"); rec.Usage != (weir.Usage{}) || rec.SavedTokens != 5 || rec.Saved != 5 || rec.Cost != 0 || rec.Cache != "hit" || rec.Attempts != 0 || rec.Outcome != weir.Completed {
		t.Errorf("%+v", rec)
	}
	f(true, "hit", "stored=1, asked=0, saved_tokens=2", "[2]", 2, "aa") // in the other encoding
	if rec := f(false, "partial", "stored=2, asked=1, saved_tokens=5", "[2 1]", 9, "aa", "cccc", "bbb"); rec.Usage.Prompt != 4 || rec.SavedTokens != 5 || rec.Cost != 4 || rec.Saved != 5 {
		t.Errorf("%+v", rec)
	}
	// A text that is there twice is asked for once.
	f(true, "partial", "stored=1, asked=2, saved_tokens=5", "[2 1 2]", 7, "d", "e", "d", "aa", "e", "d")
	f(true, "hit", "stored=3, asked=0, saved_tokens=4", "[2 1 2]", 4, "e", "d", "aa")
}

// One text, tokens, and lists of tokens are items too; what changes the vectors is part of
// each key, and what does not is not.
func TestWhatTwoItemsMustHaveInCommon(t *testing.T) {
	e := &embedder{}
	r := embedding(t, e, nil)
	f := func(how, body string, headers ...string) {
		t.Helper()
		resp, answer := r.post(embedPath, body, headers...)
		if met(resp.Header) != how || resp.StatusCode != 200 {
			t.Errorf("%s: %q, want %q: %s", body, met(resp.Header), how, answer)
		}
		r.settled()
	}
	f("miss", `{"model":"m","input":"one"}`)
	f("hit", `{"input":["one"],"model":"m","user":"u"}`)
	f("hit", `{"input":"\u006fne","model":"m","encoding_format":"base64"}`)
	f("miss", `{"input":"one","model":"m","dimensions":4}`)
	f("miss", `{"input":" one","model":"m"}`)
	f("miss", `{"input":"one","model":"m","input_type":"query"}`)
	f("miss", `{"input":[1,2],"model":"m"}`)
	f("hit", `{"input":[[1, 2]],"model":"m"}`)
	f("miss", `{"input":[[12],[1,2,3]],"model":"m"}`)
	f("miss", `{"input":["1,2"],"model":"m"}`)
	f("miss", `{"input":"one","model":"m"}`, "X-Weir-Cache-Namespace", "b")
	f("miss", `{"input":"one","model":"m"}`, "Cache-Control", "no-cache")
	f("bypass", `{"input":"one","model":"m"}`, "Cache-Control", "no-store")
	f("bypass", `{"input":"one","model":"m","encoding_format":"int8"}`)
	f("bypass", `{"input":"\ud800","model":"m"}`)
	f("hit", `{"input":"one","model":"m"}`, "Cache-Control", "only-if-cached")
	if resp, answer := r.post(embedPath, `{"input":["one","none"],"model":"m"}`, "Cache-Control", "only-if-cached"); resp.StatusCode != 504 {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
}

func TestVectorsStayWithTheirTenant(t *testing.T) {
	for _, shared := range []bool{false, true} {
		e := &embedder{}
		r := embedding(t, e, func(c *Config) {
			*c = twoTenants(*c)
			c.Models[0].Vectors.Shared = shared
		})
		r.embed(t, e, false, []string{"x"})
		r.settled()
		want := map[bool]string{false: "miss", true: "hit"}[shared]
		if h, _ := r.embed(t, e, false, []string{"x"}, "Authorization", "Bearer their-key"); met(h) != want {
			t.Errorf("shared=%v: %s, want %s", shared, met(h), want)
		}
	}
}

func TestAnotherVersionOfTheModelFindsNothing(t *testing.T) {
	e := &embedder{}
	r := embedding(t, e, nil)
	r.embed(t, e, false, []string{"x"})
	c := config(r.state.Load().targets["d0"].Upstream.BaseURL)
	c.Models[0].Vectors = &VectorPolicy{Version: "2"}
	if err := r.Apply(c); err != nil {
		t.Fatal(err)
	}
	if h, _ := r.embed(t, e, false, []string{"x"}); met(h) != "miss" {
		t.Error(met(h))
	}
}

// A model that has changed without a new version is noticed by the length of its vectors.
// Two lengths are never mixed in one answer.
func TestVectorsOfTwoLengthsAreNotMixed(t *testing.T) {
	e := &embedder{}
	r := embedding(t, e, nil)
	r.embed(t, e, false, []string{"x"})
	e.dims = 9
	if resp, answer := r.post(embedPath, `{"model":"m","input":["x","y"]}`); resp.StatusCode != 502 || !strings.Contains(answer, "have 9 numbers, those stored have 8") {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	if h, _ := r.embed(t, e, false, []string{"x", "y"}); met(h) != "miss" {
		t.Error(met(h))
	}
}

// Nor are two lengths mixed in an answer of stored vectors alone.
func TestStoredVectorsOfTwoLengthsAreAskedForAgain(t *testing.T) {
	e := &embedder{}
	r := embedding(t, e, nil)
	r.embed(t, e, false, []string{"x"})
	e.dims = 9
	r.embed(t, e, false, []string{"y"})
	if h, _ := r.embed(t, e, false, []string{"x", "y"}); met(h) != "miss" || e.asked() != "[1 1 2]" {
		t.Error(met(h), e.asked())
	}
	if h, _ := r.embed(t, e, false, []string{"y", "x"}); met(h) != "hit" {
		t.Error(met(h))
	}
}

// A text of which the model makes no vector is named by its place in the caller's own list.
// It fails once, and the server stays in use.
func TestATextWithoutAVectorIsNamed(t *testing.T) {
	for _, bad := range []struct{ row, say string }{
		{`{"index":1,"embedding":"AADAfwAAwH8AAMB/AADAfwAAwH8AAMB/AADAfwAAwH8="}`, "vector of input[3] cannot be used: it is no list of finite numbers"},
		{`{"index":1,"embedding":[1e99,1,1,1,1,1,1,1]}`, "vector of input[3] cannot be used: it is no list of finite numbers"},
		{`{"index":1,"embedding":[1,2,3]}`, "vector of input[3] cannot be used: it has 3 numbers, and others have 8"},
		{`{"index":0,"embedding":[1,2,3,4,5,6,7,8]}`, "it has not one vector for each text"},
	} {
		e := &embedder{}
		r := embedding(t, e, nil)
		r.embed(t, e, false, []string{"a", "b"})
		e.bad = map[string]string{`"bad"`: bad.row}
		resp, answer := r.post(embedPath, `{"model":"m","input":["a","c","b","bad","a"]}`)
		if resp.StatusCode != 502 || !strings.Contains(answer, bad.say) {
			t.Errorf("%s: %d %s", bad.row, resp.StatusCode, answer)
		}
		r.settled()
		if rec := r.rec(); strings.Contains(bad.say, "input[3]") && rec.Attempts != 1 || rec.Outcome != weir.Failure {
			t.Errorf("%s: %+v", bad.row, rec)
		}
		if h, _ := r.embed(t, e, false, []string{"a", "c"}); met(h) != "partial" {
			t.Errorf("%s: %s", bad.row, met(h))
		}
		r.settled()
		if n := r.claims.count(); n != 0 {
			t.Errorf("%d claims are left", n)
		}
	}
}

// What a server says of a text is said of the same text to the caller, whose list is longer.
func TestAnErrorNamesTheCallersText(t *testing.T) {
	e := &embedder{}
	r := embedding(t, e, nil)
	r.embed(t, e, false, []string{"a", "b"})
	f := func(want, said string) {
		t.Helper()
		e.refuse = said
		resp, answer := r.post(embedPath, `{"model":"m","input":["a","c","c","b",""]}`)
		if resp.StatusCode != 400 || !strings.Contains(answer, want) || resp.Header.Get("Content-Length") != fmt.Sprint(len(answer)) {
			t.Errorf("%d %s, want %s", resp.StatusCode, answer, want)
		}
		r.settled()
		if rec := r.rec(); rec.Usage != (weir.Usage{}) || rec.Cost != 0 || rec.SavedTokens != 0 {
			t.Errorf("%+v", rec)
		}
	}
	f("'$.input[4]' is empty", "'$.input[1]' is empty")
	f("body.input.1: too long", "body.input.0: too long")
	f("input[7] of myinput[1]", "input[7] of myinput[1]")
	f("input[99999999999999999999]", "input[99999999999999999999]")
}

func TestTextsInFlightAreShared(t *testing.T) {
	e := &embedder{hold: make(chan struct{})}
	r := embedding(t, e, nil)
	const n = 20
	var all sync.WaitGroup
	how := make(chan string, n)
	for range n {
		all.Go(func() {
			h, _ := r.embed(t, e, false, []string{"same", "too"})
			how <- met(h)
		})
	}
	eventually(t, "all are in", func() bool { return r.Levels().Requests == n && e.asked() == "[2]" })
	close(e.hold)
	all.Wait()
	close(how)
	by := map[string]int{}
	for h := range how {
		by[h]++
	}
	if by["miss"] != 1 || by["miss"]+by["coalesced"]+by["hit"] != n || e.asked() != "[2]" {
		t.Errorf("%v, asked %s", by, e.asked())
	}
	r.settled()
	if r.claims.count() != 0 {
		t.Errorf("%d claims are left", r.claims.count())
	}
}

// Those that wait for a request that fails ask themselves. None waits for more than two.
func TestAfterAFailureOthersAskThemselves(t *testing.T) {
	e := &embedder{hold: make(chan struct{}), fail: 1000}
	r := embedding(t, e, func(c *Config) { c.Models[0].Attempts = 1; c.Models[0].Deployments[0].Weight = 1 })
	const n = 8
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if resp, answer := r.post(embedPath, `{"model":"m","input":"same"}`); resp.StatusCode < 500 {
				t.Errorf("%d %s", resp.StatusCode, answer)
			}
		})
	}
	eventually(t, "all are in", func() bool { return r.Levels().Requests == n && e.asked() == "[1]" })
	close(e.hold)
	all.Wait()
	r.settled()
	if r.claims.count() != 0 {
		t.Errorf("%d claims are left", r.claims.count())
	}
}

func TestAModelThatMixesVectorsIsRefused(t *testing.T) {
	c := config("http://127.0.0.1:1")
	c.Models[0].Vectors = &VectorPolicy{}
	c.Models[0].Deployments[0].Serves = "other"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "cannot be mixed") {
		t.Error(err)
	}
}
