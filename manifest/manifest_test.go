package manifest

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"weir/fit"
	"weir/internal/story"
	"weir/price"
)

var loaded = sync.OnceValues(price.Default)

func catalogue(t *testing.T) *price.Catalogue {
	t.Helper()
	c, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// server is a model of the catalogue on one GPU of it.
func server(t *testing.T, model, gpu, engine string, change func(*Server)) Server {
	t.Helper()
	c := catalogue(t)
	m, q, err := fit.Named(c, model)
	if err != nil {
		t.Fatal(err)
	}
	s := Server{Name: "m", Namespace: "models", Model: m, Setup: fit.Setup{GPU: device(t, gpu), Quant: q}}
	if s.Setup.Engine, err = fit.ParseEngine(engine); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&s)
	}
	return s
}

func device(t *testing.T, name string) fit.GPU {
	t.Helper()
	g, err := catalogue(t).GPU(name)
	if err != nil {
		t.Fatal(err)
	}
	gpu, err := fit.NewGPU(g)
	if err != nil {
		t.Fatal(err)
	}
	return gpu
}

// served are the servers whose objects stand in testdata, which test/kubernetes
// shows to a real API server.
func served(t *testing.T) map[string]Server {
	return map[string]Server{
		"deployment": server(t, "Llama-3.1-8B", "H100-80GB", "vllm@0.21", func(s *Server) {
			s.Setup.Context, s.VM, s.Serves = 32768, "Standard_NC40ads_H100_v5", "llama-8b"
		}),
		"statefulset": server(t, "Llama-3.1-70B", "A100-80GB", "sglang", func(s *Server) {
			s.Kind, s.Setup.TP, s.Setup.Context, s.Setup.Utilisation = "StatefulSet", 4, 8192, 0.85
			s.Pool, s.Spot, s.Image, s.Weights, s.Port = "gpu", true, "registry.example/sglang:1", "weights/llama-70b", 30000
		}),
		"group_vllm": server(t, "Llama-3.1-405B", "H100-80GB", "vllm@0.21", func(s *Server) {
			s.Setup.TP, s.Setup.PP, s.Setup.Context, s.VM, s.PerNode = 8, 2, 16384, "Standard_ND96isr_H100_v5", 8
			s.Start, s.Drain = time.Hour, 10*time.Minute
		}),
		"group_sglang": server(t, "DeepSeek-V3", "H100-80GB", "sglang", func(s *Server) {
			s.Kind, s.Setup.TP, s.Setup.Context, s.Image = "LeaderWorkerSet", 16, 16384, "registry.example/sglang:1"
		}),
		"tensorrt": server(t, "Llama-3.1-8B", "H100-80GB", "tensorrt-llm", func(s *Server) {
			s.Setup.Context, s.Image = 8192, "registry.example/trtllm:1"
		}),
		"amd": server(t, "Llama-3.1-70B", "MI300X", "vllm@0.21", func(s *Server) {
			s.Setup.TP, s.Setup.Context, s.Image = 2, 8192, "registry.example/vllm-rocm:1"
		}),
	}
}

func TestObjects(t *testing.T) {
	for name, s := range served(t) {
		t.Run(name, func(t *testing.T) {
			o, err := New(s)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := o.Write(&b); err != nil {
				t.Fatal(err)
			}
			story.Hold(t, filepath.Join("testdata", name+".yaml"), b.String())
		})
	}
}

func TestNoObjectSaysHowMany(t *testing.T) {
	for name, s := range served(t) {
		o, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		spec := value(t, o[0], "spec").(yaml.MapSlice)
		for _, item := range spec {
			if item.Key == "replicas" {
				t.Errorf("%s says how many replicas there are: Weir writes that", name)
			}
		}
	}
}

// value is what stands below the keys.
func value(t *testing.T, of any, keys ...string) any {
	t.Helper()
	for _, k := range keys {
		m, ok := of.(yaml.MapSlice)
		found := false
		for _, item := range m {
			if item.Key == k {
				of, found = item.Value, true
			}
		}
		if !ok || !found {
			t.Fatalf("there is no %s", k)
		}
	}
	return of
}

func TestWhatCannotBeServedIsRefusedInFitsWords(t *testing.T) {
	for _, c := range []struct {
		what string
		s    Server
		is   error
		says string
	}{
		{"a model too large", server(t, "Llama-3.1-70B", "A100-80GB", "vllm", nil), ErrNotServed, "weights and workspace need"},
		{"a context too long", server(t, "Llama-3.1-8B", "L4", "vllm", nil), ErrNotServed, "the longest that fits is"},
		{"a kind that spans no nodes", server(t, "Llama-3.1-405B", "H100-80GB", "vllm", func(s *Server) {
			s.Kind, s.Setup.TP, s.Setup.PP, s.Setup.Context = "Deployment", 8, 2, 8192
		}), ErrNone, "a replica of 16 GPUs spans 2 nodes of 8: its kind is LeaderWorkerSet, not Deployment"},
		{"a group for one node", server(t, "Llama-3.1-8B", "H100-80GB", "vllm", func(s *Server) { s.Kind = "LeaderWorkerSet" }), ErrNone, "spans 1 node of 1: its kind is Deployment or StatefulSet, not LeaderWorkerSet"},
		{"a name with dots", server(t, "Llama-3.1-8B", "H100-80GB", "vllm", func(s *Server) { s.Name = "llama-3.1" }), ErrNone, `a Service cannot have the name "llama-3.1"`},
		{"a name with a digit first", server(t, "Llama-3.1-8B", "H100-80GB", "vllm", func(s *Server) { s.Name = "8b" }), ErrNone, "starts with a letter"},
		{"another kind", server(t, "Llama-3.1-8B", "H100-80GB", "vllm", func(s *Server) { s.Kind = "DaemonSet" }), ErrNone, "no manifest for kind DaemonSet"},
		{"GPUs that do not divide", server(t, "Llama-3.1-70B", "A100-80GB", "vllm", func(s *Server) { s.Setup.TP, s.PerNode = 8, 3 }), ErrNone, "8 GPUs do not divide into nodes of 3"},
		{"an engine without a pod", server(t, "Llama-3.1-8B", "H100-80GB", "llama.cpp", nil), ErrNone, "no pod for engine llama.cpp: have vllm, sglang, tensorrt-llm"},
		{"an image that is not known", server(t, "Llama-3.1-8B", "H100-80GB", "sglang", func(s *Server) { s.Setup.Utilisation = 0.85 }), ErrNone, "give one"},
		{"nodes before vLLM could", server(t, "Llama-3.1-405B", "H100-80GB", "vllm@0.10", func(s *Server) { s.Setup.TP, s.Setup.PP, s.Setup.Context = 8, 2, 8192 }), ErrNone, "use vllm@0.13 or later"},
	} {
		if _, err := New(c.s); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: have %v, want %q", c.what, err, c.says)
		}
	}
}

func TestAPodHasTimeToStartAndToEnd(t *testing.T) {
	s := served(t)["deployment"]
	s.Start, s.Drain = 7*time.Minute+time.Second, 90*time.Second
	o, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	pod := value(t, o[0], "spec", "template", "spec")
	probe := value(t, value(t, pod, "containers").([]yaml.MapSlice)[0], "startupProbe")
	if most := time.Duration(value(t, probe, "periodSeconds").(int)*value(t, probe, "failureThreshold").(int)) * time.Second; most < s.Start {
		t.Errorf("it is given up after %v of %v", most, s.Start)
	}
	if deadline := time.Duration(value(t, o[0], "spec", "progressDeadlineSeconds").(int)) * time.Second; deadline <= s.Start {
		t.Errorf("its Deployment has failed after %v, and it may start for %v", deadline, s.Start)
	}
	if grace := time.Duration(value(t, pod, "terminationGracePeriodSeconds").(int)) * time.Second; grace <= s.Drain {
		t.Errorf("it is killed after %v, and may drain for %v", grace, s.Drain)
	}
}

func TestModelsThatShareGPUsAskForSlices(t *testing.T) {
	c := catalogue(t)
	gpu := device(t, "A100-80GB")
	var items []fit.Item
	for _, one := range []struct {
		name, model       string
		context, replicas int
	}{{"Chat 8B", "Llama-3.1-8B", 8192, 2}, {"embed", "BAAI/bge-m3", 8192, 1}, {"none", "BAAI/bge-m3", 8192, 0}} {
		m, q, err := fit.Named(c, one.model)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, fit.Item{Name: one.name, Model: m, Replicas: one.replicas, Setup: fit.Setup{Quant: q, Engine: fit.DefaultEngine, TP: 1, Context: one.context, Concurrency: 2, MaxSeqs: 2, BatchTokens: 2048}})
	}
	twice := append(slices.Clone(items), items[1])
	twice[3].Name = "chat-8b"
	if _, _, err := Packed(gpu, twice, 0.05, Server{}); err == nil || !strings.Contains(err.Error(), `"Chat 8B" and "chat-8b" have the same name in Kubernetes, chat-8b`) {
		t.Errorf("two of one name: %v", err)
	}
	o, layout, err := Packed(gpu, items, 0.05, Server{Namespace: "models"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := o.Write(&b, layout...); err != nil {
		t.Fatal(err)
	}
	story.Hold(t, filepath.Join("testdata", "packed.yaml"), b.String())
}
