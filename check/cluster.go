package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weir/config"
	"weir/fleet/kubernetes"
	"weir/wire"
)

// Cluster asks the cluster about every workload of a configuration: whether it
// is there and can be scaled, what Weir lacks the right to, what else writes its
// number, and whether a replica would find a node and quota. A doubt is no
// failure: it is in what is said.
func Cluster(ctx context.Context, c *config.Config) []Contact {
	o := wire.ClusterOptions(c)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	found, err := kubernetes.Examine(ctx, o)
	took := time.Since(began)
	if err != nil {
		return []Contact{{Address: "the cluster", Said: err.Error(), Took: took}}
	}
	var all []Contact
	for _, f := range found {
		if f.Deployment == "" {
			all = append(all, Contact{Address: "the cluster", Said: f.Err.Error(), Took: took})
		}
	}
	for _, d := range o.Deployments {
		at := Contact{Deployment: d.Name, Address: d.Kind + " " + d.Namespace + "/" + d.Object, OK: true, Took: took}
		var said []string
		for _, f := range found {
			if f.Deployment == d.Name {
				at.OK = at.OK && f.Doubt
				said = append(said, strings.TrimPrefix(f.Err.Error(), fmt.Sprintf("kubernetes deployment %q: ", d.Name)))
			}
		}
		if at.Said = strings.Join(said, "; "); at.Said == "" {
			at.Said = "there, can be scaled, and nothing else writes its number"
			if d.ScaledElsewhere {
				at.Said = "there; another program writes its number"
			}
		}
		all = append(all, at)
	}
	return all
}
