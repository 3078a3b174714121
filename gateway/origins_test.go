package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const responsesPath = "/v1/responses"

// keeping is a server that stores answers of the Responses API, with the IDs r0, r1 and
// so on.
func keeping(t *testing.T) *backend {
	var n atomic.Int64
	return newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		id := fmt.Sprintf("r%d", n.Add(1)-1)
		if body := r.Header.Get("Accept"); strings.Contains(body, "event-stream") {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, `data: {"type":"response.created","response":{"object":"response","id":%q,"status":"in_progress"}}`+"\n\n", id)
			fmt.Fprintf(w, `data: {"type":"response.output_text.delta","delta":"hi","item_id":"i"}`+"\n\n")
			fmt.Fprintf(w, `data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"item_%s"}}`+"\n\n", id)
			fmt.Fprintf(w, `data: {"type":"response.completed","response":{"id":%q,"status":"completed","usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}}}`+"\n\n", id)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"object":"response","\u0069d":"%[1]s","status":"completed","output":[{"type":"reasoning","summary":[]},{"type":"message","id":"item_%[1]s","role":"assistant","content":[{"type":"output_text","text":"hi"}]}],`+
			`"usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}}`, id)
	})
}

// twoTenants is a configuration with a second tenant, whose key is "their-key".
func twoTenants(c Config) Config {
	c.Tenants = append(c.Tenants, Tenant{Name: "other", Keys: []Key{{Name: "k", SHA256: sum("their-key")}}})
	return c
}

func TestAnAnswerIsGoneOnWithByItsOwnTenantOnly(t *testing.T) {
	b := keeping(t)
	r := start(t, twoTenants(config(b.URL)))
	as := func(key, body string) (int, string) {
		resp, answer := r.post(responsesPath, body, "Authorization", "Bearer "+key)
		r.rec()
		return resp.StatusCode, answer
	}
	ok := func(key, body string) {
		t.Helper()
		if status, answer := as(key, body); status != 200 {
			t.Errorf("%s with %s: %d %s", body, key, status, answer)
		}
	}
	refused := func(key, body, code string) {
		t.Helper()
		calls := b.calls.Load()
		if status, answer := as(key, body); status != 400 || !strings.Contains(answer, code) || b.calls.Load() != calls {
			t.Errorf("%s with %s: %d %s", body, key, status, answer)
		}
	}
	ok(testKey, `{"model":"m","input":"hi"}`)                                                 // r0
	ok("their-key", `{"model":"m","input":"hi"}`)                                             // r1
	ok(testKey, `{"model":"m","input":"hi","stream":true}`)                                   // r2
	ok(testKey, `{"model":"m","input":"hi","background":true}`)                               // r3
	ok(testKey, `{"model":"m","input":"hi","previous_response_id":null,"conversation":null}`) // r4
	ok(testKey, `{"model":"m","input":"hi","previous_response_id":"r0"}`)                     // r5
	ok(testKey, `{"model":"m","input":"hi","previous_response_id":"r2"}`)                     // r6
	ok("their-key", `{"model":"m","input":"hi","previous_response_id":"r1"}`)                 // r7
	const no = "previous_response_not_found"
	refused("their-key", `{"model":"m","input":"hi","previous_response_id":"r0"}`, no)
	refused("their-key", `{"model":"m","input":"hi","previous_response_id":"r2"}`, no)
	refused("their-key", `{"model":"m","input":"hi","previous_response_id":"r3"}`, no)
	refused("their-key", `{"model":"m","input":"hi","previous_response_id":"r5","stream":true}`, no)
	refused("their-key", `{"model":"m","input":"hi","previous_response_id":"\u0072\u0030"}`, no)
	refused("their-key", `{"model":"m","input":"hi","previous_response_\u0069d":"r0"}`, no)
	refused("their-key", `{"model":"m","input":"hi","Previous_Response_Id":"r0"}`, "invalid_value")
	refused(testKey, `{"model":"m","input":"hi","previous_response_id":"r1"}`, no)
	refused(testKey, `{"model":"m","input":"hi","previous_response_id":"never"}`, no)
	refused(testKey, `{"model":"m","input":"hi","previous_response_id":5}`, "invalid_value")
	refused(testKey, `{"model":"m","input":"hi","previous_response_id":"r0","previous_response_id":"r1"}`, "invalid_value")
	const item = "item_not_found"
	ok(testKey, `{"model":"m","input":[{"type":"item_reference","id":"item_r0"},{"role":"user","content":"more"}]}`)
	ok(testKey, `{"model":"m","input":[{"id":"item_r2"}]}`)
	ok(testKey, `{"model":"m","input":[{"type":"message","id":"of their own","role":"assistant","content":[]}]}`)
	refused("their-key", `{"model":"m","input":[{"role":"user","content":"hi"},{"type":"item_reference","id":"item_r0"}]}`, item)
	refused("their-key", `{"model":"m","input":[ {"type":"item\u005freference","\u0069d":"item_r2"} ]}`, item)
	refused("their-key", `{"model":"m","input":[{"id":"item_r0"}]}`, item)
	refused("their-key", `{"model":"m","input":[{"id":"item_r0","type":null}]}`, item)
	refused("their-key", `{"model":"m","input":[{"type":"item_reference","id":"item_r0","id":"item_r1"}]}`, "invalid_value")
	refused("their-key", `{"model":"m","input":[{"type":"item_reference","ID":"item_r0"}]}`, "invalid_value")
	refused(testKey, `{"model":"m","input":[{"type":"item_reference","id":"never"}]}`, item)
	refused(testKey, `{"model":"m","input":"hi","conversation":"c"}`, "conversation_not_found")
	refused(testKey, `{"model":"m","input":"hi","conversation":{"response":{"id":"r0"},"\u0069d":"c"}}`, "conversation_not_found")
	refused(testKey, `{"model":"m","input":"hi","conversation":{"ID":"c"}}`, "invalid_value")
	r.settled()
}

func TestWithOneTenantNobodyElsesAnswersCanBeNamed(t *testing.T) {
	b := keeping(t)
	r := start(t, config(b.URL))
	if resp, answer := r.post(responsesPath, `{"model":"m","input":"hi","previous_response_id":"of before","conversation":"c"}`); resp.StatusCode != 200 {
		t.Error(resp.StatusCode, answer)
	}
}

func TestOriginsAreBoundedAndThoseAskedForStay(t *testing.T) {
	o := origins{most: 10}
	name := func(i int) answerID { return answerIDOf(fmt.Sprint(i)) }
	for i := range 1000 {
		o.keep(name(i), origin{tenant: fmt.Sprint(i)})
		if of, ok := o.find(name(0)); !ok || of.tenant != "0" {
			t.Fatalf("after %d: %v %v", i, of, ok)
		}
		if len(o.now)+len(o.old) > 2*o.most {
			t.Fatalf("%d and %d are remembered", len(o.now), len(o.old))
		}
	}
	for i := 991; i < 1000; i++ {
		if of, ok := o.find(name(i)); !ok || of.tenant != fmt.Sprint(i) {
			t.Errorf("%d is %v %v", i, of, ok)
		}
	}
	if _, ok := o.find(name(500)); ok {
		t.Error("one of long ago is remembered")
	}
}

func TestAnAnswerOfOneGatewayIsGoneOnWithAtAnother(t *testing.T) {
	b := keeping(t)
	var notes sync.Map
	shared := Sharing{Gateways: 2, Wake: func(uint8) {},
		Note: func(name, text string) { notes.Store(name, text) },
		Noted: func(_ context.Context, name string) (string, error) {
			text, _ := notes.Load(name)
			s, _ := text.(string)
			return s, nil
		}}
	first, second := start(t, twoTenants(config(b.URL))), start(t, twoTenants(config(b.URL)))
	first.Share(shared)
	second.Share(shared)
	if resp, answer := first.post(responsesPath, `{"model":"m","input":"hi"}`); resp.StatusCode != 200 {
		t.Fatal(answer)
	}
	for key, want := range map[string]int{testKey: 200, "their-key": 400} {
		if resp, answer := second.post(responsesPath, `{"model":"m","input":"hi","previous_response_id":"r0"}`, "Authorization", "Bearer "+key); resp.StatusCode != want {
			t.Errorf("%s: %d %s", key, resp.StatusCode, answer)
		}
	}
	notes.Range(func(name, _ any) bool {
		notes.Store(name, "what no gateway writes")
		return true
	})
	third := start(t, twoTenants(config(b.URL)))
	third.Share(shared)
	if resp, answer := third.post(responsesPath, `{"model":"m","input":"hi","previous_response_id":"r0"}`); resp.StatusCode != 400 {
		t.Errorf("of a note that cannot be read: %d %s", resp.StatusCode, answer)
	}
}
