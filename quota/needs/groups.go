package needs

import (
	"fmt"
	"strings"

	"weir/config"
	"weir/quota"
	"weir/wire"
)

// ofGroups judges container groups at their most: their number, and their cores. Some
// of those in use may be their own, and only more than the whole limit is certain to
// fail.
func ofGroups(b *quota.Book, d *config.Deployment) Need {
	a, n := d.ACI, int64(wire.Scaling(d).Most())
	x := Need{Deployment: d.Name, Most: fmt.Sprintf("%d groups of %d cores", n, a.CPU), OK: true}
	var said []string
	for _, need := range []struct {
		name, of string
		n        int64
	}{{"StandardCores", "cores", n * int64(a.CPU)}, {"ContainerGroups", "groups", n}} {
		q, ok := b.Count(quota.Containers, a.Location, need.name, need.n)
		if !ok {
			continue
		}
		line := fmt.Sprintf("needs %d %s of %s; %d are free", need.n, need.of, q.By.Where(), q.Free)
		if short := q.Short(); short > 0 {
			line += fmt.Sprintf(": request %d more, a limit of %d", short, q.By.Limit+short)
			x.Request = max(x.Request, short)
			if need.n > q.By.Limit {
				x.OK = false
			} else {
				line += fmt.Sprintf(", unless they are among the %d in use", q.By.Used)
			}
		}
		said = append(said, line)
	}
	if x.Said = strings.Join(said, "; "); x.Said == "" {
		x.Said = "no quota of container groups is known in " + a.Location
	}
	return x
}
