package node

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"weir/cache"
	"weir/cache/memory"
	"weir/cache/remote"
	"weir/observe"
)

// maxPurge bounds the body of a purge, in bytes.
const maxPurge = 4 << 10

// openAnswers makes the store of answers, before the one that gateways share if there is
// one.
func (n *Node) openAnswers(s *Setup) error {
	if !s.ShareCache || s.Sharing == nil {
		n.answers = memory.New(s.Cache, nil)
		return nil
	}
	c, err := s.Sharing.Redis.Connection()
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	n.remote = remote.New(remote.Options{Connection: c, Prefix: s.Sharing.Redis.Prefix, MostBody: s.Cache.MostBody, Log: n.log})
	n.answers = memory.New(s.Cache, n.remote)
	return nil
}

// remoteView is the store that gateways share, as operators see it.
type remoteView struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`
	Error     string    `json:"error,omitempty"`
	Hits      uint64    `json:"hits"`
	Misses    uint64    `json:"misses"`
	Late      uint64    `json:"late"`
	Foreign   uint64    `json:"foreign"`
	Stored    uint64    `json:"stored"`
	Dropped   uint64    `json:"dropped"`
	Failed    uint64    `json:"failed"`
}

func viewOfRemote(r *remote.Store) *remoteView {
	if r == nil {
		return nil
	}
	s := r.Status()
	return &remoteView{s.Connected, s.Since, s.Error, s.Hits, s.Misses, s.Late, s.Foreign, s.Stored, s.Dropped, s.Failed}
}

// serveCache answers GET /admin/cache: what the stored answers take.
func (a *adminAPI) serveCache(w http.ResponseWriter, _ *http.Request) {
	s := a.cache.Stats()
	reply(w, struct {
		Entries    int              `json:"entries"`
		Bytes      int64            `json:"bytes"`
		Most       int64            `json:"most_bytes"`
		Evicted    uint64           `json:"evicted"`
		Generation cache.Generation `json:"generation"`
		Redis      *remoteView      `json:"redis,omitempty"`
	}{s.Entries, s.Bytes, s.Most, s.Evicted, s.Generation, viewOfRemote(a.remote)})
}

// servePurge answers POST /admin/cache/purge, whose body is a cache.Selector.
func (a *adminAPI) servePurge(w http.ResponseWriter, r *http.Request) {
	var sel cache.Selector
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPurge))
	d.DisallowUnknownFields()
	if err := d.Decode(&sel); err != nil {
		http.Error(w, fmt.Sprintf("the body: %v; want one of {\"tenant\":...}, {\"model\":...}, {\"namespace\":...}, {\"tag\":...}, {\"all\":true}", err), http.StatusBadRequest)
		return
	}
	if _, err := sel.Name(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, err := a.cache.Purge(r.Context(), sel)
	if err != nil {
		http.Error(w, fmt.Sprintf("%d answers purged here, but other gateways do not know of it: %v: purge again when Redis answers", n, err), http.StatusBadGateway)
		return
	}
	reply(w, struct {
		Purged int `json:"purged"`
	}{n})
}

// cacheLevels runs at each scrape.
func cacheLevels(s *memory.Store, shared *remote.Store) observe.Cache {
	st := s.Stats()
	c := observe.Cache{Entries: st.Entries, Bytes: st.Bytes, Evicted: st.Evicted}
	if shared != nil {
		r := shared.Status()
		c.Redis = &observe.CacheRedis{Up: r.Connected, Hits: r.Hits, Misses: r.Misses, Late: r.Late, Foreign: r.Foreign, Stored: r.Stored, Dropped: r.Dropped, Failed: r.Failed}
	}
	return c
}
