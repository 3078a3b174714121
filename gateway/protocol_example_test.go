package gateway_test

import (
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"weir"
	"weir/dispatch"
	"weir/gateway"
	"weir/jsonscan"
	"weir/upstream"
	"weir/upstream/dialects"
)

// Example of a new protocol: Open Inference ("Predict Protocol, version 2":
// /v2/models/NAME/infer), whose models read and write tensors and have no tokens.
// Besides this file a new protocol needs only a line in upstream/dialects.

type openInference struct{}

var infer = &upstream.Operation{Op: weir.OpInfer, Format: tensors{}, ModelInPath: true}

func (openInference) Name() string                                 { return "openinference" }
func (openInference) Check(*upstream.Options) error                { return nil }
func (openInference) Base(_ *upstream.Options, path string) string { return path }
func (openInference) Limit(*upstream.Options, weir.Op) string      { return "" }
func (openInference) Mark() string                                 { return "" }
func (openInference) Version() string                              { return "" }
func (openInference) Words([]byte) bool                            { return true }
func (openInference) Key(secret string) upstream.Field {
	return upstream.Field{Name: "authorization", Value: "Bearer " + secret}
}
func (tensors) FromStream([][]byte) []byte { return nil }

func (openInference) Operation(op weir.Op) *upstream.Operation {
	if op != weir.OpInfer {
		return nil
	}
	return infer
}

func (openInference) Target(o *upstream.Options, _ weir.Op) upstream.Target {
	return upstream.Target{Path: "/v2/models/" + url.PathEscape(o.Model) + "/infer"}
}

func (openInference) Locate(path string) (upstream.Route, bool) {
	rest, ok := strings.CutPrefix(path, "/v2/")
	if model, is := strings.CutPrefix(rest, "models/"); is {
		if name, infers := strings.CutSuffix(model, "/infer"); infers && name != "" {
			return upstream.Route{Service: upstream.CallModel, Op: weir.OpInfer, Model: name}, true
		}
	}
	return upstream.Route{}, ok
}

func (openInference) Error(b []byte, p *upstream.Problem) []byte {
	return append(append(append(b, `{"error":`...), jsonscan.Quoted(p.Message)...), '}')
}

func (openInference) Model(b []byte, name string) []byte {
	return append(append(append(b, `{"name":`...), jsonscan.Quoted(name)...), '}')
}

func (openInference) Models(b []byte, names []string) []byte {
	var all []jsonscan.Object
	for _, name := range names {
		all = append(all, jsonscan.Object{}.With("name", jsonscan.Quoted(name)))
	}
	return append(b, jsonscan.List(all...)...)
}

// tensors is the format of its answers: one with outputs is whole.
type tensors struct{}

func (tensors) Answer(body []byte) upstream.Answer {
	var w upstream.Whole
	w.Read(body, upstream.CountsBoth, func(key []byte) {
		if string(key) == "outputs" {
			w.Each(func() bool { return upstream.Says(&w.Cursor) })
			return
		}
		w.Skip()
	})
	return w.Is(w.Parts > 0)
}

func (tensors) Event(s *upstream.Stream, _ []byte) upstream.Meaning {
	s.Skip()
	return upstream.Meaning{}
}
func (tensors) Text(dst, _ []byte) []byte             { return dst }
func (tensors) AsStream(jsonscan.Object, bool) []byte { return nil }

// A gateway serves the protocol beside the others, under the model name of the caller.
// A failing server is replaced by another, and errors have the protocol's form.
func TestAProtocolWithoutTokensIsServed(t *testing.T) {
	const body, answer = `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}`, `{"model_name":"m7","outputs":[{"name":"y","shape":[1],"datatype":"FP32","data":[0.5]}]}`
	asked := make(chan string, 4)
	serve := func(says string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			asked <- r.Method + " " + r.URL.Path + " " + string(b)
			io.WriteString(w, says)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	deployment := func(name string, tier int, url string) gateway.Deployment {
		return gateway.Deployment{Deployment: dispatch.Deployment{Name: name, Tier: tier, Weight: 1},
			Upstream: upstream.Options{Dialect: openInference{}, Model: "m7", BaseURL: url}}
	}
	records := make(chan weir.Record, 4)
	g, err := gateway.New(gateway.Options{
		Dialects: append([]upstream.Dialect{openInference{}}, dialects.All()...),
		Config: gateway.Config{
			Tenants: []gateway.Tenant{{Name: "demo", Keys: []gateway.Key{{Name: "ci", SHA256: sha256.Sum256([]byte("k"))}}}},
			Models:  []gateway.Model{{Name: "scores", Deployments: []gateway.Deployment{deployment("empty", 0, serve(`{"outputs":[]}`)), deployment("good", 1, serve(answer))}}},
		},
		Record: func(r weir.Record) { records <- r },
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func(path string) (int, string) {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer k")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if status, got := call("/v2/models/scores/infer"); status != 200 || got != answer {
		t.Errorf("%d %s", status, got)
	}
	if rec := <-records; rec.Outcome != weir.Completed || rec.Op.String() != "infer" || rec.Deployment != "good" || rec.Attempts != 2 || rec.Usage != (weir.Usage{}) {
		t.Errorf("%+v", rec)
	}
	for range 2 {
		if got := <-asked; got != "POST /v2/models/m7/infer "+body {
			t.Error(got)
		}
	}
	if status, got := call("/v2/models/other/infer"); status != 404 || !strings.HasPrefix(got, `{"error":"`) {
		t.Errorf("%d %s", status, got)
	}
}
