package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// validator checks references, duplicates and conflicts, beyond any single
// value. It ignores values that could not be read.
type validator struct {
	*decoder
	c        *Config
	warnings Faults
}

// blame notes a fault of the value at path, unless that value has one already.
func (v *validator) blame(path, problem, remedy string, args ...any) {
	if v.faulty[path] {
		return
	}
	v.faultAt(v.at.of(path), path, problem, fmt.Sprintf(remedy, args...))
}

// badUnder says whether the value at path, or any inside it, could not be read.
func (v *validator) badUnder(path string) bool {
	for faulty := range v.faulty {
		if rest, ok := strings.CutPrefix(faulty, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// warn notes an allowed but probably unintended value.
func (v *validator) warn(path, problem, remedy string) {
	v.warnings = append(v.warnings, v.newFault(v.at.of(path), path, problem, remedy))
}

func (v *validator) config() {
	v.addresses()
	v.cors()
	v.machine()
	v.models()
	v.workloads()
	v.tenants()
	v.limits()
	v.caches()
	v.cheaper()
	v.embeddings()
	v.vectorStores()
	v.redis()
	v.account()
	v.instances()
	v.files()
	v.shared()
	v.unfinished()
}

// shared faults replicas that would end with the gateway that started them,
// although another gateway is to go on with them.
func (v *validator) shared() {
	if !v.c.Store.Postgres.Set() || v.c.Machine.Keep || v.badUnder("machine") {
		return
	}
	for i := range v.c.Models {
		for k := range v.c.Models[i].Deployments {
			if v.c.Models[i].Deployments[k].Process != nil {
				v.blame("store.postgres", "gateways that share a store also share the processes they start, and these would end with the gateway that started them",
					"set machine.keep: true, so that another gateway can take them over")
				return
			}
		}
	}
}

func (v *validator) addresses() {
	s, a := v.c.Server, v.c.Admin
	if !a.Token.Set() && !v.faulty["admin.token"] && !v.faulty["admin.listen"] && !loopback(a.Listen) {
		v.blame("admin.listen", fmt.Sprintf("%q is reachable from other machines and has no token", a.Listen),
			"add admin.token: env:NAME, or listen on 127.0.0.1")
	}
	if collide(s.Listen, a.Listen) {
		v.blame("admin.listen", fmt.Sprintf("%q is also the address of server.listen", a.Listen), "give it another port")
	}
	if s.TLS == nil && !loopback(s.Listen) && !v.faulty["server.listen"] && !v.faulty["server.tls"] {
		v.warn("server.listen", "keys and prompts are sent unencrypted", "add server.tls, or terminate TLS in front of Weir")
	}
}

// collide says whether two listen addresses conflict. Port 0 is any free port.
func collide(a, b string) bool {
	hostA, portA, _ := cutAddress(a)
	hostB, portB, _ := cutAddress(b)
	if portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || everywhere(hostA) || everywhere(hostB)
}

func cutAddress(listen string) (host, port string, ok bool) {
	i := strings.LastIndexByte(listen, ':')
	if i < 0 {
		return listen, "", false
	}
	return strings.Trim(listen[:i], "[]"), listen[i+1:], true
}

func isPrivate(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func (v *validator) machine() {
	m := v.c.Machine
	if m.FirstPort > m.LastPort && !v.faulty["machine.last_port"] {
		v.blame("machine.first_port", fmt.Sprintf("%d is more than last_port, which is %d", m.FirstPort, m.LastPort), "give first_port at most last_port")
	}
	seen := taken{}
	for i, gpu := range m.GPUs {
		v.claim(seen, gpu, fmt.Sprintf("machine.gpus[%d]", i), "GPU")
	}
}

// files faults two outputs with one file.
func (v *validator) files() {
	if v.c.Store.Path == v.c.Journal.Path {
		v.blame("journal.path", fmt.Sprintf("%q is also store.path", v.c.Journal.Path), "use two different files")
	}
}

// taken notes names and blames the second use of one.
type taken map[string]string // name -> path of its first use

func (v *validator) claim(names taken, name, path, what string) {
	if name == "" || v.faulty[path] {
		return
	}
	if first, ok := names[name]; ok {
		v.blame(path, fmt.Sprintf("%s %q is already used by %s", what, name, first), "use different ones: the first is on %s", v.where(v.at.of(first).line))
		return
	}
	names[name] = path
}

func (v *validator) tenants() {
	names, hashes := taken{}, taken{}
	models := v.modelNames()
	for i := range v.c.Tenants {
		t := &v.c.Tenants[i]
		path := fmt.Sprintf("tenants[%d]", i)
		v.claim(names, t.Name, path+".name", "tenant")
		keys := taken{}
		for k := range t.Keys {
			at := fmt.Sprintf("%s.keys[%d]", path, k)
			v.claim(keys, t.Keys[k].Name, at+".name", "key")
			if t.Keys[k].Hash != (KeyHash{}) {
				v.claim(hashes, t.Keys[k].Hash.String(), at+".hash", "hash")
			}
			v.keyLimits(t, k, at)
		}
		if len(t.Keys) == 0 && !v.faulty[path+".keys"] && !v.faulty[path] {
			v.warn(path, fmt.Sprintf("tenant %q has no keys: no caller can use it", t.Name), "make one with `weir key new`")
		}
		v.allowed(t, path, models)
	}
}

// keyLimits warns of a key's limit that has no effect beside its tenant's.
func (v *validator) keyLimits(t *Tenant, k int, at string) {
	own, all := t.Keys[k].Limits, t.Limits
	if all.Requests > 0 && own.Requests > all.Requests {
		v.warn(at+".limits.requests", fmt.Sprintf("%v is more than the tenant's %v", own.Requests, all.Requests), "the tenant's limit applies to all its keys together")
	}
	if all.Tokens > 0 && own.Tokens > all.Tokens {
		v.warn(at+".limits.tokens", fmt.Sprintf("%v is more than the tenant's %v", own.Tokens, all.Tokens), "the tenant's limit applies to all its keys together")
	}
	if all.Concurrent > 0 && own.Concurrent > all.Concurrent {
		v.warn(at+".limits.concurrent", fmt.Sprintf("%d is more than the tenant's %d", own.Concurrent, all.Concurrent), "the tenant's limit applies to all its keys together")
	}
}

// allowed checks the models a tenant may call.
func (v *validator) allowed(t *Tenant, path string, models []string) {
	seen := taken{}
	for i, name := range t.Models {
		at := fmt.Sprintf("%s.models[%d]", path, i)
		if name == "" || v.faulty[at] {
			continue
		}
		if !contains(models, name) {
			v.blame(at, fmt.Sprintf("there is no model %q", name), "%s", v.suggestModel(name, models))
		}
		v.claim(seen, name, at, "model")
	}
}

// modelNames are the names, not the aliases, of all models.
func (v *validator) modelNames() []string {
	var names []string
	for _, m := range v.c.Models {
		if m.Name != "" {
			names = append(names, m.Name)
		}
	}
	return names
}

// suggestModel is suggest for a model; an alias may have been given.
func (v *validator) suggestModel(name string, models []string) string {
	for _, m := range v.c.Models {
		if contains(m.Aliases, name) {
			return fmt.Sprintf("it is an alias: use the name of the model, %q", m.Name)
		}
	}
	return suggest(name, models, "models")
}

// suggest names the probably meant name, or the known ones.
func suggest(name string, known []string, what string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	const most = 10
	shown := known
	if len(shown) > most {
		shown = shown[:most]
	}
	return what + " in this file: " + strings.Join(shown, ", ")
}
