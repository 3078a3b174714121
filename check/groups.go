package check

import (
	"context"
	"strings"
	"time"

	"weir/config"
	"weir/fleet/aci"
	"weir/wire"
)

// groups asks Azure about the container groups of every deployment of a configuration
// that has some: whether Weir may read them, and which of its own belong to no
// deployment. A doubt is no failure: it is in what is said.
func groups(ctx context.Context, c *config.Config) []Contact {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	o, err := wire.GroupOptions(c)
	var found []aci.Finding
	if err == nil {
		found, err = aci.Examine(ctx, o)
	}
	took := time.Since(began)
	if err != nil {
		return []Contact{{Address: "container groups", Said: err.Error(), Took: took}}
	}
	var all []Contact
	for _, d := range o.Deployments {
		at := Contact{Deployment: d.Name, Address: "container groups of " + d.ResourceGroup, OK: true, Took: took}
		var said []string
		for _, f := range found {
			if f.Deployment == d.Name {
				at.OK = at.OK && f.Doubt
				said = append(said, f.Trim())
			}
		}
		if at.Said = strings.Join(said, "; "); at.Said == "" {
			at.Said = "can be read; none of owner " + d.Owner + " is without a deployment"
		}
		all = append(all, at)
	}
	return all
}
