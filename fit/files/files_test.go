package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/config"
	"weir/fit"
	"weir/price"
)

const tiny = `{"architectures":["LlamaForCausalLM"],"model_type":"llama","num_hidden_layers":2,"hidden_size":64,"num_attention_heads":4,"num_key_value_heads":2,"intermediate_size":128,"vocab_size":1000,"max_position_embeddings":4096,"torch_dtype":"bfloat16"}`

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderIsAModelWithTheWeightsInIt(t *testing.T) {
	folder := t.TempDir()
	if Is(folder) || Is("Llama-3.1-8B") {
		t.Error("a folder without config.json, or a name, is taken for a model")
	}
	write(t, folder, "config.json", tiny)
	write(t, folder, "model.safetensors.index.json", `{"metadata":{"total_size":1000000},"weight_map":{}}`)
	write(t, folder, "model-00001-of-00001.safetensors", "")
	m, weights, err := Model(folder)
	if err != nil || !Is(folder) || m.Layers != 2 || m.Name != filepath.Base(folder) {
		t.Fatalf("have %+v, %v", m, err)
	}
	if len(weights) != 1 || !strings.HasSuffix(weights[0], "index.json") {
		t.Errorf("have the weights %q", weights)
	}
	before := m
	if err := Measure(&m, nil); err != nil || m.Stored != before.Stored {
		t.Errorf("no weights change the model: %v", err)
	}
	if err := Measure(&m, weights); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeReadSaysWhatWould(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "x.safetensors", "")
	for name, want := range map[string]string{
		"nowhere.gguf": "does not exist: give a model's name", "nowhere.json": "does not exist: give a model's name",
		filepath.Join(folder, "x.safetensors"): "give the model's config.json, and this file with --weights",
	} {
		if _, _, err := Model(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModelsThatShareAreReadWithTheirDefaults(t *testing.T) {
	c, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	items, err := Pack("models.yaml", []byte("models: [{model: BAAI/bge-m3, concurrency: 4, replicas: 2}, {name: chat, model: Llama-3.1-8B, quant: fp8, context: 8k}]"), c)
	if err != nil || len(items) != 2 {
		t.Fatalf("have %+v, %v", items, err)
	}
	if a := items[0]; a.Name != "BAAI/bge-m3" || a.Replicas != 2 || a.Setup.MaxSeqs != 4 || a.Setup.TP != 1 || a.Setup.Engine != fit.DefaultEngine {
		t.Errorf("have %+v", a)
	}
	if b := items[1]; b.Name != "chat" || b.Replicas != 1 || b.Setup.Context != 8192 || b.Setup.Quant.Name != "fp8" || b.Setup.BatchTokens != 2048 {
		t.Errorf("have %+v", b)
	}
	var faults config.Faults
	if _, err := Pack("models.yaml", []byte("models: [{modle: x}]"), c); !errors.As(err, &faults) {
		t.Errorf("have %v", err)
	}
	if _, err := Pack("models.yaml", []byte("models: [{model: Llama-3.1-8B, context: lots}]"), c); err == nil || !strings.Contains(err.Error(), "models.yaml: Llama-3.1-8B: ") {
		t.Errorf("have %v", err)
	}
}
