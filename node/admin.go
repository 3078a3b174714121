package node

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"time"

	"weir"
	"weir/cache/meaning"
	"weir/cache/memory"
	"weir/cache/remote"
	"weir/meter"
)

// adminAPI is the operators' API of a running node. It has an address of its
// own: loopback, or guarded by a token.
type adminAPI struct {
	token         string   // "" on loopback only
	hosts         []string // host names accepted without a token, besides localhost and IP addresses
	metrics       http.Handler
	ready         func() error
	note          func() string // what /readyz says after ok
	shared        func(http.ResponseWriter, *http.Request)
	reload        func() error
	replicas      func() []replicaView
	usage         func(context.Context, meter.Query) ([]meter.Row, error)
	recent        func() []decisionView
	short         func() []shortage
	starts        func() []startView
	gateways      func(context.Context) ([]gatewayView, error)
	canaries      func() []canaryView
	restartCanary func(deployment string) error
	cache         *memory.Store
	meanings      func() []meaning.Figures
	remote        *remote.Store // nil: none
	account       Account       // nil: none
	log           *slog.Logger
}

// replicaView is one replica as operators see it.
type replicaView struct {
	Deployment string    `json:"deployment"`
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Units      int       `json:"units,omitempty"` // servers behind Addr, if more than one
	Addr       string    `json:"addr,omitempty"`
	Since      time.Time `json:"since"`
	InFlight   int       `json:"in_flight"`
	Work       int       `json:"work_tokens"`
	Why        string    `json:"why,omitempty"` // Detail in a word that stays the same, where the place has one
	Detail     string    `json:"detail,omitempty"`
}

// AdminPaths are the paths of the admin address that people look at.
var AdminPaths = []string{
	"/metrics", "/healthz", "/readyz", "/admin/replicas", "/admin/decisions", "/admin/shortages", "/admin/starts", "/admin/canaries", "/admin/usage",
	"/admin/gateways", "/admin/shared", "/admin/cache", "/admin/cache/meaning", "/admin/quota", "/admin/capacity",
}

func (a *adminAPI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics)
	mux.HandleFunc("GET /admin/replicas", func(w http.ResponseWriter, _ *http.Request) { reply(w, a.replicas()) })
	mux.HandleFunc("GET /admin/decisions", func(w http.ResponseWriter, _ *http.Request) { reply(w, a.recent()) })
	mux.HandleFunc("GET /admin/shortages", func(w http.ResponseWriter, _ *http.Request) { reply(w, a.short()) })
	mux.HandleFunc("GET /admin/starts", func(w http.ResponseWriter, _ *http.Request) { reply(w, a.starts()) })
	mux.HandleFunc("GET /admin/usage", a.serveUsage)
	mux.HandleFunc("GET /admin/gateways", a.serveGateways)
	mux.HandleFunc("GET /admin/shared", func(w http.ResponseWriter, r *http.Request) { a.shared(w, r) })
	mux.HandleFunc("POST /admin/reload", a.serveReload)
	mux.HandleFunc("GET /admin/canaries", func(w http.ResponseWriter, _ *http.Request) { reply(w, a.canaries()) })
	mux.HandleFunc("POST /admin/canaries/restart", a.serveCanaryRestart)
	mux.HandleFunc("GET /admin/cache", a.serveCache)
	mux.HandleFunc("POST /admin/cache/purge", a.servePurge)
	mux.HandleFunc("GET /admin/cache/meaning", func(w http.ResponseWriter, _ *http.Request) { reply(w, a.meanings()) })
	a.accountRoutes(mux)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "unknown path; there are "+strings.Join(AdminPaths, " ")+", and POST /admin/reload", http.StatusNotFound)
	})
	guarded := a.guard(mux)

	open := http.NewServeMux() // probes carry no token
	open.Handle("/", guarded)
	open.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	open.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := a.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
		if note := a.note(); note != "" {
			fmt.Fprintln(w, note)
		}
	})
	if a.token == "" {
		return local(a.hosts, open)
	}
	return open
}

func (a *adminAPI) guard(next http.Handler) http.Handler {
	if a.token == "" {
		return next
	}
	want := []byte("Bearer " + a.token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("authorization")), want) != 1 {
			w.Header().Set("www-authenticate", "Bearer")
			http.Error(w, "the admin address needs its token: authorization: Bearer ...", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *adminAPI) serveReload(w http.ResponseWriter, _ *http.Request) {
	if err := a.reload(); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	fmt.Fprintln(w, "reloaded")
}

// serveGateways answers GET /admin/gateways: the gateways on the same database.
func (a *adminAPI) serveGateways(w http.ResponseWriter, r *http.Request) {
	views, err := a.gateways(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	reply(w, views)
}

// maxUsage is the longest period of one usage query.
const maxUsage = 400 * 24 * time.Hour

// serveUsage answers GET /admin/usage?since=24h&step=hour&tenant=&key=&model=&deployment=.
// by=price splits rows by price; by=key, or naming a key, splits them by key.
func (a *adminAPI) serveUsage(w http.ResponseWriter, r *http.Request) {
	q, err := usageQuery(r, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rows, err := a.usage(r.Context(), q)
	switch {
	case errors.Is(err, meter.ErrTooManyRows):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		a.log.Error("usage", "error", err)
		http.Error(w, "the ledger cannot be read: "+err.Error(), http.StatusInternalServerError)
	default:
		reply(w, usageViews(rows))
	}
}

func usageQuery(r *http.Request, now time.Time) (meter.Query, error) {
	form := r.URL.Query()
	since := 24 * time.Hour
	if s := form.Get("since"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 || d > maxUsage {
			return meter.Query{}, fmt.Errorf("since=%.40q: want a duration such as 90m or 24h, at most %v", s, maxUsage)
		}
		since = d
	}
	steps := map[string]meter.Step{"": meter.PerHour, "minute": meter.PerMinute, "hour": meter.PerHour, "day": meter.PerDay}
	step, ok := steps[form.Get("step")]
	if !ok {
		return meter.Query{}, fmt.Errorf("step=%.40q: want minute, hour or day", form.Get("step"))
	}
	by := map[string]bool{}
	for _, b := range form["by"] {
		if by[b] = true; b != "key" && b != "price" {
			return meter.Query{}, fmt.Errorf("by=%.40q: want key or price, or leave it out", b)
		}
	}
	return meter.Query{
		From: now.Add(-since).Unix() / 60, Step: step,
		Tenant: form.Get("tenant"), Key: form.Get("key"), AllKeys: !form.Has("key") && !by["key"], Prices: by["price"], Model: form.Get("model"), Deployment: form.Get("deployment"),
	}, nil
}

// usageView is one row of the ledger as operators see it.
type usageView struct {
	From       time.Time  `json:"from"`
	Tenant     string     `json:"tenant"`
	Key        string     `json:"key,omitempty"`
	Model      string     `json:"model"`
	Deployment string     `json:"deployment"`
	Requests   int64      `json:"requests"`
	Completed  int64      `json:"completed"`
	Refused    int64      `json:"refused"`
	Failed     int64      `json:"failed"`
	Estimated  int64      `json:"estimated"`
	Prompt     int64      `json:"prompt_tokens"`
	Cached     int64      `json:"cached_tokens"`
	Completion int64      `json:"completion_tokens"`
	Written    int64      `json:"cache_write_tokens"`
	Hourly     int64      `json:"cache_write_hour_tokens"`
	AudioIn    int64      `json:"audio_prompt_tokens"`
	Reasoning  int64      `json:"reasoning_tokens"`
	AudioOut   int64      `json:"audio_completion_tokens"`
	Cost       weir.Money `json:"cost_dollars"`
	Stored     int64      `json:"stored"`          // of completed: answered without the model
	SavedTok   int64      `json:"saved_tokens"`    // of these, and of the stored part of embeddings, as counted when the model made them
	Saved      weir.Money `json:"saved_dollars"`   // what it cost then
	Price      string     `json:"price,omitempty"` // the prices behind Cost and their source, with by=price
}

func usageViews(rows []meter.Row) []usageView {
	views := make([]usageView, 0, len(rows))
	for _, r := range rows {
		views = append(views, usageView{
			From: time.Unix(r.Minute*60, 0).UTC(), Tenant: r.Tenant, Key: r.Key, Model: r.Model, Deployment: r.Deployment,
			Requests: r.Requests, Completed: r.Completed, Refused: r.Refused, Failed: r.Failed, Estimated: r.Estimated,
			Prompt: r.Prompt, Cached: r.Cached, Completion: r.Completion,
			Written: r.Written, Hourly: r.WrittenHour, AudioIn: r.AudioPrompt, Reasoning: r.Reasoning, AudioOut: r.AudioAnswer,
			Cost: r.Cost, Price: r.Price, Stored: r.Stored, SavedTok: r.SavedTokens, Saved: r.Saved,
		})
	}
	return views
}

// runAdmin serves the admin address until ctx ends.
func runAdmin(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		WriteTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("admin address: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		srv.Close()
	}
	<-served
	return nil
}

// reply writes v as indented JSON.
func reply(w http.ResponseWriter, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	data = append(data, '\n')
	w.Header().Set("content-type", "application/json")
	w.Header().Set("content-length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // a client that left needs no answer
}

// viewOf shows a replica and its requests in flight.
func viewOf(r weir.Replica, inFlight, work int) replicaView {
	return replicaView{
		Deployment: r.Deployment, ID: r.ID, State: r.State.String(), Addr: r.Addr, Units: r.Units,
		Since: r.Since.Time().Truncate(time.Millisecond), InFlight: inFlight, Work: work, Why: r.Why, Detail: strings.TrimSpace(r.Detail),
	}
}
