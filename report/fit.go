package report

import (
	"fmt"
	"io"
	"strings"

	"weir/fit"
	"weir/report/words"
)

// barWidth is the width of a GPU's bar in characters.
const barWidth = 60

// memoryPart is one piece of the bar.
type memoryPart struct {
	name  string
	bytes int64
	mark  rune
	note  string
}

func parts(b fit.Budget) []memoryPart {
	all := []memoryPart{
		{"weights", b.Weights, '█', ""}, {"LoRA adapters", b.LoRA, '▓', ""}, {"workspace", b.Activation, '▒', "peak of a step, sampler included"},
		{"outside torch", b.NonTorch, '▚', "context, collectives"},
	}
	graphs := memoryPart{"CUDA graphs", b.Graphs, '▞', ""}
	if b.GraphsIn {
		all = append(all, graphs)
	} else {
		graphs.note = "outside the engine's share"
	}
	if b.Cache < 0 {
		all = append(all, memoryPart{"missing", -b.Cache, '!', "before any KV cache"})
	} else {
		all = append(all, memoryPart{"KV cache", b.Cache, '░', ""})
	}
	if !b.GraphsIn {
		all = append(all, graphs)
	}
	rest := b.Total - max(b.Need()+max(b.Cache, 0), b.Allowed)
	if !b.GraphsIn {
		rest -= b.Graphs
	}
	return append(all, memoryPart{"free", max(rest, 0), '·', "not the engine's"})
}

// Fit writes whether and how the model fits, and the changes that would help.
func Fit(out io.Writer, a fit.Answer, ink Ink) error {
	shade := map[fit.Verdict]string{fit.Fits: Green, fit.Tight: Yellow, fit.DoesNotFit: Red, fit.RunsOut: Red}[a.Verdict]
	verdict := map[fit.Verdict]string{fit.Fits: "fits", fit.Tight: "fits tightly", fit.DoesNotFit: "does not fit", fit.RunsOut: "starts, then runs out of memory"}[a.Verdict]
	where := a.GPU
	if n := a.TP * a.PP; n > 1 {
		where = fmt.Sprintf("%d x %s", n, a.GPU)
	}
	fmt.Fprintf(out, "%s as %s on %s with %s: %s\n%s\n\n", a.Model, a.Quant, where, a.Engine, ink.Paint(shade, verdict), a.Why)
	if a.Command != "" {
		fmt.Fprintf(out, "  %s\n\n", a.Command)
	}
	writeRemedies(out, a.Remedies)
	writeBudget(out, a)
	tab := columns(out)
	if a.KVPerToken > 0 {
		fmt.Fprintf(tab, "\nKV cache of a token\t%s\twhole model, every layer at full length\n", words.KiB(a.KVPerToken))
		fmt.Fprintf(tab, "one request of %d tokens\t%s\tper GPU\n", a.Context, words.GiB(a.PerRequest))
		fmt.Fprintf(tab, "longest context\t%d tokens\tone request alone\n", a.MaxContext)
		fmt.Fprintf(tab, "most requests at once\t%d\tof %d tokens\n", a.MaxConcurrent, a.Context)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for _, n := range a.Notes {
		fmt.Fprintf(out, "\nNote: %s\n", n)
	}
	for i, s := range a.Sources {
		if i == 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s\n", s)
	}
	return nil
}

// writeRemedies writes the changes with which the model would fit.
func writeRemedies(out io.Writer, remedies []fit.Remedy) {
	if len(remedies) == 0 {
		return
	}
	fmt.Fprintf(out, "What fits, cheapest first:\n")
	for _, r := range remedies {
		fmt.Fprintf(out, "  %s: %s\n", r.Change, r.Why)
	}
	fmt.Fprintln(out)
}

func writeBudget(out io.Writer, a fit.Answer) {
	b := a.Stages[a.Tight]
	all := parts(b)
	if len(a.Stages) > 1 {
		fmt.Fprintf(out, "tightest stage: %d of %d\n", a.Tight+1, len(a.Stages))
	}
	fmt.Fprintf(out, "%s %s\n", memoryBar(all, b.Total), words.GiB(b.Total))
	for _, p := range all {
		if p.bytes == 0 {
			continue
		}
		line := fmt.Sprintf("  %c %-14s %12s  %s", p.mark, p.name, words.GiB(p.bytes), p.note)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}

// memoryBar draws the parts in proportion; the excess over the whole is cut and
// marked.
func memoryBar(all []memoryPart, total int64) string {
	var b strings.Builder
	b.WriteRune('▕')
	var sum int64
	drawn := 0
	for _, p := range all {
		sum += max(p.bytes, 0)
		end := int(float64(sum)/float64(max(total, 1))*barWidth + 0.5)
		for ; drawn < min(end, barWidth); drawn++ {
			b.WriteRune(p.mark)
		}
	}
	for ; drawn < barWidth; drawn++ {
		b.WriteRune('·')
	}
	b.WriteRune('▏')
	if sum > total+total/barWidth {
		b.WriteString(">")
	}
	return b.String()
}
