package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
)

// heard records what a gateway passes on to the others.
type heard struct {
	mu    sync.Mutex
	until map[string]weir.Instant
	woken uint8
}

// sharing starts a gateway without other gateways that answer.
func sharing(t *testing.T, c Config) (*running, *heard) {
	h := &heard{until: map[string]weir.Instant{}}
	r := start(t, c)
	r.Share(Sharing{Gateways: 2,
		Wake: func(shards uint8) { h.mu.Lock(); defer h.mu.Unlock(); h.woken |= shards },
		Throttled: func(d, replica string, until weir.Instant) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.until[d+" "+replica] = until
		},
	})
	return r, h
}

func TestAProvidersTimeIsToldToOtherGatewaysAndHeededByThem(t *testing.T) {
	busy := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("retry-after-ms", "600000")
		w.WriteHeader(429)
		io.WriteString(w, `{"error":{"code":"429","message":"Rate limit is exceeded."}}`)
	})
	well := newBackend(t, answering)
	c := config(busy.URL, well.URL)
	c.Models[0].Deployments[1].Tier = 1
	first, told := sharing(t, c)
	if resp, answer := first.post(chatPath, chatBody); resp.StatusCode != 200 {
		t.Fatal(answer)
	}
	first.rec()
	told.mu.Lock()
	until := told.until["d0 0"]
	told.mu.Unlock()
	if d := until.Sub(first.Now()); d < time.Minute {
		t.Fatalf("told %v", d)
	}
	second, _ := sharing(t, c)
	second.Throttle("d0", "0", second.Now().Add(until.Sub(first.Now())))
	second.Throttle("gone", "0", until) // removed by a reload of this gateway, not yet of the other
	asked := busy.calls.Load()
	if resp, answer := second.post(chatPath, chatBody); resp.StatusCode != 200 || busy.calls.Load() != asked {
		t.Errorf("it asked what was said to be busy, %d times more: %d %s", busy.calls.Load()-asked, resp.StatusCode, answer)
	}
	second.rec()
}

// Without an answer a gateway has only its part of a limit, and asks for more at once.
func TestAGatewayDrawsOnItsLeases(t *testing.T) {
	c := config(newBackend(t, answering).URL)
	c.Tenants[0].Limits = meter.Limits{RequestsPerMinute: 4, Budget: meter.Budget{TokensPerDay: 1 << 40}}
	r, h := sharing(t, c)
	grant := func(requests int64) {
		r.Leases(func(ls *meter.Leases) {
			for shard := range meter.LeaseShards {
				for _, a := range ls.Asks(r.Now(), shard, nil, 100, true) {
					g := meter.Grant{Hold: a.Burst / 2, Level: a.Burst, Settled: true}
					if strings.HasSuffix(a.Name, "|requests_per_minute") {
						g.Hold = requests
					}
					ls.Granted(r.Now(), a, g)
				}
				ls.Contact(r.Now(), shard, 2, true)
			}
		})
	}
	grant(1)
	if resp, answer := r.post(chatPath, chatBody); resp.StatusCode != 200 {
		t.Fatal(answer)
	}
	r.rec()
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 429 || !strings.Contains(answer, "requests_per_minute of tenant demo") || resp.Header.Get("Retry-After-Ms") == "" {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	r.rec()
	h.mu.Lock()
	woken := h.woken
	h.mu.Unlock()
	if woken == 0 {
		t.Error("nobody was asked for more")
	}
	grant(1)
	if resp, answer := r.post(chatPath, chatBody); resp.StatusCode != 200 {
		t.Error(answer)
	}
	r.rec()
	r.settled()
}

func TestWhatOneGatewayBooksOfAQuotaOthersKnow(t *testing.T) {
	c := config(newBackend(t, answering).URL)
	c.Models[0].Deployments[0].Quota = dispatch.Quota{RequestsPerMinute: 60}
	first, _ := sharing(t, c)
	second, _ := sharing(t, c)
	if resp, answer := first.post(chatPath, chatBody); resp.StatusCode != 200 {
		t.Fatal(answer)
	}
	first.rec()
	first.Booked(func(deployment string, b dispatch.Booked) {
		if b.Requests != 1 || b.Tokens == 0 {
			t.Errorf("%s: %+v", deployment, b)
		}
		second.BookRemote(deployment, b)
	})
	d, err := second.Demand("d0")
	if err != nil || d.Here.QuotaUse == 0 {
		t.Errorf("it believes the quota unused: %+v %v", d.Here, err)
	}
}

func TestAnswersTeachOtherGateways(t *testing.T) {
	c := config(newBackend(t, answering).URL)
	first, _ := sharing(t, c)
	second, _ := sharing(t, c)
	for range 10 {
		first.post(chatPath, chatBody)
		first.rec()
	}
	first.settled()
	told := first.TakeAnswers()
	if len(told) != 10 || first.TakeAnswers() != nil {
		t.Fatalf("%+v", told)
	}
	second.Learn(told)
	second.spend.mu.Lock()
	defer second.spend.mu.Unlock()
	if got := second.spend.learned.Expect("demo", "m", 0); got != told[0].Tokens {
		t.Errorf("expects %d, the answers had %d", got, told[0].Tokens)
	}
	if second.spend.learned.TakeAnswers() != nil {
		t.Error("what was learned from others is told again")
	}
}
