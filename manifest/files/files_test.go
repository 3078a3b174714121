package files

import (
	"errors"
	"strings"
	"testing"

	"weir/config"
	"weir/fit"
	"weir/fit/files"
	"weir/manifest"
	"weir/price"
)

const head = `
tenants: [{name: a, keys: [{name: k, hash: "sha256:410b22ea4f0e175834e04ba6c89fd0bc2a705c48278e369b19c9396706e53c2d"}]}]
models:
  - name: llama
    deployments:
`

const one = `
      - name: small
        capacity: {max_requests: 32}
        kubernetes: {name: small, namespace: models, model: Llama-3.1-8B, port: 9000, gpus: 2, start_timeout: 1h, runs_on: {gpu: A100-SXM-80GB, tp: 1, context: 8192}}
      - name: outside
        tier: 1
        external: {urls: ["http://127.0.0.1:1"]}
      - name: pair
        tier: 1
        kubernetes: {name: pair, namespace: models, model: Llama-3.1-8B, gpus: 2, runs_on: {gpu: H100-NVL-94GB, context: 8192}}
      - name: bare
        tier: 2
        kubernetes: {name: bare, namespace: models}
`

func parse(t *testing.T, text string) (*config.Config, *price.Catalogue) {
	t.Helper()
	c, err := config.Parse("weir.yaml", []byte(head+text))
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	return c, prices
}

func TestWhatTheFileSaysIsInTheWorkload(t *testing.T) {
	c, prices := parse(t, one)
	o, err := Workloads(c, prices, Options{Deployment: "small", Weights: "claim/llama", Spot: true})
	if err != nil || len(o) != 2 {
		t.Fatalf("%d objects, %v", len(o), err)
	}
	var b strings.Builder
	if err := o.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: small\n", "- --max-num-seqs\n        - \"32\"\n", "- --pipeline-parallel-size\n        - \"2\"\n", "containerPort: 9000\n",
		"failureThreshold: 360\n", "- /models/llama\n", "claimName: claim\n", "value: spot\n", "nvidia.com/gpu: 2\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, b.String())
		}
	}
}

func TestEveryFaultOfTheFileIsSaid(t *testing.T) {
	c, prices := parse(t, one)
	for _, x := range []struct {
		o    Options
		says string
	}{
		{Options{}, "deployment bare: no manifest: kubernetes.runs_on is missing"},
		{Options{Deployment: "outside"}, `no deployment "outside" of the file has a kubernetes: block`},
		{Options{Deployment: "small", VM: "Standard_NC40ads_H100_v5"}, "have H100-NVL-94GB, and the replica runs on A100-SXM-80GB"},
		{Options{Deployment: "small", VM: "Standard_Nothing"}, "Standard_Nothing"},
		{Options{Deployment: "pair", VM: "Standard_NC40ads_H100_v5"}, "a replica of 2 GPUs spans 2 nodes of 1: its kind is LeaderWorkerSet, not Deployment; a group is kind: LeaderWorkerSet"},
	} {
		if _, err := Workloads(c, prices, x.o); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%+v: have %v, want %q", x.o, err, x.says)
		}
	}
}

// All workloads would load the same weights from one path.
func TestAVolumeOfWeightsIsForOneModel(t *testing.T) {
	c, prices := parse(t, `
      - name: small
        kubernetes: {name: small, namespace: models, model: Llama-3.1-8B, gpus: 1, runs_on: {gpu: A100-SXM-80GB, context: 8192}}
      - name: again
        tier: 1
        kubernetes: {name: again, namespace: models, model: Llama-3.1-8B, gpus: 1, runs_on: {gpu: H100-SXM-80GB, context: 8192}}
`)
	if o, err := Workloads(c, prices, Options{Weights: "claim/llama"}); err != nil || len(o) != 4 {
		t.Errorf("one model: %d objects, %v", len(o), err)
	}
	c.Models[0].Deployments[1].Kubernetes.Model = "Qwen/Qwen3-8B"
	says := "deployment again: no manifest: the volume claim/llama has the weights of one model"
	if _, err := Workloads(c, prices, Options{Weights: "claim/llama"}); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("have %v, want %q", err, says)
	}
	gpu, err := files.Device(prices, "A100-SXM-80GB", 0)
	if err != nil {
		t.Fatal(err)
	}
	src := []byte("models: [{name: chat, model: Llama-3.1-8B, context: 8k}, {name: embed, model: BAAI/bge-m3, context: 8k}]")
	if _, _, err := Packed("pack.yaml", src, gpu, 0.05, prices, Options{Weights: "claim/llama"}); !errors.Is(err, manifest.ErrNone) {
		t.Errorf("have %v", err)
	}
}

func TestModelsThatShareAreReadFromTheFileOfFit(t *testing.T) {
	_, prices := parse(t, one)
	gpu, err := files.Device(prices, "A100-SXM-80GB", 0)
	if err != nil {
		t.Fatal(err)
	}
	src := []byte("models: [{name: chat, model: Llama-3.1-8B, context: 8k}]")
	o, layout, err := Packed("pack.yaml", src, gpu, 0.05, prices, Options{VM: "Standard_ND96amsr_A100_v4"})
	if err != nil || len(o) != 2 || len(layout) != 1 || layout[0] != "GPU 1: 2g.20gb (chat 1)" {
		t.Errorf("%d objects, layout %q, %v", len(o), layout, err)
	}
	if _, _, err := Packed("pack.yaml", src, fit.GPU{Name: "T4", Total: 64 << 30}, 0.05, prices, Options{}); err == nil || !strings.Contains(err.Error(), "has no MIG") {
		t.Errorf("have %v", err)
	}
	if _, _, err := Packed("pack.yaml", src, gpu, 0.05, prices, Options{VM: "Standard_NC40ads_H100_v5"}); !errors.Is(err, manifest.ErrNone) {
		t.Errorf("have %v", err)
	}
}
