package fit

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// architecture is a class that vLLM 0.33 or SGLang 0.5.23 lists, with the
// default config.json of the class in transformers 5.24, reduced to what
// memory depends on, and what the class built of it has: parameters, and
// numbers that projections of keys and values give for a token.
type architecture struct {
	By      []string        `json:"by"`
	Params  int64           `json:"params"`
	Numbers int64           `json:"kv_numbers"`
	Config  json.RawMessage `json:"config"`
}

func architectures(t *testing.T) map[string]architecture {
	t.Helper()
	text, err := os.ReadFile("testdata/architectures.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]architecture{}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// refusedClasses loop over their layers, as often as the config says or the
// request needs: fit refuses them.
var refusedClasses = []string{"DoryForCausalLM", "HrmTextForCausalLM"}

// offParams are classes whose parameters fit does not count as transformers
// does, and why.
var offParams = map[string]string{
	"LongcatFlashForCausalLM":             "transformers gives weights to experts that have none; 560 x 10^9 are published, and counted",
	"Qwen2_5OmniForConditionalGeneration": "engines serve the thinker; transformers builds talker and vocoder too",
	"InklingForConditionalGeneration":     "the default of the multimodal class has other experts than its text model",
	"ModernVBertModel":                    "a connector of its own",
	"NemotronH_Omni_Reasoning_V3":         "a default of four layers, smaller than its towers",
}

// offCache are classes whose caches do not follow from the projections.
var offCache = map[string]string{
	"AriaForConditionalGeneration": "its projector has keys too", "CohereAsrForConditionalGeneration": "encoder and cross attention have keys too",
	"MllamaForConditionalGeneration": "layers of cross attention have keys of the image", "Molmo2ForConditionalGeneration": "its pooling has keys too",
	"OlmoHybridForCausalLM": "linear layers have keys too", "Qwen2_5OmniForConditionalGeneration": "the talker is not served",
	"WhisperForConditionalGeneration": "encoder and cross attention have keys too", "ZayaForCausalLM": "keys are compressed by a convolution: counted at full width",
	"MiMoV2FlashForCausalLM": "transformers' config leaves out the shape of the window layers, which the published one has",
}

func TestEveryArchitectureIsComputedFromItsConfigAlone(t *testing.T) {
	all := architectures(t)
	var names []string
	for name, a := range all {
		if a.Config != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) < 180 {
		t.Fatalf("%d architectures with a config", len(names))
	}
	for _, name := range names {
		a := all[name]
		m, err := ParseConfig(name, a.Config)
		if refused := slices.Contains(refusedClasses, name); err != nil || refused {
			if !refused || err == nil {
				t.Errorf("%s: %v, refusal expected: %t", name, err, refused)
			}
			continue
		}
		limit := 0.02
		if m.VisionParams > 0 || m.Unknown != "" {
			limit = 0.10 // towers and what joins them to the text model are approximate
		}
		if e := float64(m.Params())/float64(a.Params) - 1; math.Abs(e) > limit && offParams[name] == "" {
			t.Errorf("%s: %d parameters, the class has %d: %+.1f %%", name, m.Params(), a.Params, 100*e)
		}
		if m.MaxContext == 0 {
			m.MaxContext = 2048
		}
		s := Setup{GPU: GPU{Name: "big", Total: 8000 * GiB, SM: 9}, Quant: mustQuant("bf16"), Context: min(2048, max(m.MaxContext, 1))}
		answer, err := Check(m, s)
		if err != nil || !answer.Verdict.Serves() {
			t.Errorf("%s: %v %s", name, err, answer.Why)
		}
		if a.Numbers > 0 && m.Attention != mla && m.generates() && offCache[name] == "" && answer.KVPerToken != 2*a.Numbers {
			t.Errorf("%s: %d bytes a token, the projections give %d", name, answer.KVPerToken, 2*a.Numbers)
		}
	}
}

// classesTable says which classes were compared, and which were not.
func classesTable(t *testing.T) string {
	all := architectures(t)
	var text, towers []float64
	var off, unread []string
	for _, name := range sorted(all) {
		a := all[name]
		m, err := ParseConfig(name, a.Config)
		switch {
		case a.Config == nil:
			unread = append(unread, name)
		case err != nil:
			off = append(off, fmt.Sprintf("| %s | refused: it loops over its layers |\n", name))
		case offParams[name] != "":
			off = append(off, fmt.Sprintf("| %s | %s |\n", name, offParams[name]))
		default:
			e := math.Abs(float64(m.Params())/float64(a.Params) - 1)
			if m.VisionParams > 0 {
				towers = append(towers, e)
			} else {
				text = append(text, e)
			}
		}
	}
	slices.Sort(text)
	slices.Sort(towers)
	var b strings.Builder
	fmt.Fprintf(&b, `
## Architectures

Of the %d model classes that vLLM 0.33 and SGLang 0.5.23 list (without draft models), %d are in transformers 5.24:
for each, fit reads the class's default config.json (fit/testdata/architectures.json) and its parameters are
compared with those of the class itself, and the bytes of a token in the cache with its projections of keys and values.

| classes | compared | parameters off, median | p90 | worst |
|---|---:|---:|---:|---:|
`, len(all), len(all)-len(unread))
	for _, row := range []struct {
		name string
		of   []float64
	}{{"text alone", text}, {"with a tower of images or sound", towers}} {
		fmt.Fprintf(&b, "| %s | %d | %.2f %% | %.2f %% | %.2f %% |\n", row.name, len(row.of), 100*quantile(row.of, 0.5), 100*quantile(row.of, 0.9), 100*row.of[len(row.of)-1])
	}
	b.WriteString("\nNot counted as transformers does:\n\n| class | why |\n|---|---|\n" + strings.Join(off, ""))
	fmt.Fprintf(&b, "\nNot compared, because the class is not in transformers under that name (its code lies beside its weights, or it is a\nhead on another class); their config.json is read all the same: %s.\n", strings.Join(unread, ", "))
	return b.String()
}

func sorted(all map[string]architecture) []string {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Every entry with a config is read, and its own counts, which the engine and
// lists of prices take, are those of the config.
func TestConfigsOfTheCatalogueAreRead(t *testing.T) {
	n := 0
	for _, p := range catalogue(t).Models() {
		if p.Config == "" {
			continue
		}
		n++
		m, err := Entry(p)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		if m.Layers != p.Layers || m.Hidden != p.Hidden || m.Heads != p.Heads || m.KVHeads != p.KVHeads || m.Experts != p.Experts || m.MaxContext != p.MaxContext || m.Attention != p.Attention {
			t.Errorf("%s: the entry and its config differ: %+v, %+v", p.Name, p, m.Model)
		}
	}
	if n < 50 || len(catalogue(t).Models()) < 150 {
		t.Errorf("%d models, %d with a config", len(catalogue(t).Models()), n)
	}
}
