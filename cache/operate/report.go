package operate

import (
	"context"
	"fmt"
	"io"
	"strings"

	"weir/cache/meaning"
	"weir/report/words"
)

// Report tells what came of stored answers by meaning, by model, since the start of a
// running Weir.
func Report(ctx context.Context, out io.Writer, admin string) error {
	var models []meaning.Figures
	if err := call(ctx, admin, "GET", "/admin/cache/meaning", nil, &models); err != nil {
		return err
	}
	if len(models) == 0 {
		_, err := fmt.Fprintln(out, "no request to a model with cache.semantic has come yet")
		return err
	}
	var b strings.Builder
	for i := range models {
		if i > 0 {
			b.WriteByte('\n')
		}
		tell(&b, &models[i])
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func tell(b *strings.Builder, f *meaning.Figures) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-9s "+format+"\n", append([]any{name}, args...)...)
	}
	switch {
	case f.MaxError == 0:
		fmt.Fprintf(b, "%s, no longer with cache.semantic\n", f.Model)
	case f.Shadow:
		fmt.Fprintf(b, "%s, max_error %s, shadow: nothing is served\n", f.Model, words.Percent(f.MaxError, 3))
	default:
		fmt.Fprintf(b, "%s, max_error %s\n", f.Model, words.Percent(f.MaxError, 3))
	}
	line("served", "%d of %d requests that were near a stored prompt; %d embedded, %d too late, %d not compared", f.Served, f.Near, f.Embedded, f.Late, f.Unread)
	if f.Served > 0 {
		line("expected", "at most %s of them wrong", words.Percent(f.Expected, 3))
	}
	if f.Audited > 0 {
		line("measured", "%s wrong, at most %s: %d of %d answers that would have been served", words.Percent(f.Measured, 3), words.Percent(f.MeasuredMost, 3), f.AuditedWrong, f.Audited)
	}
	line("compared", "%d answers near a stored prompt, %d wrong; %d came to nothing", f.Compared, f.ComparedWrong, f.Undone)
	line("money", "%s saved, %s spent on embeddings and judges", f.Saved, f.Spent)
	line("prompts", "%d", f.Prompts)
}
