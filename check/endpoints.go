package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weir/config"
	"weir/fleet/azureml"
	"weir/wire"
)

// endpoints asks Azure about every managed online deployment of a configuration:
// whether it is there and can be scaled, what Weir lacks the right to, what else
// writes its instances, and whether it takes what the file says. A doubt is no
// failure: it is in what is said.
func endpoints(ctx context.Context, c *config.Config) []Contact {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	o, err := wire.MLOptions(c)
	var found []azureml.Finding
	if err == nil {
		found, err = azureml.Examine(ctx, o)
	}
	took := time.Since(began)
	if err != nil {
		return []Contact{{Address: "managed online endpoints", Said: err.Error(), Took: took}}
	}
	var all []Contact
	for _, d := range o.Deployments {
		at := Contact{Deployment: d.Name, Address: d.Endpoint + "/" + d.Deployment, OK: true, Took: took}
		var said []string
		for _, f := range found {
			if f.Deployment == d.Name {
				at.OK = at.OK && f.Doubt
				said = append(said, strings.TrimPrefix(f.Err.Error(), fmt.Sprintf("azure_ml deployment %q: ", d.Name)))
			}
		}
		if at.Said = strings.Join(said, "; "); at.Said == "" {
			at.Said = "there, can be scaled, and nothing else writes its instances"
		}
		all = append(all, at)
	}
	return all
}
