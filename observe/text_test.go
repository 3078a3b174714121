package observe_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/observe"
)

// A line for people leaves out empty values and stays one line, whatever the
// values hold.
func TestTextLinesAreShort(t *testing.T) {
	var out bytes.Buffer
	log, err := observe.NewLogger(&out, observe.Text, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	f := func(want string, write func()) {
		t.Helper()
		out.Reset()
		write()
		_, have, _ := strings.Cut(out.String(), "Z ")
		if have != want {
			t.Errorf("have %q\nwant %q", have, want)
		}
	}
	f("INFO  scaled deployment=chat/a have=1 want=2\n", func() { log.Info("scaled", "deployment", "chat/a", "have", 1, "want", 2, "err", "", "lost", 0) })
	f("WARN  w error=\"two\\nlines \\\"x\\\"\" took=1.5s\n", func() { log.Warn("w", "error", errors.New("two\nlines \"x\""), "took", 1500*time.Millisecond) })
	f("ERROR e a=b g.x=0.125 g.y=12.3 g.z=1235 g.usd=0.000123\n", func() {
		log.With("a", "b", "none", "").WithGroup("g").Error("e", "x", 0.125, "y", 12.345, "z", 1234.9, "usd", 0.000123456)
	})
	f("", func() { log.Debug("hidden") })

	access := observe.NewAccessLog(log)
	access.Enable(true)
	rec := weir.Record{RequestID: "r1", Client: "203.0.113.9", Tenant: "t", Key: "k", Model: "m", Deployment: "m/a", Replica: "0", Status: 200, Attempts: 1,
		Ended: weir.Instant(213 * time.Millisecond), TTFT: 80 * time.Millisecond, Usage: weir.Usage{Prompt: 12, Completion: 20}}
	out.Reset()
	access.Record(rec)
	if have := out.String(); len(have) > 260 || !strings.Contains(have, " client=203.0.113.9 ") || !strings.Contains(have, " took_ms=213 ttft_ms=80.0 prompt_tokens=12 completion_tokens=20") {
		t.Errorf("%d characters: %s", len(have), have)
	}
}
