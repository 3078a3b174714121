package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"weir/fit"
)

// program is how an engine is run in a pod.
type program struct {
	image   string
	command []string // of the leader, or of the only pod
	worker  []string // of the other pods of a group; nil: one node only
	metrics []string // that count its requests; nil: none is known
}

// Where a volume with weights is mounted, and the port of a group's own traffic.
const (
	weightsAt = "/models"
	groupPort = 20000
)

// engineOf is the engine's command for the answer, completed by what only a pod
// knows: address, name, weights, and the other nodes.
func engineOf(s Server, a fit.Answer, nodes int) (program, error) {
	words := slices.Clone(a.Words)
	model := place(words, s)
	p := programs[s.Setup.Engine.Name]
	if p == nil {
		return program{}, fmt.Errorf("%w: no pod for engine %s: have vllm, sglang, tensorrt-llm", ErrNone, s.Setup.Engine.Name)
	}
	named := []string{"--served-model-name", cmp.Or(s.Serves, model)}
	out, err := p(s, nodes, words, named, []string{"--host", "0.0.0.0", "--port", strconv.Itoa(s.Port)})
	if err != nil {
		return out, err
	}
	if out.image = cmp.Or(s.Image, out.image); out.image == "" {
		return out, fmt.Errorf("%w: the image of %s for %s is not known: give one", ErrNone, s.Setup.Engine, s.Setup.GPU.Name)
	}
	return out, nil
}

// programs complete an engine's words: with the name it serves and its address.
var programs = map[string]func(s Server, nodes int, words, named, address []string) (program, error){
	"vllm":         vllm,
	"sglang":       sglang,
	"tensorrt-llm": tensorrt,
}

func vllm(s Server, nodes int, words, named, address []string) (program, error) {
	e := s.Setup.Engine
	if nodes > 1 && e.Major == 0 && e.Minor < 13 {
		return program{}, fmt.Errorf("%w: %s does not span nodes without Ray: use vllm@0.13 or later", ErrNone, e)
	}
	p := program{
		command: slices.Concat(words, named, address),
		metrics: []string{"vllm:num_requests_running", "vllm:num_requests_waiting"},
	}
	if !s.amd() {
		p.image = fmt.Sprintf("vllm/vllm-openai:v%d.%d.0", e.Major, e.Minor)
	}
	if nodes > 1 {
		p.command = append(p.command, "--nnodes", strconv.Itoa(nodes), "--node-rank", "$(LWS_WORKER_INDEX)", "--master-addr", "$(LWS_LEADER_ADDRESS)")
		p.worker = append(slices.Clone(p.command), "--headless")
	}
	return p, nil
}

func sglang(s Server, nodes int, words, named, address []string) (program, error) {
	p := program{
		command: append(slices.Concat(words, named, address), "--enable-metrics"),
		metrics: []string{"sglang:num_running_reqs", "sglang:num_queue_reqs"},
	}
	if nodes > 1 {
		p.command = append(p.command, "--nnodes", strconv.Itoa(nodes), "--node-rank", "$(LWS_WORKER_INDEX)", "--dist-init-addr", "$(LWS_LEADER_ADDRESS):"+strconv.Itoa(groupPort))
		p.worker = p.command
	}
	return p, nil
}

func tensorrt(_ Server, nodes int, words, _, address []string) (program, error) {
	if nodes > 1 {
		return program{}, fmt.Errorf("%w: a replica of tensorrt-llm over %d nodes needs MPI, which no manifest here sets up: use vllm or sglang", ErrNone, nodes)
	}
	return program{command: slices.Concat(words, address)}, nil
}

// place puts the path of the weights in the engine's words, if a volume has
// them, and returns what the engine is told to load.
func place(words []string, s Server) string {
	model := cmp.Or(s.Model.Repo, s.Model.Name)
	at := model
	if s.Weights != "" {
		_, path, _ := strings.Cut(s.Weights, "/")
		at = strings.TrimSuffix(weightsAt+"/"+path, "/")
	}
	for i, w := range words {
		if w == model {
			words[i] = at
		}
	}
	return model
}

// Where a pod asks for the requests of its replica, in Python, with the port left open.
const (
	here     = `"http://127.0.0.1:%d/metrics"`
	atLeader = `"http://" + os.environ["LWS_LEADER_ADDRESS"] + ":%d/metrics"`
)

// drained is a program in Python that ends when the engine has no requests: five
// seconds in which gateways hear that the pod goes, then a look at the metrics every
// second. An engine too busy to answer in time is asked again; one that is gone has
// nothing to wait for.
func drained(at string, port int, metrics []string) string {
	return fmt.Sprintf(`import os, time, urllib.request
time.sleep(5)
def left():
    try:
        with urllib.request.urlopen(%s, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except TimeoutError:
        return 1
    return sum(float(l.rsplit(" ", 1)[1]) for l in lines if l.startswith(("%s")))
while left() > 0:
    time.sleep(1)
`, fmt.Sprintf(at, port), strings.Join(metrics, `", "`))
}
