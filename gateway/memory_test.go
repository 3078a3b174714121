package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/meter"
)

// large is a chat whose body is about n bytes.
func large(n int) string {
	return `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", n) + `"}]}`
}

// Many large bodies at once, of a key that may have twenty requests in flight: each is
// answered, and their total never exceeds the bound.
func TestBodiesTogetherAreBoundedAndEachIsAnswered(t *testing.T) {
	for name, tune := range map[string]func(*Config){
		"of a key with a limit": func(c *Config) { c.Tenants[0].Keys[0].Limits = meter.Limits{MaxConcurrent: 20} },
		"of a key without":      func(*Config) {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, answering)
			c := config(b.URL)
			tune(&c)
			c.Bounds.MaxBody, c.Bounds.MaxBodyMemory = 1<<20, 3<<20
			r := start(t, c)
			body := large(500 << 10)
			var mu sync.Mutex
			statuses := map[int]int{}
			var wg sync.WaitGroup
			for i := range 60 {
				wg.Go(func() {
					req, _ := http.NewRequest("POST", r.url+chatPath, strings.NewReader(body))
					if i%2 == 0 { // without a stated length
						req.ContentLength = -1
					}
					req.Header.Set("Authorization", "Bearer "+testKey)
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if s := resp.StatusCode; s != 200 && (s != 429 && s != 503 || resp.Header.Get("Retry-After") == "") {
						t.Error(resp.Status, resp.Header)
					}
					mu.Lock()
					defer mu.Unlock()
					statuses[resp.StatusCode]++
				})
			}
			wg.Wait()
			if statuses[200] == 0 {
				t.Error("none was served:", statuses)
			}
			if peak := r.bodies.peak.Load(); peak > c.Bounds.MaxBodyMemory {
				t.Errorf("bodies took %d bytes together, and %d are allowed", peak, c.Bounds.MaxBodyMemory)
			}
			r.settled()
		})
	}
}

// hung is a request whose body was announced and does not arrive.
type hung struct {
	*io.PipeWriter
	status chan int
}

func (r *running) hang(t *testing.T, begins string) hung {
	t.Helper()
	body, w := io.Pipe()
	h := hung{w, make(chan int, 1)}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", r.url+chatPath, body)
	req.Header.Set("Authorization", "Bearer "+testKey)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			h.status <- 0
			return
		}
		resp.Body.Close()
		h.status <- resp.StatusCode
	}()
	if _, err := io.WriteString(w, begins); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestOneThatIsStillSendingCountsAmongThoseInFlight(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Tenants[0].Limits = meter.Limits{MaxConcurrent: 1}
	r := start(t, c)
	h := r.hang(t, `{"model":"m",`)
	eventually(t, "it is at the door", func() bool { return r.bodies.held.Load() > 0 })
	resp, answer := r.post(chatPath, large(knockFrom))
	if resp.StatusCode != 429 || !strings.Contains(answer, "concurrency_limit_exceeded") || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	if rec := r.rec(); rec.Tenant != "demo" || rec.Key != "ci" {
		t.Errorf("%+v", rec)
	}
	fmt.Fprint(h, `"messages":[]}`)
	h.Close()
	if s := <-h.status; s != 200 {
		t.Error(s)
	}
	r.rec()
	r.settled()
	if resp, answer := r.post(chatPath, large(knockFrom)); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
}

func TestLargeBodiesLeaveRoomForSmallOnesAndOneAloneFits(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Bounds.MaxBody, c.Bounds.MaxBodyMemory = 4<<20, 1<<20
	r := start(t, c)
	if resp, answer := r.post(chatPath, large(3<<20)); resp.StatusCode != 200 {
		t.Errorf("alone: %d %s", resp.StatusCode, answer)
	}
	r.settled()
	h := r.hang(t, large(700 << 10)[:700<<10])
	eventually(t, "most of the memory is taken", func() bool { return r.bodies.held.Load() > 700<<10 })
	resp, answer := r.post(chatPath, large(200<<10))
	if resp.StatusCode != 503 || !strings.Contains(answer, "body_memory_full") || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("another large one: %d %s", resp.StatusCode, answer)
	}
	h.Close()
	if s := <-h.status; s != 400 {
		t.Error(s)
	}
	r.settled()
}

func TestTheLastEighthOfTheMemoryIsForSmallBodies(t *testing.T) {
	m := bodyMemory{}
	m.most.Store(8 << 20)
	f := func(n, own int64, want bool) {
		t.Helper()
		if held := m.held.Load(); m.take(n, own) != want {
			t.Errorf("%d bytes more of a body that has %d, with %d of all in use: taken %v", n, own, held, !want)
		}
	}
	f(6<<20, 0, true)
	f(1<<20+1, 0, false) // one byte of the last eighth
	f(1<<20, 0, true)    // all before it
	f(1, smallBody, false)
	f(smallBody+1, 0, false)
	for range 1 << 20 / smallBody {
		f(smallBody, 0, true)
	}
	f(1, 0, false) // all is taken
}

func TestMemoryOfManyBodiesIsGivenBackOnceTheyAreGone(t *testing.T) {
	m := bodyMemory{fell: make(chan struct{}, 1)}
	m.most.Store(1 << 30)
	told := func() bool {
		select {
		case <-m.fell:
			return true
		default:
			return false
		}
	}
	m.take(worthGiving/2, 0)
	m.give(worthGiving / 2)
	if told() {
		t.Error("little is given back")
	}
	m.take(worthGiving, 0)
	m.take(worthGiving, 0)
	m.give(worthGiving)
	if told() {
		t.Error("half of it is in use")
	}
	m.give(worthGiving)
	if !told() {
		t.Error("it is kept")
	}
}

// A refused caller that keeps sending gets its answer, and the connection ends.
func TestARefusedCallerThatSendsOnReadsItsAnswer(t *testing.T) {
	c := config("http://127.0.0.1:1")
	c.Bounds.MaxBody = 1 << 20
	c.Tenants[0].Limits = meter.Limits{RequestsPerMinute: 1, Burst: time.Minute}
	r := start(t, c)
	r.post(chatPath, chatBody)
	for range 5 {
		if resp, answer := r.post(chatPath, large(900<<10)); resp.StatusCode != 429 {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
	}
}
