package compare

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"

	"weir"
	"weir/cheaper"
	"weir/report/words"
)

func (r *run) report(out io.Writer) {
	n := len(r.pairs)
	agreed := n - r.by[differ]
	low, high := cheaper.Wilson(agreed, n, cheaper.Sides(r.Level))
	fmt.Fprintf(out, "%s by %s and %s, %d failed\n", words.Count(n, "request"), r.Large, r.Small, r.failed)
	r.sayFaults(out)
	fmt.Fprintf(out, "answers agree: %d of %d, %s (%s to %s with %s confidence): %d equal, %d by embedding, %d by the judge\n",
		agreed, n, words.Percent(float64(agreed)/float64(n), 3), words.Percent(low, 3), words.Percent(high, 3), words.Percent(r.Level, 3), r.by[equal], r.by[near], r.by[same])
	fmt.Fprintf(out, "answers of %s not good enough: %d cut, %d refused, %d outside their schema, %d failed\n",
		r.Small, r.judged[cheaper.Cut], r.judged[cheaper.Refused], r.judged[cheaper.Schema], r.judged[cheaper.Failed])
	if !r.told {
		fmt.Fprintf(out, "%s tells no probabilities: min_confidence cannot be used\n", r.Small)
	}
	ways := cheaper.Choices(r.pairs, r.Level, r.told)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nhow\tserved by %s\tof them agree\tat least\tsaves\n", r.Small)
	for i := range ways {
		c := &ways[i]
		fmt.Fprintf(w, "%s\t%s\t%d of %d\t%s\t%s\n", how(c), words.Percent(float64(c.Moved)/float64(n), 3), c.Agreed, c.Moved, words.Percent(c.Least, 3), saves(c))
	}
	w.Flush()
	r.advise(out, ways)
}

// advise names the way that saves most.
func (r *run) advise(out io.Writer, ways []cheaper.Choice) {
	best, ok := cheaper.Best(ways, r.Quality)
	if !ok {
		fmt.Fprintf(out, "\nno way saves money with at least %s of its answers in agreement; a larger sample proves more\n", words.Percent(r.Quality, 3))
		return
	}
	requests := float64(best.Requests)
	month := func(m weir.Money) string { return words.Dollars(weir.Money(float64(m) / requests * r.Month)) }
	fmt.Fprintf(out, "\nbest with at least %s in agreement: %s, share %s of these requests\n", words.Percent(r.Quality, 3), how(&best), words.Percent(float64(best.Moved)/requests, 3))
	fmt.Fprintf(out, "%s requests a month like these cost %s by %s alone, and %s so: %s saved\n",
		words.Spelled(r.Month), month(best.Before), r.Large, month(best.After), month(best.Before-best.After))
	fmt.Fprintf(out, "in a demand.yaml of weir plan: smaller: {model: %s, share: %s}\n", cmp.Or(r.PriceSmall, r.Small), share(ways, &best))
}

// share is that of the requests which saves as much as a way if all of it moves: a plan
// knows no answers that were asked for in vain.
func share(ways []cheaper.Choice, best *cheaper.Choice) string {
	all := ways[0].Before - ways[0].After
	return fmt.Sprintf("%.1f%%", 100*float64(best.Before-best.After)/float64(max(all, 1)))
}

// how is the way in the words of weir.yaml.
func how(c *cheaper.Choice) string {
	switch {
	case c.How == cheaper.Moved:
		return "how: move"
	case c.MinConfidence > 0:
		return fmt.Sprintf("how: cascade, min_confidence: %g%%", 100*c.MinConfidence)
	}
	return "how: cascade"
}

func saves(c *cheaper.Choice) string {
	if c.Before <= 0 {
		return "nothing: it is free"
	}
	return words.Percent(float64(c.Before-c.After)/float64(c.Before), 3)
}
