package emulated

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/config"
	"weir/emulate"
	"weir/engine"
	"weir/fit"
	"weir/price"
	"weir/report/words"
	"weir/wire"
)

// Defaults of an emulated server where the file does not say (runs_on), or says
// something the engine does not know.
const (
	emulatedGPU     = "H100-80GB"
	emulatedModel   = "llama-3.1-8b"
	emulatedContext = 131_072
)

// external emulates external servers: one for each address, ready at once.
func (s *stand) external(d *config.Deployment) error {
	x := d.External
	o := s.server(x.Model, d)
	o.Kind, o.Load = emulate.Kind(x.Protocol), time.Millisecond
	if x.APIKey.Set() {
		o.Key = s.key
		x.APIKey = config.Known("the emulated server's", s.key)
	}
	for i := range x.URLs {
		url, err := s.servers.url(fmt.Sprintf("server %s %d %+v", d.Name, i, o), func() (emulator, error) { return emulate.New(o) })
		if err != nil {
			return err
		}
		x.URLs[i] = url
	}
	if x.Metrics != "" {
		x.Metrics = "/metrics"
	}
	s.said.not("the hardware of external servers, which the file does not give: they are timed like one GPU")
	s.said.Deployments[d.Name] = words.Count(len(x.URLs), x.Protocol+" server") + ", " + wordServer(o)
	return nil
}

// process replaces the replicas Weir starts by emulated ones.
func (s *stand) process(d *config.Deployment) {
	p := d.Process
	o := s.server(p.Model, d)
	o.Kind, o.Load = emulate.Kind(p.Protocol), max(wire.Scaling(d).ColdStart, time.Millisecond)
	ownCommand(p.Command, &o)
	if p.RunsOn != nil && p.RunsOn.Context > 0 {
		o.Context = p.RunsOn.Context
	}
	p.Command = []string{s.exe, "emulate", "--listen", "127.0.0.1:{port}", "--model", o.Model, "--gpu", o.GPU,
		"--tp", strconv.Itoa(o.TP), "--load", o.Load.String(), "--served-name", o.Served, "--protocol", string(o.Kind),
		"--task", string(o.Task), "--context", strconv.Itoa(o.Context), "--embedding-dim", strconv.Itoa(o.EmbeddingDim)}
	if o.MaxSeqs > 0 {
		p.Command = append(p.Command, "--max-seqs", strconv.Itoa(o.MaxSeqs))
	}
	if p.APIKey.Set() {
		p.APIKey = config.Known("the emulated server's", s.key)
		p.Command = append(p.Command, "--api-key", s.key)
	}
	if len(p.Env) > 0 || p.Dir != "" {
		s.said.not("process.env and process.dir")
	}
	p.GPUs, p.Env, p.Dir = 0, nil, ""
	if p.Health, p.RunsOn = "/health", nil; p.Metrics != "" {
		p.Metrics = "/metrics"
	}
	s.said.Deployments[d.Name] = wordServer(o)
}

// workload replaces the pods of a cluster by emulated replicas of this machine.
func (s *stand) workload(d *config.Deployment) {
	k := d.Kubernetes
	d.Kubernetes, d.Process = nil, &config.Process{
		Protocol: k.Protocol, Model: k.Model, APIKey: k.APIKey, Metrics: k.Metrics, RunsOn: k.RunsOn, GPUs: k.GPUs,
		StartTimeout: k.StartTimeout, DrainTimeout: k.DrainTimeout, StopTimeout: 10 * time.Second,
		Restart: config.Restart{Base: time.Second, Max: time.Minute},
	}
	s.said.not("the cluster: its nodes, quotas and images, and KEDA")
	s.process(d)
}

// emulatedStart is how long an emulated instance of Azure takes: enough to be seen,
// and short enough to be waited for.
const emulatedStart = 20 * time.Second

// instances replaces those of a managed online endpoint by emulated replicas of
// this machine.
func (s *stand) instances(d *config.Deployment) {
	a := d.AzureML
	d.AzureML, d.Process = nil, &config.Process{
		Protocol: a.Protocol, Model: a.Model, RunsOn: a.RunsOn, GPUs: a.GPUs,
		StartTimeout: a.StartTimeout, DrainTimeout: a.DrainTimeout, StopTimeout: 10 * time.Second,
		Restart: config.Restart{Base: time.Second, Max: time.Minute},
	}
	if s.said.not("Azure Resource Manager: its operations, quotas and stock; instances have an address each"); d.Scaling.ColdStart > emulatedStart {
		s.said.not("the %v that an instance of %s takes to start: it takes %v", d.Scaling.ColdStart, d.Name, emulatedStart)
		d.Scaling.ColdStart = emulatedStart
	}
	s.process(d)
}

// groups replaces the container groups by emulated replicas of this machine.
func (s *stand) groups(d *config.Deployment) {
	a := d.ACI
	d.ACI, d.Process = nil, &config.Process{
		Protocol: a.Protocol, Model: a.Model, APIKey: a.APIKey, Metrics: a.Metrics, Command: a.Command,
		StartTimeout: a.StartTimeout, DrainTimeout: a.DrainTimeout, StopTimeout: 10 * time.Second,
		Restart: config.Restart{Base: time.Second, Max: time.Minute},
	}
	if s.said.not("Azure Resource Manager: its container groups, their images, quota and stock, and the speed of their CPUs"); d.Scaling.ColdStart > emulatedStart {
		s.said.not("the %v that a group of %s takes to start: it takes %v", d.Scaling.ColdStart, d.Name, emulatedStart)
		d.Scaling.ColdStart = emulatedStart
	}
	s.process(d)
}

// server describes the model of a server: its shape, context, width and task.
func (s *stand) server(name string, d *config.Deployment) emulate.Options {
	o := emulate.Options{Served: name, Model: emulatedModel, GPU: emulatedGPU, TP: 1, Context: emulatedContext, EmbeddingDim: 1024, Seed: 1}
	shape := name
	if p := d.Process; p != nil && p.RunsOn != nil {
		shape = cmp.Or(p.RunsOn.Model, name)
	}
	m, _, err := fit.Named(s.prices, shape)
	if err != nil {
		s.said.not("%s, whose shape is not in the catalogue: it is timed like %s and accepts %d tokens", name, emulatedModel, emulatedContext)
	} else {
		o.Context, o.EmbeddingDim, o.Task = cmp.Or(m.MaxContext, emulatedContext), cmp.Or(m.Hidden, o.EmbeddingDim), emulate.Generate
		if m.Attention == price.Encoder || m.NoHead {
			o.Task = emulate.Embed
		}
	}
	if d.MaxContext > 0 {
		o.Context = d.MaxContext
	}
	s.hardware(&o, shape, d)
	return o
}

// hardware picks the hardware of the model: the file's, else the first with
// room for it.
func (s *stand) hardware(o *emulate.Options, shape string, d *config.Deployment) {
	type layout struct {
		gpu string
		tp  int
	}
	tries := []layout{{emulatedGPU, 1}, {emulatedGPU, 2}, {emulatedGPU, 4}, {emulatedGPU, 8}, {"H200-SXM-141GB", 8}, {"B200-SXM-180GB", 8}}
	if p := d.Process; p != nil && p.RunsOn != nil {
		tries = append([]layout{{p.RunsOn.GPU, wire.TensorParallel(d)}}, tries...)
	}
	for _, try := range tries {
		if _, err := engine.Lookup(try.gpu, shape, try.tp, ""); err == nil {
			o.GPU, o.TP, o.Model = try.gpu, try.tp, shape
			return
		}
	}
}

// ownCommand reads the arguments of a known engine's command: served name,
// context, batch.
func ownCommand(command []string, o *emulate.Options) {
	line := strings.Join(command, " ")
	if !strings.Contains(line, "vllm") && !strings.Contains(line, "sglang") {
		return
	}
	for i, arg := range command {
		name, value, inline := strings.Cut(arg, "=")
		if !inline && i+1 < len(command) {
			value = command[i+1]
		}
		n, err := strconv.Atoi(value)
		switch name {
		case "serve", "--model", "--model-path":
			if value != "" && !strings.HasPrefix(value, "-") {
				o.Served = value
			}
		case "--max-model-len", "--context-length":
			if err == nil && n > 0 {
				o.Context = n
			}
		case "--max-num-seqs", "--max-running-requests":
			if err == nil && n > 0 {
				o.MaxSeqs = n
			}
		}
	}
	for i, arg := range command { // overrides the model's own name, wherever it is
		if name, value, inline := strings.Cut(arg, "="); name == "--served-model-name" {
			if !inline && i+1 < len(command) {
				value = command[i+1]
			}
			o.Served = value
		}
	}
}

func wordServer(o emulate.Options) string {
	does := ""
	if o.Task == emulate.Embed {
		does = fmt.Sprintf(", embeddings of %d", o.EmbeddingDim)
	}
	return fmt.Sprintf("%s%s, %d tokens, timed as %s on %d x %s", o.Served, does, o.Context, o.Model, o.TP, o.GPU)
}
