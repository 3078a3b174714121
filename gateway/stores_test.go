package gateway

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir"
	"weir/index"
	"weir/index/search"
	"weir/store/chunks"
	"weir/store/vectors"
)

// An index that is built through a gateway is searched there, by the tenants that may.
func TestAnIndexIsBuiltAndSearchedThroughTheGateway(t *testing.T) {
	e := &embedder{dims: 16}
	b := newBackend(t, e.ServeHTTP)
	c := twoTenants(config(b.URL))
	c.Models[0].Vectors = &VectorPolicy{}
	kept, err := vectors.Open(vectors.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "docs.db")
	all := search.New([]search.Index{{Name: "docs", Tenants: []string{"demo"}, Open: func() (index.Store, error) { return chunks.Open(path) }}})
	t.Cleanup(func() { all.Close() })
	r := start(t, c, func(o *Options) { o.Vectors, o.Searches = kept, all.Search })
	f := func(status int, part, id, body string, headers ...string) string {
		t.Helper()
		resp, answer := r.post("/v1/vector_stores/"+id+"/search", body, headers...)
		if resp.StatusCode != status || !strings.Contains(answer, part) {
			t.Errorf("%s %s: %d %s; want %d, %s", id, body, resp.StatusCode, answer, status, part)
		}
		return answer
	}
	f(404, `is empty: fill it with`, "docs", `{"query":"x"}`)

	dir := t.TempDir()
	for name, text := range map[string]string{"a.md": "# Alpha\n\nThe first.\n", "guide/b.md": "The second.\n", "guide/c.txt": "The third.\n"} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := chunks.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := index.Build{Corpus: index.Folder{Dir: dir}, Store: s, Space: index.Space{Model: "m"}, Embedder: &index.Weir{URL: r.url, Key: testKey, Model: "m"}}
	rep, err := run.Run(t.Context())
	if err != nil || rep.Embedded != 3 || rep.Tokens == 0 || rep.Saved != 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	if rec := r.rec(); rec.Class != weir.Batch || rec.Usage.Prompt != rep.Tokens {
		t.Errorf("%+v", rec)
	}

	var page struct {
		Object string
		Query  []string `json:"search_query"`
		Data   []struct {
			FileID, Filename string
			Score            float64
			Content          []struct{ Type, Text string }
			Attributes       map[string]any
		}
	}
	answer := f(200, `"file_id":"a.md","filename":"a.md"`, "docs", `{"query":"Alpha\n\nThe first.","max_num_results":2}`)
	if err := json.Unmarshal([]byte(answer), &page); err != nil || page.Object != "vector_store.search_results.page" || len(page.Data) != 2 || page.Data[0].Score < 0.999 ||
		page.Data[0].Content[0].Text != "Alpha\n\nThe first." || page.Data[0].Attributes["type"] != "md" || page.Query[0] != "Alpha\n\nThe first." {
		t.Errorf("%v %s", err, answer)
	}
	if rec := r.rec(); rec.Cache != "hit" || rec.Tenant != "demo" || rec.Class != weir.Interactive { // the question's text is stored
		t.Errorf("%+v", rec)
	}
	if answer := f(200, `"filename":"b.md"`, "docs", `{"query":["one","two"],"filters":{"type":"eq","key":"folder","value":"guide"}}`); strings.Contains(answer, "a.md") {
		t.Error(answer)
	}
	f(404, `"code":"vector_store_not_found"`, "docs", `{"query":"x"}`, "Authorization", "Bearer their-key")
	f(404, `"code":"vector_store_not_found"`, "other", `{"query":"x"}`)
	f(401, `"code":"invalid_api_key"`, "docs", `{"query":"x"}`, "Authorization", "Bearer wrong")
	f(400, `"param":"query"`, "docs", `{"query":""}`)
	f(400, `"param":"max_num_results"`, "docs", `{"query":"x","max_num_results":51}`)
	f(400, `"param":"filters"`, "docs", `{"query":"x","filters":{"type":"like","key":"a","value":"b"}}`)
	r.settled()
}
