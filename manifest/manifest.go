// Package manifest makes the Kubernetes objects that serve a model: a workload
// without a number of replicas, which Weir writes, and a Service. The engine's
// arguments are those of fit.Check, and what does not fit gets no manifest.
//
// It owns what a pod of an inference server needs: devices, the node, probes long
// enough for the weights, an end that waits for requests. It refuses to know files,
// flags and the cluster.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"weir/fit"
)

// ErrNotServed: the model does not fit the hardware, in fit's words.
var ErrNotServed = errors.New("does not fit")

// ErrNone: there is no pod for that engine, layout or kind.
var ErrNone = errors.New("no manifest")

// ErrKind: the kind of workload spans more nodes than the replica, or fewer.
var ErrKind = fmt.Errorf("%w", ErrNone)

// serviceName is a name that a Service may have in every version of Kubernetes; that
// of a workload may be longer and have dots.
var serviceName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Server is one model on one kind of hardware.
type Server struct {
	Name      string // of the objects
	Namespace string
	Kind      string // Deployment, StatefulSet or LeaderWorkerSet; "": Deployment, or LeaderWorkerSet over several nodes
	Serves    string // the model's name in requests; "": that of the weights

	Model fit.Model
	Setup fit.Setup

	Slice   string // MIG profile of its GPU, such as 2g.20gb; "": whole GPUs
	VM      string // size of its nodes; "": any with such a GPU
	PerNode int    // GPUs of that size; 0: as many as the replica has, at most 8
	Pool    string // AKS node pool; "": any
	Spot    bool   // its nodes are spot VMs
	Image   string // "": the engine's own of that version
	Weights string // CLAIM or CLAIM/PATH of a volume that has them; "": the engine loads them from the Hub
	Port    int    // 0: 8000
	Start   time.Duration
	Drain   time.Duration
}

// Objects are what serves the model, in the order in which they are created.
type Objects []yaml.MapSlice

// New checks that the model fits and makes its objects.
func New(s Server, larger ...fit.GPU) (Objects, error) {
	if !serviceName.MatchString(s.Name) {
		return nil, fmt.Errorf("%w: a Service cannot have the name %q: it has at most 63 lower-case letters, digits and -, and starts with a letter", ErrNone, s.Name)
	}
	a, err := fit.Check(s.Model, s.Setup, larger...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if !a.Verdict.Serves() {
		return nil, refused(s.Name, a)
	}
	nodes, err := s.nodes()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	s.fill(nodes)
	e, err := engineOf(s, a, nodes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	work, err := s.workload(e, nodes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return Objects{work, s.service()}, nil
}

// refused is fit's answer as an error.
func refused(name string, a fit.Answer) error {
	text := fmt.Sprintf("%s on %s: %s", a.Model, a.GPU, a.Why)
	for i, r := range a.Remedies {
		if i == 3 {
			break
		}
		text += "; " + []string{"try", "or", "or"}[i] + " " + r.Change
	}
	return fmt.Errorf("%s: %w: %s", name, ErrNotServed, text)
}

func (s *Server) fill(nodes int) {
	if s.Kind == "" {
		s.Kind = "Deployment"
		if nodes > 1 {
			s.Kind = leaderWorkerSet
		}
	}
	if s.Port == 0 {
		s.Port = 8000
	}
	if s.Start == 0 {
		s.Start = 20 * time.Minute
	}
	if s.Drain == 0 {
		s.Drain = 2 * time.Minute
	}
}

// gpus are those of one replica.
func (s *Server) gpus() int { return max(s.Setup.TP, 1) * max(s.Setup.PP, 1) }

// mostPerNode is the number of GPUs of the largest sizes sold.
const mostPerNode = 8

// nodes is how many one replica spans.
func (s *Server) nodes() (int, error) {
	gpus, per := s.gpus(), s.PerNode
	if per == 0 {
		per = min(gpus, mostPerNode)
	}
	if gpus <= per {
		return 1, nil
	}
	if gpus%per != 0 {
		return 0, fmt.Errorf("%w: %d GPUs do not divide into nodes of %d", ErrNone, gpus, per)
	}
	if s.Slice != "" {
		return 0, fmt.Errorf("%w: slices of GPUs cannot communicate: a replica on %s spans one node", ErrNone, s.Slice)
	}
	return gpus / per, nil
}

// Write writes the objects as one YAML text, below head, a line of comment each.
func (o Objects) Write(w io.Writer, head ...string) error {
	var b bytes.Buffer
	for _, line := range head {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	for i, object := range o {
		text, err := yaml.MarshalWithOptions(object, yaml.IndentSequence(false), yaml.UseLiteralStyleIfMultiline(true))
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteString("---\n")
		}
		b.Write(text)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// of makes an object of keys and values; a nil value leaves its key out.
func of(pairs ...any) yaml.MapSlice {
	out := make(yaml.MapSlice, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != nil {
			out = append(out, yaml.MapItem{Key: pairs[i], Value: pairs[i+1]})
		}
	}
	return out
}

// label is a name as a label's value, which has at most 63 characters.
func label(name string) string { return strings.Trim(name[:min(len(name), 63)], "-._") }
