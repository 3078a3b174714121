package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

func TestConfigurationIsSwappedUnderLoadWithoutLosingARequest(t *testing.T) {
	a, b := newBackend(t, answering), newBackend(t, answering)
	r := start(t, config(a.URL))
	var wg sync.WaitGroup
	var stop atomic.Bool
	var sent, bad atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			body := []string{chatBody, streamed}[i%2]
			for !stop.Load() {
				resp, err := r.send(t.Context(), chatPath, body)
				sent.Add(1)
				if err != nil {
					bad.Add(1)
					t.Error(err)
					return
				}
				answer, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || i%2 == 1 && !strings.HasSuffix(string(answer), doneEvent) {
					bad.Add(1)
					t.Errorf("%d %s %v", resp.StatusCode, answer, err)
				}
			}
		})
	}
	for i := range 60 {
		c := config([]string{a.URL, b.URL}[i%2])
		if i%3 == 0 {
			c = config(a.URL, b.URL)
		}
		if err := r.Apply(c); err != nil {
			t.Error(err)
		}
		done := sent.Load() + 10
		eventually(t, "traffic flows", func() bool { return sent.Load() >= done || bad.Load() > 0 })
	}
	stop.Store(true)
	wg.Wait()
	r.settled()
	if int64(len(r.records)) != sent.Load() {
		t.Errorf("%d requests, %d records", sent.Load(), len(r.records))
	}
	if a.calls.Load() == 0 || b.calls.Load() == 0 {
		t.Error("a configuration was never in force")
	}
}

func TestABadConfigurationChangesNothingAndNamesEveryFault(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	bad := config("http://a", "http://b")
	bad.Models[0].Deployments[1].Name = "d0"
	bad.Models = append(bad.Models, Model{Name: "m"})
	bad.Tenants = append(bad.Tenants, Tenant{Name: "demo", Models: []string{"x"}, Keys: []Key{{Name: "a", SHA256: sum(testKey)}, {Name: "a"}}})
	err := r.Apply(bad)
	for _, want := range []string{`deployment name "d0" is given twice`, `model name "m" is given twice`, `model "m" has no deployment`, `tenant name "demo" is given twice`,
		`keys "demo/ci" and "demo/a" are the same key`, `key "demo/a": every key`, `key "demo/a" has no SHA-256`, `may use model "x"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not stand in: %v", want, err)
		}
	}
	wrong := config("http://a")
	wrong.Models[0].Deployments[0].Upstream.Dialect = nil
	if err := r.Apply(wrong); err == nil || !strings.Contains(err.Error(), `deployment "d0"`) {
		t.Error(err)
	}
	if resp, answer := r.post(chatPath, chatBody); resp.StatusCode != 200 {
		t.Error(answer)
	}
	if _, err := New(Options{Dialects: protocols, Config: bad}); err == nil {
		t.Error("a gateway was made of a bad configuration")
	}
}

func TestRequestsThatWaitGoByTheNewConfiguration(t *testing.T) {
	b := newBackend(t, answering)
	c := config("")
	c.Models[0].Deployments[0].Elastic = true
	r := start(t, c)
	got := make(chan string, 1)
	go func() {
		resp, err := r.send(t.Context(), chatPath, chatBody)
		if err != nil {
			got <- err.Error()
			return
		}
		resp.Body.Close()
		got <- fmt.Sprint(resp.StatusCode, " by ", resp.Header.Get("X-Weir-Deployment"))
	}()
	eventually(t, "it waits", func() bool { d, _ := r.Demand("d0"); return d.Model.Waiting == 1 })
	next := config(b.URL)
	next.Models[0].Deployments[0].Name = "new"
	if err := r.Apply(next); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "200 by new" {
		t.Error(s)
	}
	r.settled()
}

func TestRequestsThatWaitForAModelThatIsTakenAwayAreToldSo(t *testing.T) {
	c := config("")
	c.Models[0].Deployments[0].Elastic = true
	r := start(t, c)
	got := make(chan int, 1)
	go func() {
		resp, err := r.send(t.Context(), chatPath, chatBody)
		if err != nil {
			got <- 0
			return
		}
		resp.Body.Close()
		got <- resp.StatusCode
	}()
	eventually(t, "it waits", func() bool { d, _ := r.Demand("d0"); return d.Model.Waiting == 1 })
	next := Config{Tenants: c.Tenants, Models: []Model{{Name: "other", Deployments: []Deployment{{
		Deployment: dispatch.Deployment{Name: "o", Weight: 1}, Upstream: upstream.Options{Dialect: openAI}}}}}}
	if err := r.Apply(next); err != nil {
		t.Fatal(err)
	}
	if status := <-got; status != 503 {
		t.Error(status)
	}
	r.settled()
	if _, err := r.Demand("d0"); err == nil {
		t.Error("a deployment that is no more has a demand")
	}
}

func TestARequestInFlightEndsOverTheConnectionsItBeganWith(t *testing.T) {
	hold := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, roleEvent+tokenEvent)
		w.(http.Flusher).Flush()
		<-hold
		io.WriteString(w, finishEvent+doneEvent)
	})
	r := start(t, config(b.URL))
	resp, err := r.send(t.Context(), chatPath, streamed)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	next := config("http://127.0.0.1:1")
	next.Models[0].Deployments[0].Name = "new"
	if err := r.Apply(next); err != nil {
		t.Fatal(err)
	}
	close(hold)
	if answer, err := io.ReadAll(resp.Body); err != nil || string(answer) != roleEvent+tokenEvent+finishEvent+doneEvent {
		t.Error(string(answer), err)
	}
	if rec := r.rec(); rec.Outcome != weir.Completed || rec.Deployment != "d0" {
		t.Errorf("%+v", rec)
	}
}

func TestAStopLetsRequestsEndAndThenCutsThemWithAnErrorEvent(t *testing.T) {
	release := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, roleEvent+tokenEvent)
		w.(http.Flusher).Flush()
		if r.Header.Get("Tracestate") == "quick" {
			<-release
			io.WriteString(w, finishEvent+doneEvent)
			return
		}
		<-r.Context().Done()
	})
	r := start(t, config(b.URL), func(o *Options) { o.Drain = 300 * time.Millisecond })
	open := func(state string) *http.Response {
		resp, err := r.send(t.Context(), chatPath, streamed, "Tracestate", state)
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(resp.Body, make([]byte, len(roleEvent+tokenEvent)))
		return resp
	}
	quick, slow := open("quick"), open("slow")
	r.stop()
	eventually(t, "it says that it stops", func() bool { return !r.Ready() })
	close(release)
	if rest, err := io.ReadAll(quick.Body); string(rest) != finishEvent+doneEvent || err != nil {
		t.Errorf("a stream that could end was cut: %q %v", rest, err)
	}
	rest, err := io.ReadAll(slow.Body)
	if err != nil || !strings.HasPrefix(string(rest), `data: {"error":`) || !strings.Contains(string(rest), "gateway_stopping") {
		t.Errorf("%q %v", rest, err)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil
	if rec := r.rec(); rec.Outcome != weir.Failure || rec.Fault != weir.GatewayFault {
		t.Errorf("%+v", rec)
	}
	if _, err := r.send(t.Context(), chatPath, chatBody); err == nil {
		t.Error("a stopped gateway took a request")
	}
	r.settled()
}

func TestAStopRefusesWhatStillWaits(t *testing.T) {
	c := config("")
	c.Models[0].Deployments[0].Elastic = true
	r := start(t, c)
	got := make(chan int, 1)
	go func() {
		resp, err := r.send(t.Context(), chatPath, chatBody)
		if err != nil {
			got <- 0
			return
		}
		resp.Body.Close()
		got <- resp.StatusCode
	}()
	eventually(t, "it waits", func() bool { d, _ := r.Demand("d0"); return d.Model.Waiting == 1 })
	r.stop()
	if status := <-got; status != 503 {
		t.Error(status)
	}
	r.settled()
}
