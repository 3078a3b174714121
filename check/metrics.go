package check

import (
	"context"

	"weir/scrape"
)

// metricsNote names the engine whose metrics a server has, and the metrics Weir
// misses there; "" if its configuration has no metrics path.
func metricsNote(ctx context.Context, base, path string) string {
	if path == "" {
		return ""
	}
	c := scrape.New(scrape.Options{Path: path})
	defer c.Close()
	r, err := c.Read(ctx, base)
	switch {
	case err != nil:
		return "; no metrics at " + path
	case r.Lacks != "" && r.Engine == "":
		return "; its metrics are of an unknown engine"
	case r.Lacks != "":
		return "; its metrics are " + r.Engine + "'s but lack " + r.Lacks
	case r.Engine != "":
		return "; its metrics are " + r.Engine + "'s"
	}
	return ""
}
