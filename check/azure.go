package check

import (
	"context"
	"time"

	"weir/config"
	"weir/price"
	"weir/quota/needs"
)

// Azure asks the subscription of a configuration whether its quotas are enough for
// the most that each deployment may have, about its managed online deployments and
// its container groups.
func Azure(ctx context.Context, c *config.Config, prices *price.Catalogue) []Contact {
	began := time.Now()
	page, err := needs.Of(ctx, c, prices)
	took := time.Since(began)
	if err != nil {
		return append(append(endpoints(ctx, c), groups(ctx, c)...), Contact{Address: "the subscription", Said: err.Error(), Took: took})
	}
	all := append(endpoints(ctx, c), groups(ctx, c)...)
	for _, line := range page.Troubles() {
		all = append(all, Contact{Address: "the subscription", Said: "quota that cannot be read: " + line, Took: took})
	}
	for _, n := range page.Needs {
		all = append(all, Contact{Deployment: n.Deployment, Address: "quota for " + n.Most, OK: n.OK, Said: n.Said, Took: took})
	}
	if len(all) == 0 {
		all = append(all, Contact{Address: "the subscription", OK: true, Said: "it answers; no deployment names a size, region or resource of it", Took: took})
	}
	return all
}
