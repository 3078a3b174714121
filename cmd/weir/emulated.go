package main

import (
	"slices"
	"strconv"
	"time"

	"weir/config"
	"weir/engine"
)

// What an emulated server behaves as where the file does not say (runs_on), or
// says what the engine does not know.
const (
	emulatedGPU   = "H100-80GB"
	emulatedModel = "llama-3.1-8b"
	emulatedLoad  = 2 * time.Second
)

// emulateAll puts emulated servers of this machine in the place of everything
// a configuration describes, so that it can be tried without GPU, cloud and
// secrets: same models, tiers, weights, limits, prices and scaling. Certificates
// are left out, usage goes to the file in place of a database of several
// gateways, limits are shared with nobody, and the first tenant gets the key one
// more.
func emulateAll(c *config.Config, exe string, key config.KeyHash) {
	c.Server.TLS = nil
	c.Store.Postgres = config.Secret{}
	c.Redis = nil
	c.Machine.Keep = false // what is tried leaves nothing behind
	c.Machine.GPUs = nil
	for i := range c.Tenants { // what `weir plan --yaml` writes has a key still to be made
		t := &c.Tenants[i]
		t.Keys = slices.DeleteFunc(t.Keys, func(k config.Key) bool { return k.Hash == config.KeyHash{} })
	}
	if len(c.Tenants) > 0 {
		t := &c.Tenants[0]
		t.Keys = append(t.Keys, config.Key{Name: "emulate", Hash: key})
	}
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			emulateDeployment(&c.Models[i].Deployments[k], exe)
		}
	}
}

func emulateDeployment(d *config.Deployment, exe string) {
	gpu, model, tp := emulatedGPU, emulatedModel, 1
	p := d.Process
	if p != nil && p.RunsOn != nil {
		on, name, n := p.RunsOn, orName(p.RunsOn.Model, p.Model), tensorParallel(p)
		if _, err := engine.Lookup(on.GPU, name, n, ""); err == nil {
			gpu, model, tp = on.GPU, name, n
		}
	}
	load := emulatedLoad
	if p != nil {
		load = max(scalingOf(d).ColdStart, time.Millisecond)
	} else { // a server that runs elsewhere: as many replicas as it has addresses, there at once
		n, protocol := 1, "openai"
		if d.External != nil {
			n, protocol = len(d.External.URLs), d.External.Protocol
		}
		d.Scaling = &config.Scaling{Min: n, Max: n}
		p = &config.Process{Protocol: protocol}
	}
	p.Command = []string{exe, "emulate", "--listen", "127.0.0.1:{port}", "--model", model, "--gpu", gpu,
		"--tp", strconv.Itoa(tp), "--load", load.String()}
	p.Model, p.GPUs, p.Env, p.Dir, p.RunsOn, p.APIKey = model, 0, nil, "", nil, config.Secret{}
	p.Health, p.Metrics = "/health", "/metrics"
	d.External, d.AzureOpenAI, d.Process = nil, nil, p
}
