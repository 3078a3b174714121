package config

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"
)

func (v *validator) models() {
	names, deployments := taken{}, taken{}
	for i := range v.c.Models {
		v.claim(names, v.c.Models[i].Name, fmt.Sprintf("models[%d].name", i), "model")
	}
	for i := range v.c.Models {
		m := &v.c.Models[i]
		path := fmt.Sprintf("models[%d]", i)
		for k, alias := range m.Aliases {
			v.claim(names, alias, fmt.Sprintf("%s.aliases[%d]", path, k), "name")
		}
		v.ordered(path+".health", "base", &m.Health.Base, "max", m.Health.Max)
		for k := range m.Deployments {
			at := fmt.Sprintf("%s.deployments[%d]", path, k)
			v.claim(deployments, m.Deployments[k].Name, at+".name", "deployment")
			v.deployment(m, &m.Deployments[k], at)
		}
		v.routing(m, path)
		v.weights(m, path)
		v.doubtful(m, path)
	}
}

// weights warns of a model that no new request can reach.
func (v *validator) weights(m *Model, path string) {
	if len(m.Deployments) == 0 {
		return
	}
	for k, d := range m.Deployments {
		if v.faulty[fmt.Sprintf("%s.deployments[%d].weight", path, k)] {
			return
		}
		if d.Weight > 0 {
			v.tiers(m, path)
			return
		}
	}
	v.warn(path+".deployments[0].weight", fmt.Sprintf("every deployment of model %q has weight 0: all requests are refused", m.Name), "give one of them a weight of at least 1")
}

// ordered blames path.low if it is more than path.high. A low that is not given
// follows high instead.
func (v *validator) ordered(path, low string, l *time.Duration, high string, h time.Duration) {
	if *l <= h || v.faulty[path+"."+high] {
		return
	}
	if _, given := v.at[path+"."+low]; !given {
		*l = h
		return
	}
	v.blame(path+"."+low, fmt.Sprintf("%s is more than %s, which is %s", short(*l), high, short(h)), "give %s at most %s", low, high)
}

// deployment checks one deployment and fills in values that depend on its
// model.
func (v *validator) deployment(m *Model, d *Deployment, path string) {
	v.ordered(path+".timeouts", "connect", &d.Timeouts.Connect, "total", d.Timeouts.Total)
	v.ordered(path+".timeouts", "header", &d.Timeouts.Header, "total", d.Timeouts.Total)
	v.ordered(path+".timeouts", "stall", &d.Timeouts.Stall, "total", d.Timeouts.Total)
	if d.Price.Cached == nil && d.Price.Catalogue == "" {
		prompt := d.Price.Prompt
		d.Price.Cached = &prompt
	}
	switch {
	case d.External != nil:
		v.external(m, d.External, path+".external")
	case d.AzureOpenAI != nil:
		v.azure(m, d.AzureOpenAI, path+".azureopenai")
	case d.Process != nil:
		v.process(m, d.Process, path+".process")
	case d.Kubernetes != nil:
		v.kubernetes(m, d.Kubernetes, path+".kubernetes")
	case d.AzureML != nil:
		v.azureML(m, d, path)
	case d.ACI != nil:
		v.containerGroups(m, d, path)
	}
	v.scaling(m, d, path)
}

func (v *validator) external(m *Model, e *External, path string) {
	if e.Model == "" {
		e.Model = m.Name
	}
	seen := taken{}
	for i, u := range e.URLs {
		e.URLs[i] = strings.TrimSuffix(u, "/")
		v.claim(seen, e.URLs[i], fmt.Sprintf("%s.urls[%d]", path, i), "URL")
	}
}

func (v *validator) azure(m *Model, a *AzureOpenAI, path string) {
	a.Endpoint = strings.TrimSuffix(a.Endpoint, "/")
	if a.Deployment == "" {
		a.Deployment = m.Name
	}
	if u, err := url.Parse(a.Endpoint); err == nil && u.Scheme == "http" && !loopback(u.Hostname()+":0") {
		v.blame(path+".endpoint", fmt.Sprintf("%q would send the key unencrypted", a.Endpoint), "write https://")
	}
	if strings.HasSuffix(a.Endpoint, "/openai") {
		v.blame(path+".endpoint", fmt.Sprintf("%q ends in /openai, which Weir adds", a.Endpoint), "write %s", strings.TrimSuffix(a.Endpoint, "/openai"))
	}
	v.quota(a, path)
	v.resize(a, path)
	v.spillover(a, path)
	takesID := a.Entra == "managed_identity" || a.Entra == "workload_identity"
	if a.ClientID != "" && !takesID && !v.faulty[path+".entra"] {
		v.blame(path+".client_id", "has no effect here", "it belongs to entra: managed_identity or workload_identity")
	}
}

// quota checks that a deployment is provisioned or standard, not both.
func (v *validator) quota(a *AzureOpenAI, path string) {
	standard := ""
	switch {
	case a.TokensPerMinute > 0:
		standard = "tokens_per_minute"
	case a.RequestsPerMinute > 0:
		standard = "requests_per_minute"
	}
	if a.PTU > 0 && standard != "" {
		v.blame(path+"."+standard, "is a limit of standard deployments, but ptu makes this one provisioned", "remove one of the two")
	}
	if a.PTUModel != "" && a.PTU == 0 {
		v.blame(path+".ptu_model", "has no effect without ptu", "give the number of units of the deployment")
	}
}

func (v *validator) process(m *Model, p *Process, path string) {
	if p.Model == "" {
		p.Model = m.Name
	}
	v.ordered(path+".restart", "base", &p.Restart.Base, "max", p.Restart.Max)
	if !v.faulty[path+".health"] && p.Health == "" {
		v.blame(path+".health", "is empty", "Weir must know when a server is ready: give a path such as /health")
	}
	v.gpus(p, path)
	if len(p.Command) == 0 || v.badUnder(path+".command") || v.badUnder(path+".env") {
		return
	}
	if p.Command[0] == "" {
		v.blame(path+".command[0]", "names no program", "the first entry is the program, the others are its arguments")
	}
	texts := append([]string{}, p.Command...)
	for _, value := range p.Env {
		texts = append(texts, value)
	}
	all := strings.Join(texts, "\n")
	if !strings.Contains(all, "{port}") && !strings.Contains(all, "{addr}") {
		v.blame(path+".command", "does not tell the server where to listen", `put {port} or {addr} into an argument, such as "--port", "{port}"`)
	}
	if strings.Contains(all, "{gpu}") && p.GPUs == 0 {
		v.blame(path+".gpus", "is 0, but the command uses {gpu}", "give the number of GPUs per replica")
	}
	for name := range p.Env {
		if at := join(path+".env", name); !plainEnv(name) {
			v.blame(at, fmt.Sprintf("%q is not a valid environment variable name", name), "letters, digits and _ are allowed")
		}
	}
}

// visibleDevices is the variable CUDA reads and Weir sets.
const visibleDevices = "CUDA_VISIBLE_DEVICES"

// gpus checks that the machine's GPUs, if listed, suffice for one replica.
func (v *validator) gpus(p *Process, path string) {
	have := len(v.c.Machine.GPUs)
	if have > 0 && p.GPUs > have && !v.badUnder("machine.gpus") {
		v.blame(path+".gpus", fmt.Sprintf("%d GPUs per replica are more than the %d in machine.gpus", p.GPUs, have), `list the machine's GPUs, such as machine.gpus: ["0", "1"]`)
	}
	if _, set := p.Env[visibleDevices]; set && p.GPUs > 0 {
		v.blame(path+".env."+visibleDevices, "is set by Weir if gpus is given", "remove one of the two")
	}
}

func plainEnv(name string) bool {
	return envReference.MatchString("env:" + name)
}

// scaling checks the scaling block. An elastic deployment always has a Scaling
// afterwards.
func (v *validator) scaling(m *Model, d *Deployment, path string) {
	at := path + ".scaling"
	if d.Scaling == nil {
		if d.Elastic() {
			d.Scaling = &Scaling{}
			setDefaults(reflect.ValueOf(d.Scaling).Elem())
		}
		return
	}
	s := d.Scaling
	if !d.Elastic() && (d.External != nil || d.AzureOpenAI != nil) {
		v.blame(at, fmt.Sprintf("Weir does not start the replicas of %s", d.Place()), "remove it, or serve the model with process, kubernetes, azure_ml or aci")
		return
	}
	if s.Min > s.Max && !v.faulty[at+".max"] {
		v.blame(at+".min", fmt.Sprintf("%d is more than max, which is %d", s.Min, s.Max), "give min at most max")
	}
	if s.Quota > 0 && s.Min > s.Quota {
		v.blame(at+".min", fmt.Sprintf("%d is more than quota, which is %d", s.Min, s.Quota), "give min at most quota")
	} else if s.Quota > 0 && s.Max > s.Quota {
		v.warn(at+".max", fmt.Sprintf("%d is more than quota, which is %d", s.Max, s.Quota), "there are never more replicas than quota")
	}
	if g := s.GPUUtilisation; g != nil && g.Low >= g.High && !v.faulty[at+".gpu_utilisation.high"] {
		v.blame(at+".gpu_utilisation.low", fmt.Sprintf("%v is not less than high, which is %v", g.Low, g.High), "leave a gap, such as 30%% and 80%%")
	}
	if p, have := d.Process, len(v.c.Machine.GPUs); p != nil && have >= p.GPUs && p.GPUs > 0 && s.Max > have/p.GPUs {
		v.warn(at+".max", fmt.Sprintf("%d replicas need more GPUs than machine.gpus lists: there is room for %d", s.Max, have/p.GPUs), "lower max, or list further GPUs")
	}
	v.coldStart(m, s, at)
	v.calendar(s, at)
	v.money(s, at)
	v.profile(s.Profile, at+".profile")
	v.ignored(s, at)
}

// coldStart checks that a request can wait for the first replica after scaling
// to zero, unless another deployment answers meanwhile.
func (v *validator) coldStart(m *Model, s *Scaling, at string) {
	if s.Min > 0 || m.AnswersMeanwhile() || v.faulty[at+".cold_start"] {
		return
	}
	cold := short(s.ColdStart)
	if wait := m.Queue.MaxWaitCold; s.ColdStart > wait {
		v.blame(at+".cold_start", fmt.Sprintf("%s is more than the model's queue.max_wait_cold, which is %s: after scaling to zero no request could wait for a replica", cold, short(wait)),
			"raise queue.max_wait_cold, or scaling.min to 1")
	}
	if m.SLO.TTFT > 0 && s.ColdStart > m.SLO.TTFT {
		v.warn(at+".min", fmt.Sprintf("with 0 replicas, a cold start of %s breaks the model's slo.ttft of %s", cold, short(m.SLO.TTFT)), "give min at least 1, or accept it for the first request after a pause")
	}
}

// AnswersMeanwhile says whether a deployment of the model always has a replica:
// then no caller waits for the cold start of another one.
func (m *Model) AnswersMeanwhile() bool {
	for _, d := range m.Deployments {
		if d.Weight > 0 && (d.Scaling == nil || d.Scaling.Min > 0) {
			return true
		}
	}
	return false
}

// short drops the zeros of time.Duration's own format: 2m, not 2m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
