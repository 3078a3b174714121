package fit

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"weir/price"
)

// Named finds a model by name in the catalogue: its own name, or that of a
// fine-tune, instruct variant or quantised checkpoint of the same shape
// ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8"). The format is the one in
// the name, or the published one.
func Named(c *price.Catalogue, name string) (Model, Quant, error) {
	entry, err := c.Model(name)
	variant := err != nil
	if variant {
		var found bool
		if entry, found = sameShape(c, name); !found {
			return Model{}, Quant{}, fmt.Errorf("%w: give its config.json, or its shape by flags", unknown(err, c, name))
		}
	}
	m, err := Entry(entry)
	if err != nil {
		return Model{}, Quant{}, err
	}
	m.Name, m.From = name, c.SourceOf(entry.Source)
	m.LooseLimit = variant || m.From.Unverified && entry.Config != ""
	if !variant {
		m.Repo = entry.Name
	}
	if scores.MatchString(name) && m.generates() {
		m.NoHead = true
	}
	q := m.Native()
	if told := quantInName(name); told != "" && q.Family != "4bit" {
		q = mustQuant(told)
	}
	return m, q, nil
}

// scores are names of models that embed, rank or judge: nothing is sampled.
var scores = regexp.MustCompile(`(?i)embedding|reranker|reward`)

// endings and starts are parts of names unrelated to the shape.
var (
	endings = regexp.MustCompile(`[-_.](instruct|chat|it|hf|base|pt|fp8|fp16|bf16|dynamic|awq|gptq|int4|int8|w4a16|w8a8|w8a16|nvfp4|mxfp4|quantized|block|gguf|qat|bnb|4bit|8bit|preview|research|thinking|embedding|reranker|v0\.[0-9]|v1\.[0-9]|2[4-6][01][0-9]|0[0-9]{3}|q[0-9]_[k0](_[ms])?|g128|128g|int4-w4a16)$`)
	starts  = regexp.MustCompile(`^(meta|nvidia|ibm|google|microsoft|unsloth)-`)
)

// aliases are models with the shape of another one.
var aliases = []struct{ name, shape string }{
	{"deepseek-r1-distill-qwen-32b", "qwen2.5-32b"}, {"deepseek-r1-distill-qwen-14b", "qwen2.5-14b"},
	{"deepseek-r1-distill-qwen-1.5b", "qwen2.5-1.5b"}, {"deepseek-r1-distill-llama-8b", "llama-3.1-8b"},
	{"deepseek-r1-distill-llama-70b", "llama-3.1-70b"}, {"kimi-dev-72b", "qwen2.5-72b"},
	{"deepseek-v3.1", "deepseek-v3"}, {"qwen3-embedding-8b", "qwen3-8b"}, {"qwen3-embedding-4b", "qwen3-4b"},
	{"qwen3-embedding-0.6b", "qwen3-0.6b"}, {"qwen3-reranker-8b", "qwen3-8b"}, {"qwen3-reranker-0.6b", "qwen3-0.6b"}, {"bge-reranker-v2-m3", "bge-m3"}, {"bge-reranker-large", "multilingual-e5-large"}, {"qwen2.5-coder-32b", "qwen2.5-32b"},
	{"qwen2.5-coder-14b", "qwen2.5-14b"}, {"qwen2.5-coder-7b", "qwen2.5-7b"}, {"qwen2.5-math-7b", "qwen2.5-7b"},
	{"qwq-32b", "qwen2.5-32b"}, {"qwen3.6-27b", "qwen3.5-27b"}, {"qwen3.8-27b", "qwen3.5-27b"}, {"qwen3.6-35b-a3b", "qwen3.5-35b-a3b"},
	{"qwen3-coder-30b-a3b", "qwen3-30b-a3b"}, {"hermes-3-llama-3.1-8b", "llama-3.1-8b"}, {"typhoon-s-thaillm-8b", "qwen3-8b"},
}

// plain is the part of a name that identifies the shape.
func plain(name string) string {
	n := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	n, _, _ = strings.Cut(n, " ")
	for {
		short := endings.ReplaceAllString(n, "")
		short = starts.ReplaceAllString(short, "")
		if short == n {
			return n
		}
		n = short
	}
}

func sameShape(c *price.Catalogue, name string) (price.Model, bool) {
	low := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	for _, m := range c.Models() {
		if short := m.Name[strings.LastIndexByte(m.Name, '/')+1:]; strings.HasPrefix(low, strings.ToLower(short)+"-") && endsPlainly(low[len(short):]) {
			return m, true // a variant of exactly this one: "Mistral-7B-Instruct-v0.2-AWQ"
		}
	}
	want := plain(name)
	for _, a := range aliases {
		if a.name == want {
			want = a.shape
		}
	}
	for _, m := range c.Models() {
		if plain(m.Name) == want || slices.ContainsFunc(m.Also, func(also string) bool { return plain(also) == want }) {
			return m, true
		}
	}
	return price.Model{}, false
}

// endsPlainly says whether the rest of a name is unrelated to the shape.
func endsPlainly(rest string) bool { return plain("x"+rest) == "x" }

// unknown adds the nearest known names.
func unknown(err error, c *price.Catalogue, name string) error {
	if !errors.Is(err, price.ErrUnknown) {
		return err
	}
	want, _, _ := strings.Cut(plain(name), "-")
	var near []string
	for _, m := range c.Models() {
		if strings.HasPrefix(plain(m.Name), want) && len(near) < 5 {
			near = append(near, m.Name)
		}
	}
	if len(near) == 0 {
		return err
	}
	return fmt.Errorf("%w; there are %s", err, strings.Join(near, ", "))
}
