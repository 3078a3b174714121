package fit

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// Quant is how weights are stored. Bits are per parameter, scales and zero
// points included; embedding, output layer, norms, router and vision tower
// stay in Table bits.
type Quant struct {
	Name   string
	Family string  // fp32, 16, fp8, int8, 4bit, gguf
	Linear float64 // bits of a linear layer's parameter
	Expert float64 // bits of a routed expert's parameter
	Table  float64 // bits of the other tensors
	Head   float64 // bits of the output layer; 0: Table
	Untied bool    // the checkpoint carries its own output layer even where the model ties it
	Pad    bool    // kernels pad the experts, see Model.padding
}

// The formats. Groups add their scale: a 16-bit scale per 128 parameters is
// 0.125 bits, a 4-bit zero point 0.031; an MXFP4 block of 32 has one 8-bit
// exponent (0.25), an NVFP4 block of 16 one 8-bit scale (0.5); a 128x128 block
// of fp8 one 32-bit scale (0.002). GGUF widths are those of ggml's block
// structs (ggml-common.h: a Q4_K super-block of 256 is 144 bytes).
var quants = []Quant{
	{Name: "fp32", Family: "fp32", Linear: 32, Expert: 32, Table: 32},
	{Name: "bf16", Family: "16", Linear: 16, Expert: 16, Table: 16},
	{Name: "fp16", Family: "16", Linear: 16, Expert: 16, Table: 16},
	{Name: "fp8", Family: "fp8", Linear: 8, Expert: 8, Table: 16},
	{Name: "fp8-block", Family: "fp8", Linear: 8.002, Expert: 8.002, Table: 16},
	{Name: "int8", Family: "int8", Linear: 8, Expert: 8, Table: 16},
	{Name: "gptq-int8", Family: "int8", Linear: 8.1875, Expert: 8.1875, Table: 16},
	{Name: "awq", Family: "4bit", Linear: 4.15625, Expert: 4.15625, Table: 16},
	{Name: "gptq-int4", Family: "4bit", Linear: 4.15625, Expert: 4.15625, Table: 16},
	{Name: "w4a16", Family: "4bit", Linear: 4.125, Expert: 4.125, Table: 16},
	{Name: "int4-experts", Family: "4bit", Linear: 16, Expert: 4.5, Table: 16},
	{Name: "w4a16-experts", Family: "4bit", Linear: 16, Expert: 4.125, Table: 16},
	{Name: "bnb-nf4", Family: "4bit", Linear: 4.127, Expert: 4.127, Table: 16},
	{Name: "mxfp4", Family: "4bit", Linear: 16, Expert: 4.25, Table: 16, Pad: true},
	{Name: "nvfp4", Family: "4bit", Linear: 4.5, Expert: 4.5, Table: 16},
	{Name: "q8_0", Family: "gguf", Linear: 8.5, Expert: 8.5, Table: 8.5},
	{Name: "q6_k", Family: "gguf", Linear: 6.5625, Expert: 6.5625, Table: 6.5625},
	{Name: "q5_k_m", Family: "gguf", Linear: 5.69, Expert: 5.69, Table: 5.5, Head: 6.5625},
	{Name: "q5_k_s", Family: "gguf", Linear: 5.5, Expert: 5.5, Table: 5.5, Head: 6.5625},
	{Name: "q5_0", Family: "gguf", Linear: 5.5, Expert: 5.5, Table: 5.5, Head: 6.5625},
	{Name: "q4_k_m", Family: "gguf", Linear: 4.84, Expert: 4.84, Table: 4.5, Head: 6.5625},
	{Name: "q4_k_s", Family: "gguf", Linear: 4.56, Expert: 4.56, Table: 4.5, Head: 6.5625},
	{Name: "q4_0", Family: "gguf", Linear: 4.5, Expert: 4.5, Table: 4.5, Head: 6.5625},
	{Name: "q3_k_m", Family: "gguf", Linear: 3.9, Expert: 3.9, Table: 3.4375, Head: 6.5625},
	{Name: "q2_k", Family: "gguf", Linear: 2.95, Expert: 2.95, Table: 2.625, Head: 6.5625},
}

var quantAlso = map[string]string{
	"": "bf16", "float32": "fp32", "float16": "fp16", "half": "fp16", "bfloat16": "bf16",
	"fp8-dynamic": "fp8", "w8a8": "int8", "w8a16": "int8", "8-bit": "int8", "int4": "w4a16", "gptq": "gptq-int4", "awq-int4": "awq",
	"4-bit": "awq", "bnb": "bnb-nf4", "nf4": "bnb-nf4", "bitsandbytes": "bnb-nf4",
	"fp4": "nvfp4", "q4": "q4_k_m", "gptq_marlin": "gptq-int4", "awq_marlin": "awq", "modelopt_fp4": "nvfp4",
}

// Quants lists the names ParseQuant knows.
func Quants() []string {
	out := make([]string, len(quants))
	for i, q := range quants {
		out[i] = q.Name
	}
	return out
}

// ParseQuant finds a storage format by its name or a common spelling of it.
func ParseQuant(name string) (Quant, error) {
	n := strings.ToLower(strings.TrimSpace(name))
	if long, ok := quantAlso[n]; ok {
		n = long
	}
	for _, q := range quants {
		if q.Name == n || q.Name == strings.ReplaceAll(n, "-", "_") {
			return q, nil
		}
	}
	return Quant{}, fmt.Errorf("%w: quantisation %q is not known, have %s", ErrSetup, name, strings.Join(Quants(), ", "))
}

func mustQuant(name string) Quant {
	q, err := ParseQuant(name)
	if err != nil {
		panic(err) // the table above is complete: see TestEveryCatalogueModelHasANativeFormat
	}
	return q
}

// nameQuants find the format in a model's name, the narrowest first.
var nameQuants = []struct {
	re    *regexp.Regexp
	quant string
}{
	{regexp.MustCompile(`nvfp4`), "nvfp4"},
	{regexp.MustCompile(`mxfp4`), "mxfp4"},
	{regexp.MustCompile(`w4a16|int4|4[-_]?bit`), "w4a16"},
	{regexp.MustCompile(`awq`), "awq"},
	{regexp.MustCompile(`gptq[-_]?int8`), "gptq-int8"},
	{regexp.MustCompile(`gptq`), "gptq-int4"},
	{regexp.MustCompile(`w8a8|w8a16|int8|8[-_]?bit`), "int8"},
	{regexp.MustCompile(`fp8`), "fp8"},
	{regexp.MustCompile(`bnb|nf4`), "bnb-nf4"},
	{regexp.MustCompile(`q8_0`), "q8_0"},
	{regexp.MustCompile(`q6_k`), "q6_k"},
	{regexp.MustCompile(`q5_k_m`), "q5_k_m"},
	{regexp.MustCompile(`q4_k_m`), "q4_k_m"},
	{regexp.MustCompile(`q4_0`), "q4_0"},
}

// quantInName is the format named in a checkpoint's name, "" if none.
func quantInName(name string) string {
	low := strings.ToLower(name)
	for _, q := range nameQuants {
		if q.re.MatchString(low) {
			return q.quant
		}
	}
	return ""
}

// bytesOf turns a count of parameters into bytes.
func bytesOf(params int64, bits float64) int64 { return int64(float64(params) * bits / 8) }

func (q Quant) head() float64 { return cmp.Or(q.Head, q.Table) }

// Storage is package engine's name of the storage format: bf16, fp8, fp8_block,
// int8, int4, mxfp4 or nvfp4. That package knows the speed of kernels of that
// width, not the packing of a checkpoint; it has no kernels for GGUF formats,
// which count as 16 bits.
func (q Quant) Storage() string {
	switch {
	case q.Name == "fp8-block":
		return "fp8_block"
	case q.Name == "mxfp4", q.Name == "nvfp4":
		return q.Name
	case q.Family == "4bit":
		return "int4"
	case q.Family == "int8", q.Family == "fp8":
		return q.Family
	}
	return "bf16"
}

// act is the width of activations in bytes.
func (q Quant) act() int64 {
	if q.Family == "fp32" {
		return 4
	}
	return 2
}
