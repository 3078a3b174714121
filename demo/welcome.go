package demo

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"weir/config"
	"weir/node"
	"weir/report/words"
	"weir/wire"
	"weir/wire/emulated"
)

// Welcome says where a node serves whom, what it serves and how to try it. The key
// is one that was made for this run; "" where there is none. tried says what each
// deployment is emulated as; nil where what the file describes is served.
func Welcome(w io.Writer, n Node, c *config.Config, key string, tried *emulated.Tried) {
	scheme := "http"
	if c.Server.TLS != nil {
		scheme = "https"
	}
	url := scheme + "://" + reachable(n.Callers())
	fmt.Fprintf(w, "weir serves callers at   %s%s\n", url, openTo(n.Callers()))
	fmt.Fprintf(w, "     and operators at   http://%s%s   (%s)\n", reachable(n.Operators()), openTo(n.Operators()), strings.Join(node.AdminPaths, " "))
	models(w, c, tried)
	if key == "" {
		return
	}
	tenant, model, wait := c.Tenants[0].Name, c.Models[0].Name, longestStart(c)
	if tried != nil {
		fmt.Fprint(w, tried.Lines())
		tenant, model = tried.Tenant, tried.Model
	}
	fmt.Fprintf(w, `key   %s   (made for this run, with the limits of tenant %s)

try   curl %s/v1/chat/completions -H "authorization: Bearer %s" \
        -d '{"model":"%s","stream":true,"messages":[{"role":"user","content":"Hello"}]}'

The replicas are emulated: their timing is that of the GPU named, their words
mean nothing.%s

`, key, tenant, url, key, model, loading(wait))
}

// models writes a line for each deployment.
func models(w io.Writer, c *config.Config, tried *emulated.Tried) {
	for i := range c.Models {
		m := &c.Models[i]
		for k := range m.Deployments {
			d := &m.Deployments[k]
			fmt.Fprintf(w, "model %-18s %s", m.Name, d.Name)
			if tried != nil {
				fmt.Fprintf(w, ", emulated: %s", tried.Deployments[d.Name])
			}
			if wire.Elastic(d) {
				fmt.Fprintf(w, ", %s started here", replicaCount(wire.Scaling(d)))
			}
			fmt.Fprintln(w)
		}
	}
}

// loading says for how long the first replicas load.
func loading(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf(" The first ones load for %v (scaling.cold_start).", d)
}

// replicaCount words how many replicas a deployment may have.
func replicaCount(s *config.Scaling) string {
	if s.Min < s.Max {
		return fmt.Sprintf("%d to %d replicas", s.Min, s.Max)
	}
	return words.Count(s.Max, "replica")
}

// longestStart is how long the slowest replicas are expected to load.
func longestStart(c *config.Config) time.Duration {
	var longest time.Duration
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			if d := &c.Models[i].Deployments[k]; wire.Elastic(d) {
				longest = max(longest, wire.Scaling(d).ColdStart)
			}
		}
	}
	return longest
}

// openTo says that an address is of every interface, not of this machine alone.
func openTo(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
		return " and all other addresses of this machine"
	}
	return ""
}

// reachable is an address people can open: a wildcard listens on loopback too.
func reachable(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(t.Port))
}
