// Package emulated turns a configuration into one that can be tried on this
// machine: everything it describes becomes an emulated server (package emulate)
// of the same kind as the deployment. It owns the servers that stand in for
// those the configuration does not start, and knows how each kind is described.
// Their behaviour belongs to package emulate.
package emulated

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"weir/config"
	"weir/price"
)

// stand is a configuration on its way to an emulated one, with the notes to
// print about it.
type stand struct {
	c       *config.Config
	servers *Emulation
	exe     string // this program, for replicas that are processes
	key     string // key of the emulated servers
	prices  *price.Catalogue
	said    Tried
}

// Tried describes an emulated configuration to the user.
type Tried struct {
	Tenant      string            // gets the new key
	Model       string            // one the tenant may call
	Deployments map[string]string // how each is emulated
	missing     []string          // parts that are not emulated
}

// not notes, once, a part that is not emulated.
func (t *Tried) not(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(t.missing, line) {
		t.missing = append(t.missing, line)
	}
}

func (s *stand) emulateAll(key config.KeyHash) error {
	s.said = Tried{Deployments: map[string]string{}}
	s.said.not("the content of answers: the words mean nothing")
	s.said.not("the network, with its delays and failures")
	s.keepHere()
	s.admit(key)
	if err := s.resources(); err != nil {
		return err
	}
	for i := range s.c.Models {
		m := &s.c.Models[i]
		for k := range m.Deployments {
			d := &m.Deployments[k]
			var err error
			switch {
			case d.External != nil:
				err = s.external(d)
			case d.Process != nil:
				s.process(d)
			case d.Kubernetes != nil:
				s.workload(d)
			case d.AzureML != nil:
				s.instances(d)
			case d.ACI != nil:
				s.groups(d)
			}
			if err != nil {
				return fmt.Errorf("deployment %q: %w", d.Name, err)
			}
		}
	}
	return nil
}

// keepHere removes everything that reaches beyond this machine or this run.
func (s *stand) keepHere() {
	c := s.c
	if c.Server.TLS != nil {
		s.said.not("server.tls: callers use plain HTTP")
	}
	if c.Store.Postgres.Set() {
		s.said.not("store.postgres: usage goes to a file of this run, and there are no other gateways")
	}
	if c.Redis != nil {
		s.said.not("redis: limits are this gateway's alone")
	}
	if c.Machine.Keep {
		s.said.not("machine.keep: replicas end with this run")
	}
	if c.Admin.Token.Set() {
		s.said.not("admin.token: the admin address is on loopback instead")
		if _, port, err := net.SplitHostPort(c.Admin.Listen); err == nil {
			c.Admin.Listen = net.JoinHostPort("127.0.0.1", port)
		}
	}
	c.Server.TLS, c.Store.Postgres, c.Redis, c.Admin.Token = nil, config.Secret{}, nil, config.Secret{}
	c.Machine.Keep, c.Machine.GPUs = false, nil
	c.Kubernetes, c.Azure, c.KEDA = nil, nil, nil
}

// admit gives the key to the first tenant that may call a model.
func (s *stand) admit(key config.KeyHash) {
	for i := range s.c.Tenants { // the output of `weir plan --yaml` has a key still to be made
		t := &s.c.Tenants[i]
		t.Keys = slices.DeleteFunc(t.Keys, func(k config.Key) bool { return k.Hash == config.KeyHash{} })
	}
	if len(s.c.Tenants) == 0 || len(s.c.Models) == 0 {
		return
	}
	t := &s.c.Tenants[0]
	t.Keys = append(t.Keys, config.Key{Name: "emulate", Hash: key})
	s.said.Tenant, s.said.Model = t.Name, s.c.Models[0].Name
	if len(t.Models) > 0 {
		s.said.Model = t.Models[0]
	}
}

// Lines is the text about the deployments and the missing parts.
func (t Tried) Lines() string {
	var b strings.Builder
	b.WriteString("not emulated:\n")
	for _, m := range t.missing {
		fmt.Fprintf(&b, "  - %s\n", m)
	}
	return b.String()
}
