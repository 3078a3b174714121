package report

import (
	"fmt"
	"io"
	"strings"

	"weir/fit"
	"weir/report/words"
)

// Packing writes the models on each GPU.
func Packing(out io.Writer, p fit.Packing, gpu fit.GPU) error {
	proof := "no placement has fewer"
	if !p.Optimal {
		proof = fmt.Sprintf("no placement has fewer than %d", p.Least)
	}
	fmt.Fprintf(out, "%d x %s: %s; %.0f %% of each kept free\n", len(p.GPUs), p.GPU, proof, 100*p.Headroom)
	marks := []rune("█▓▒░▚▞")
	for i, shares := range p.GPUs {
		var all []memoryPart
		for k, s := range shares {
			name := fmt.Sprintf("%s #%d", s.Name, s.Replica)
			if s.Shard > 1 {
				name += fmt.Sprintf(" shard %d", s.Shard)
			}
			note := fmt.Sprintf("utilisation %.3f", s.Part)
			if s.Slice != "" {
				note = "MIG " + s.Slice + ", " + note
			}
			all = append(all, memoryPart{name, s.Bytes, marks[k%len(marks)], note})
		}
		fmt.Fprintf(out, "\nGPU %d %s %s\n", i+1, memoryBar(all, gpu.Total), words.GiB(gpu.Total))
		for _, a := range all {
			fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("  %c %-32s %10s  %s", a.mark, a.name, words.GiB(a.bytes), a.note), " "))
		}
	}
	return nil
}
