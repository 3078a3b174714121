package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"weir"
)

func TestTheSlotOfALoserIsFreeWhileTheWinnerAnswers(t *testing.T) {
	tr := newTrack(t)
	goOn := make(chan struct{})
	tr.arm(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	tr.armHedge(func(w http.ResponseWriter, r *http.Request) {
		streamText(tokenEvent)(w, r)
		w.(http.Flusher).Flush()
		select {
		case <-goOn:
			io.WriteString(w, finishEvent+doneEvent)
		case <-r.Context().Done():
		}
	})
	resp, err := tr.send(t.Context(), chatPath, streamed)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// The caller has the winner's headers, so the race is over.
	if d := tr.state.Load().list[0].demand(tr.now()).Deployments[0]; d.InFlight != 1 {
		t.Errorf("%d requests in flight, and one of two has lost", d.InFlight)
	}
	close(goOn)
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(body), doneEvent) {
		t.Errorf("%v: %s", err, body)
	}
	if rec := tr.rec(); rec.Attempts != 2 || rec.Outcome != weir.Completed {
		t.Errorf("%+v", rec)
	}
	tr.settled()
}

// A refusal reports no usage, so only the gateway's own count could be billed.
func TestALoserIsOnNoBill(t *testing.T) {
	tr := newTrack(t)
	tr.arm(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	tr.armHedge(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		io.WriteString(w, `{"error":{"message":"no","code":"content_filter"}}`)
	})
	resp, body := tr.post(chatPath, streamed)
	rec := tr.rec()
	tr.settled()
	if copies := tr.told(); resp.StatusCode != 400 || len(copies) != 1 || copies[0].Usage.Prompt == 0 {
		t.Errorf("%d %s, and the loser is %+v", resp.StatusCode, body, copies)
	}
	if rec.Usage != (weir.Usage{}) || rec.Cost != 0 {
		t.Errorf("the caller pays for %+v", rec.Usage)
	}
}
