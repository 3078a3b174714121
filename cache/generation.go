package cache

import "fmt"

// Generation numbers purges. An entry has the number that was in force when its answer was
// asked for; a later purge of one of its names ends it.
type Generation uint64

// Selector names the entries of a purge: exactly one part is given, or All.
type Selector struct {
	All       bool   `json:"all,omitempty"`
	Tenant    string `json:"tenant,omitempty"`
	Model     string `json:"model,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Tag       string `json:"tag,omitempty"`
}

// Name is the purge's name; an error if the selector has not exactly one part.
func (s Selector) Name() (string, error) {
	name, parts := "", 0
	for _, p := range [...]struct{ kind, value string }{{"tenant", s.Tenant}, {"model", s.Model}, {"namespace", s.Namespace}, {"tag", s.Tag}} {
		if p.value != "" {
			name, parts = p.kind+"="+p.value, parts+1
		}
	}
	if s.All {
		name, parts = everything, parts+1
	}
	if parts != 1 {
		return "", fmt.Errorf("name what to purge by one of tenant, model, namespace, tag or all; %d are given", parts)
	}
	return name, nil
}

const everything = "all"

// MaxPurged bounds the names remembered. A purge beyond it empties everything.
const MaxPurged = 10_000

// Generations are the purges made so far. The zero value has none.
type Generations struct {
	now    Generation
	floor  Generation // entries below it are purged, whatever their names
	purged map[string]Generation
}

// Now is the present generation, for new entries.
func (g *Generations) Now() Generation { return g.now }

// Purge ends what has the name, and returns the generation that does.
func (g *Generations) Purge(name string) Generation {
	g.now++
	g.Hear(name, g.now)
	return g.now
}

// Hear takes a purge that was made elsewhere.
func (g *Generations) Hear(name string, at Generation) {
	g.now = max(g.now, at)
	if name == everything || len(g.purged) >= MaxPurged && g.purged[name] == 0 {
		g.floor = max(g.floor, g.now)
		clear(g.purged)
		return
	}
	if g.purged == nil {
		g.purged = map[string]Generation{}
	}
	g.purged[name] = max(g.purged[name], at)
}

// Live says whether an entry has not been purged.
func (g *Generations) Live(at Generation, of *Origin) bool {
	if at < g.floor {
		return false
	}
	if len(g.purged) == 0 {
		return true
	}
	dead := g.purged["tenant="+of.Tenant] > at || g.purged["model="+of.Model] > at ||
		of.Namespace != "" && g.purged["namespace="+of.Namespace] > at
	for _, t := range of.Tags {
		dead = dead || g.purged["tag="+t] > at
	}
	return !dead
}
