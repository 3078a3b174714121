package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
)

// bubble is a gateway without a network, with its own time.
type bubble struct {
	*Gateway
	t       *testing.T
	records []weir.Record
}

func inBubble(t *testing.T, c Config, f func(b *bubble)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t}
		var err error
		if b.Gateway, err = New(Options{Dialects: protocols, Config: c, Record: func(r weir.Record) { b.records = append(b.records, r) }}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { b.ring(ctx); close(done) }()
		f(b)
		stop()
		<-done
	})
}

// ask serves one request to its end and returns its answer and record.
func (b *bubble) ask(ctx context.Context, body string) (*httptest.ResponseRecorder, weir.Record) {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, "POST", chatPath, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testKey)
	b.ServeHTTP(w, r)
	return w, b.records[len(b.records)-1]
}

// coming is a configuration whose only deployment has no replica yet.
func coming() Config {
	c := config("")
	c.Models[0].Deployments[0].Elastic = true
	c.Models[0].Queue = dispatch.Queue{MaxWait: 30 * time.Second, MaxWaitCold: 7 * time.Minute}
	return c
}

func TestTheAlarmEndsAWaitExactlyAtItsDeadline(t *testing.T) {
	inBubble(t, coming(), func(b *bubble) {
		w, rec := b.ask(b.t.Context(), chatBody)
		if w.Code != 503 || rec.Code != string(dispatch.ColdTimeout) || rec.Queued != 7*time.Minute || w.Header().Get("X-Weir-Queue-Ms") != "420000" || rec.Ended.Sub(rec.Arrived) != 7*time.Minute {
			t.Errorf("%d %+v", w.Code, rec)
		}
	})
}

func TestACallerThatLeavesTheQueueIsForgottenAtOnce(t *testing.T) {
	inBubble(t, coming(), func(b *bubble) {
		ctx, leave := context.WithTimeout(b.t.Context(), 90*time.Second)
		defer leave()
		_, rec := b.ask(ctx, streamed)
		if rec.Queued != 90*time.Second || rec.Status != 499 || rec.Outcome != weir.Failure || rec.Ended.Sub(rec.Arrived) != 90*time.Second {
			t.Errorf("%+v", rec)
		}
		if d, _ := b.Demand("d0"); d.Model.Waiting != 0 || d.Model.Cancelled != 1 || d.Attained+d.Missed != 0 {
			t.Errorf("%+v", d)
		}
	})
}

func TestAWaitThatIsCutByAStopIsTheGatewaysFault(t *testing.T) {
	inBubble(t, coming(), func(b *bubble) {
		ctx, cut := context.WithCancelCause(b.t.Context())
		time.AfterFunc(time.Minute, func() { cut(errStopping) })
		w, rec := b.ask(ctx, chatBody)
		if w.Code != 503 || rec.Code != "gateway_stopping" || rec.Fault != weir.GatewayFault || rec.Outcome != weir.Failure {
			t.Errorf("%d %+v", w.Code, rec)
		}
	})
}

func TestRetryAfterOfALimitIsWhenTheLimitLetsThrough(t *testing.T) {
	c := coming()
	c.Models[0].Queue.MaxWaitCold = time.Millisecond // each request is refused at once and returns its reservation
	c.Tenants[0].Limits = meter.Limits{RequestsPerMinute: 60, MaxConcurrent: 1}
	inBubble(t, c, func(b *bubble) {
		go b.ask(b.t.Context(), chatBody)
		synctest.Wait()
		w, rec := b.askBeside()
		if w.Code != 429 || rec.Code != "concurrency_limit_exceeded" || w.Header().Get("Retry-After-Ms") == "" {
			t.Errorf("%d %v %+v", w.Code, w.Header(), rec)
		}
		time.Sleep(time.Second)
		synctest.Wait()
	})
}

// askBeside asks while another request waits; its record is the first emitted.
func (b *bubble) askBeside() (*httptest.ResponseRecorder, weir.Record) {
	w, _ := b.ask(b.t.Context(), chatBody)
	return w, b.records[0]
}

func TestCertificatesThatChangeAreSeenWithinAMinute(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writeCert(t, dir, 1)
	synctest.Test(t, func(t *testing.T) {
		c, err := openCertificates(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := c.get(nil)
		c.read[0] = c.read[0].Add(-time.Second) // as if the file had changed since
		if again, _ := c.get(nil); again != first {
			t.Error("the files were looked at within the minute")
		}
		time.Sleep(lookEvery)
		if again, _ := c.get(nil); again == first {
			t.Error("the files were not looked at after a minute")
		}
	})
}

func TestCallersAreGivenTheirFullTimeByFewDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		var x httpCaller
		x.begin(w, httptest.NewRequest("POST", "/", nil), &Bounds{WriteTimeout: 10 * time.Second})
		for range 1000 {
			if left := time.Until(w.write); left < 10*time.Second || left > 11*time.Second {
				t.Fatal("the caller has", left)
			}
			time.Sleep(100 * time.Millisecond)
			if err := x.Flush(time.Now()); err != nil && !errors.Is(err, http.ErrNotSupported) {
				t.Fatal(err)
			}
		}
		if w.sets > 2*moveEvery*5 {
			t.Errorf("the deadline was moved %d times in 100 s", w.sets)
		}
	})
}

type deadlines struct {
	*httptest.ResponseRecorder
	write time.Time
	sets  int
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	d.sets++
	return nil
}

// A caller that reads a large answer slowly, but reads, is not cut off.
func TestASlowCallerOfALargeAnswerGetsItWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &reader{deadlines: deadlines{ResponseRecorder: httptest.NewRecorder()}, perSecond: 100 << 10}
		var x httpCaller
		x.begin(w, httptest.NewRequest("POST", "/", nil), &Bounds{WriteTimeout: 10 * time.Second})
		answer := strings.Repeat("a", 10<<20)
		if err := x.Send([]byte(answer)); err != nil || w.Body.String() != answer {
			t.Errorf("%v after %d bytes", err, w.Body.Len())
		}
	})
}

// reader is a caller that reads at a steady rate.
type reader struct {
	deadlines
	perSecond int
}

func (r *reader) Write(p []byte) (int, error) {
	takes := time.Duration(len(p)) * time.Second / time.Duration(r.perSecond)
	if left := time.Until(r.write); left < takes {
		time.Sleep(left)
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(takes)
	return r.ResponseRecorder.Write(p)
}
