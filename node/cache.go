package node

import (
	"encoding/json"
	"fmt"
	"net/http"

	"weir/cache"
	"weir/cache/memory"
	"weir/observe"
)

// maxPurge bounds the body of a purge, in bytes.
const maxPurge = 4 << 10

// serveCache answers GET /admin/cache: what the stored answers take.
func (a *adminAPI) serveCache(w http.ResponseWriter, _ *http.Request) {
	s := a.cache.Stats()
	reply(w, struct {
		Entries    int              `json:"entries"`
		Bytes      int64            `json:"bytes"`
		Most       int64            `json:"most_bytes"`
		Evicted    uint64           `json:"evicted"`
		Generation cache.Generation `json:"generation"`
	}{s.Entries, s.Bytes, s.Most, s.Evicted, s.Generation})
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
func cacheLevels(s *memory.Store) observe.Cache {
	st := s.Stats()
	return observe.Cache{Entries: st.Entries, Bytes: st.Bytes, Evicted: st.Evicted}
}
