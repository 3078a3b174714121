package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// goals are Weir's promises, measured against nginx in the same run.
var goals = []struct {
	row   string
	text  string
	limit float64
	value func(f *figures) float64
}{
	{cpu1k, "at most 3 x nginx", 3, func(f *figures) float64 { return f.times(cpu1k) }},
	{cpu50k, "at most 2.5 x nginx", 2.5, func(f *figures) float64 { return f.times(cpu50k) }},
	{cpuEvents, "at most 1.5 x nginx", 1.5, func(f *figures) float64 { return f.times(cpuEvents) }},
	{streamBytes, "under 45 KiB", 45, func(f *figures) float64 { return f.median(streamBytes, "weir") }},
	{added99, "at most 1 ms over nginx", 1, func(f *figures) float64 { return f.median(added99, "weir") - f.median(added99, "nginx") }},
}

// times is Weir's figure over nginx's.
func (f *figures) times(row string) float64 {
	if n := f.median(row, "nginx"); n > 0 {
		return f.median(row, "weir") / n
	}
	return 0
}

// missed lists the goals that were not met.
func (f *figures) missed() (texts []string) {
	for _, g := range goals {
		if g.row == added99 && f.others > tooBusy {
			continue
		}
		if v := g.value(f); v > g.limit {
			texts = append(texts, fmt.Sprintf("%s: %.2f, want %s", g.row, v, g.text))
		}
	}
	if n := f.broken["weir"]; n > 0 {
		texts = append(texts, fmt.Sprintf("%d streams broke off, want none", n))
	}
	return texts
}

// page is docs/benchmarks/gateway.md.
func (f *figures) page(w *world, p plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# What a request through Weir costs

Written by `+"`go run .` in `bench/gateway`"+` (also `+"`make bench`"+`), which says how it is measured.

%s. %s, %d processors%s, %s, %s, Weir at %s. Medians of %d interleaved
rounds. Loopback, HTTP/1.1 with keep-alive, no TLS. Sizes are of the request's body; the answer is 1 KB. The fixed rate is
%.0f requests/s, half of what Weir did over 64 connections in its slowest round; added times are over the upstream asked
directly. %d paced streams have an event each %v; memory is that of a fresh proxy with %d quiet ones. Weir has keys,
limits, routing, metering and metrics on, and no access log, as nginx has none.
Other programs took %.0f %% of the processors' time during the run%s.

`, time.Now().UTC().Format("2006-01-02"), cpuName(), runtime.NumCPU(), w.shares(), orNone(w.version), runtime.Version(),
		revision(), p.rounds, f.rate, p.streams, pace, p.held, 100*f.others, f.disturbance())
	b.WriteString("|")
	for _, t := range w.targets {
		fmt.Fprintf(&b, " | %s", t.name)
	}
	b.WriteString(" | x nginx: reverseproxy | weir |\n|---" + strings.Repeat("|---", len(w.targets)+2) + "|\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s", row)
		for _, t := range w.targets {
			fmt.Fprintf(&b, " | %s", number(f.median(row, t.name)))
		}
		fmt.Fprintf(&b, " | %s | %s |\n", f.ratio(row, "reverseproxy"), f.ratio(row, "weir"))
	}
	for _, t := range w.targets {
		if n := f.broken[t.name]; n > 0 {
			fmt.Fprintf(&b, "\n%s broke off %d streams.%s\n", t.name, n, whyBroken[t.name])
		}
	}
	b.WriteString("\n| goal | measured | |\n|---|---|---|\n")
	for _, g := range goals {
		v, verdict := g.value(f), "met"
		switch {
		case g.row == added99 && f.others > tooBusy:
			verdict = "not judged: the machine was busy"
		case v > g.limit:
			verdict = "**not met**"
		}
		fmt.Fprintf(&b, "| %s: %s | %.2f | %s |\n", g.row, g.text, v, verdict)
	}
	return b.String()
}

// tooBusy is the share of other programs above which waiting times say nothing
// about a proxy. Processor time does.
const tooBusy = 0.1

func (f *figures) disturbance() string {
	if f.others <= tooBusy {
		return ""
	}
	return ": requests/s and added times say little about the proxies then, their processor time does"
}

// whyBroken explains broken streams that the proxy itself causes.
var whyBroken = map[string]string{
	"reverseproxy": ` An answer that begins before the Transport has seen the end of the request's body makes the server close that body, and the Transport then closes the connection (http.ErrBodyReadAfterClose).`,
}

// ratio is a proxy's figure over nginx's; none for differences, which may be
// zero or less.
func (f *figures) ratio(row, proxy string) string {
	n, v := f.median(row, "nginx"), f.median(row, proxy)
	if n <= 0 || v <= 0 || strings.Contains(row, "added") {
		return ""
	}
	return fmt.Sprintf("%.2f", v/n)
}

func number(v float64) string {
	if v >= 100 || v <= -100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// shares says which processors each program runs on.
func (w *world) shares() string {
	if w.proxies == "" {
		return " shared by load, upstream and proxy"
	}
	return fmt.Sprintf(" (load and upstream on %s, the proxy on %s)", w.load, w.proxies)
}

func orNone(version string) string {
	if version == "" {
		return "no nginx"
	}
	return version
}

// workers is how many nginx gets: one for each processor it may use.
func (w *world) workers() int {
	if w.proxies == "" {
		return runtime.NumCPU()
	}
	return max(1, runtime.NumCPU()/2)
}

// cpuName is the processor's model.
func cpuName() string {
	out, _ := exec.Command("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2").Output()
	if name := strings.TrimSpace(string(out)); name != "" {
		return name
	}
	return runtime.GOARCH
}

// revision is the commit measured.
func revision() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "an unknown commit"
	}
	return strings.TrimSpace(string(out))
}
