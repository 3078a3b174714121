// The benchmark of stored answers by meaning: a set of questions made from rules, a real
// embedding model, and beside each other fixed thresholds of similarity and package
// meaning's bound. See docs/benchmarks/semantic.md, which it writes.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"

	"weir/cache/meaning"
)

// request is one of the stream.
type request struct {
	text   string
	intent int
}

// stream draws n texts, none of them twice: an equal text is the exact cache's. Intents
// come by Zipf's law, wordings evenly.
func stream(all []intent, n int, seed uint64) (rs []request) {
	r := rand.New(rand.NewPCG(seed, 1))
	order := r.Perm(len(all))
	weight, sum := make([]float64, len(all)), 0.0
	for i := range weight {
		sum += 1 / math.Pow(float64(i+1), 0.9)
		weight[i] = sum
	}
	seen := map[string]bool{}
	for tries := 0; len(rs) < n && tries < 40*n; tries++ {
		at, _ := slices.BinarySearch(weight, r.Float64()*sum)
		i := order[min(at, len(order)-1)]
		text := all[i].wordings[r.IntN(len(all[i].wordings))]
		if !seen[text] {
			seen[text] = true
			rs = append(rs, request{text, i})
		}
	}
	return rs
}

// embed returns the vectors of texts from the real model.
func embed(python, models string, texts []string) (map[string]meaning.Vector, error) {
	var in bytes.Buffer
	for _, t := range texts {
		line, _ := json.Marshal(t)
		in.Write(append(line, '\n'))
	}
	cmd := exec.Command(python, "embed.py")
	cmd.Env, cmd.Stdin, cmd.Stderr = append(os.Environ(), "MODELS="+models), &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	vectors := map[string]meaning.Vector{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for _, t := range texts {
		if !lines.Scan() {
			return nil, fmt.Errorf("the model gave %d vectors for %d texts", len(vectors), len(texts))
		}
		raw, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			return nil, err
		}
		v := make(meaning.Vector, len(raw)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		vectors[t] = v.Unit()
	}
	return vectors, nil
}

func main() {
	log.SetFlags(0)
	out := flag.String("out", "", "the report's `file`; without it standard output")
	python := flag.String("python", "", "Python with requirements.txt")
	models := flag.String("models", "", "`folder` of the models")
	n := flag.Int("n", 8_000, "requests")
	seed := flag.Uint64("seed", 1, "of the draws")
	flag.Parse()
	all := intents()
	rs := stream(all, *n, *seed)
	var texts []string
	for _, r := range rs {
		texts = append(texts, r.text)
	}
	vectors, err := embed(*python, *models, texts)
	if err != nil {
		log.Fatal(err)
	}
	report := report(all, rs, vectors, *seed)
	if *out == "" {
		fmt.Print(report)
		return
	}
	if err := os.WriteFile(*out, []byte(report), 0o644); err != nil {
		log.Fatal(err)
	}
}
