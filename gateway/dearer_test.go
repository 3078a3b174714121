package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"weir"
	"weir/meter"
)

func TestWhatHasNoPriceIsRefusedAndWhatHasOneIsBookedAtIt(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		tier := "default"
		if strings.Contains(string(body), `"priority"`) {
			tier = "priority"
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"service_tier":"`+tier+
			`","usage":{"prompt_tokens":100,"completion_tokens":10,"prompt_tokens_details":{"audio_tokens":40}}}`)
	})
	priced := meter.Rates{Prompt: 1_000_000, Cached: 1_000_000, Completion: 1_000_000}
	all := priced
	all.Priority, all.AudioPrompt, all.AudioAnswer = 200, 10_000_000, 20_000_000
	sound := `"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"` + strings.Repeat("UklGRiQAAABXQVZF", 1024) + `","format":"wav"}}]}]`
	const text = `"messages":[{"role":"user","content":"hi"}]`
	f := func(rates meter.Rates, members string, status int, cost weir.Money) {
		t.Helper()
		c := config(b.URL)
		c.Models[0].Deployments[0].Rates, c.Models[0].Deployments[0].Price = rates, "as told"
		r := start(t, c)
		resp, answer := r.post(chatPath, `{"model":"m",`+members+`}`)
		rec := r.rec()
		if resp.StatusCode != status || status == 200 && (rec.Cost != cost || rec.Price != "as told") {
			t.Errorf("%s: %d, cost %d, %q: %s", members, resp.StatusCode, rec.Cost, rec.Price, answer)
		}
		if status == 400 && (rec.Code != "no_price" || rec.Outcome != weir.Refused || !strings.Contains(answer, "has no price at the deployment")) {
			t.Errorf("%+v %s", rec, answer)
		}
		r.settled()
	}
	f(priced, text+`,"service_tier":"priority"`, 400, 0)
	f(priced, text+`,"service_tier":"flex"`, 400, 0)
	f(priced, text+`,"service_tier":"ultrafast"`, 400, 0)
	f(priced, text+`,"speed":"fast"`, 400, 0)
	f(priced, text+`,"modalities":["text","audio"],"audio":{"voice":"alloy"}`, 400, 0)
	f(priced, sound, 400, 0)
	f(priced, strings.Replace(sound, "input_audio", `input\u005fa\u0075dio`, 1), 400, 0)
	f(priced, `"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]`, 400, 0)
	f(priced, `"messages":[{"role":"user","content":"\"input_audio\" and \\u0069"}]`, 200, 110)
	f(priced, text+`,"modalities":["text","\u0061udio"]`, 400, 0)
	f(priced, text+`,"service_tier":"auto","modalities":["text"],"audio":null`, 200, 110)
	f(all, text+`,"service_tier":"priority"`, 200, 2*(60+400+10))
	f(all, text+`,"service_tier":"flex"`, 400, 0)
	f(all, sound, 200, 60+400+10)
	f(meter.Rates{}, text+`,"service_tier":"priority"`, 200, 0)
}
