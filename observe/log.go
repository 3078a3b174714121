package observe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"weir"
)

// Format is the format of log lines.
type Format string

const (
	Auto Format = "auto" // Text on a terminal, JSON elsewhere
	Text Format = "text"
	JSON Format = "json"
)

// NewLogger returns a logger that writes to w, in the format, at the level. A
// *slog.LevelVar may change while it runs.
func NewLogger(w io.Writer, f Format, level slog.Leveler) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: level}
	switch f {
	case Auto, "":
		if terminal(w) {
			return slog.New(newTextHandler(w, level)), nil
		}
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case Text:
		return slog.New(newTextHandler(w, level)), nil
	case JSON:
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q is unknown: use %s, %s or %s", f, Auto, Text, JSON)
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// AccessLog writes a line for each ended request while it is on. A line holds
// the fields of a weir.Record: names, counts and times, never a prompt, an
// answer or a key.
type AccessLog struct {
	log *slog.Logger
	on  atomic.Bool
}

// NewAccessLog returns an access log that is off.
func NewAccessLog(log *slog.Logger) *AccessLog { return &AccessLog{log: log} }

// Enable switches it on or off.
func (a *AccessLog) Enable(on bool) { a.on.Store(on) }

// Record writes the line if the log is on.
func (a *AccessLog) Record(rec weir.Record) {
	if !a.on.Load() {
		return
	}
	a.log.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("request_id", rec.RequestID), slog.String("client", rec.Client),
		slog.String("tenant", rec.Tenant), slog.String("key", rec.Key),
		slog.String("model", rec.Model), slog.String("deployment", rec.Deployment), slog.String("replica", rec.Replica),
		slog.String("op", rec.Op.String()), slog.String("class", rec.Class.String()), slog.Bool("stream", rec.Stream),
		slog.Int("status", rec.Status), slog.String("outcome", rec.Outcome.String()),
		slog.String("fault", rec.Fault.String()), slog.String("code", rec.Code), slog.Int("attempts", rec.Attempts),
		ms("took_ms", rec.Ended.Sub(rec.Arrived)), ms("queued_ms", rec.Queued),
		ms("ttft_ms", rec.TTFT), ms("tpot_ms", rec.TPOT), ms("added_ms", rec.Own),
		slog.Int64("prompt_tokens", rec.Usage.Prompt), slog.Int64("cached_tokens", rec.Usage.Cached),
		slog.Int64("completion_tokens", rec.Usage.Completion), slog.Bool("estimated", rec.Usage.Estimated),
		slog.Float64("cost_dollars", dollars(rec.Cost)), slog.Float64("extra_dollars", dollars(rec.Extra)),
		slog.String("route", rec.Trail), slog.String("cache", rec.Cache), slog.Float64("saved_dollars", dollars(rec.Saved)), slog.String("cheaper", rec.Cheaper), slog.String("asked", rec.Asked),
	)
}

// ms is a duration in milliseconds.
func ms(key string, d time.Duration) slog.Attr {
	return slog.Float64(key, float64(d)/float64(time.Millisecond))
}
