// Command spill compares ways to use a provisioned Azure OpenAI deployment with
// pay-as-you-go behind it, as docs/benchmarks/spill.md shows: Weir's dispatch
// core and the plain policies other gateways have, on recorded traffic, against
// the bucket Azure describes, in virtual time. The same traces give the same
// bytes.
//
//	go run . -traces DIR -out ../../docs/benchmarks/spill.md
package main

import (
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"weir/trace"
)

func main() {
	dir := flag.String("traces", "", "`folder` of azure23_conv.csv.gz and azure23_code.csv.gz; none: ten minutes of azure23_conv that Weir carries itself")
	out := flag.String("out", "-", "report `file`; - is standard output")
	flag.Parse()
	if err := run(*dir, *out); err != nil {
		fmt.Fprintln(os.Stderr, "spill:", err)
		os.Exit(1)
	}
}

func run(dir, out string) error {
	var report strings.Builder
	report.WriteString(preface)
	if dir == "" {
		s, err := trace.AzureConversation()
		if err != nil {
			return err
		}
		if err := compare(&report, "azure23_conv, ten minutes", s); err != nil {
			return err
		}
	} else {
		for _, name := range []string{"azure23_conv", "azure23_code"} {
			if err := compareFile(&report, name, filepath.Join(dir, name+".csv.gz")); err != nil {
				return err
			}
		}
	}
	if out == "-" {
		_, err := io.WriteString(os.Stdout, report.String())
		return err
	}
	return os.WriteFile(out, []byte(report.String()), 0o644)
}

func compareFile(report *strings.Builder, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	s, err := trace.NewReader(z)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return compare(report, name, s)
}

// loads are the demands compared, as multiples of what the PTUs carry.
var loads = []float64{0.8, 1.2, 2}

func compare(report *strings.Builder, name string, s trace.Source) error {
	arrivals, err := trace.ReadAll(s)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d := demandOf(arrivals)
	fmt.Fprintf(report, "\n## %s\n\n%d requests in %v, %.0f normalised tokens a minute.\n", name, len(d.requests), d.length.Round(1e9), d.perMinute())
	for _, load := range loads {
		p := provision(d, load)
		fmt.Fprintf(report, "\n### Demand at %.0f %% of the PTUs\n\n%s", 100*load, header)
		for _, c := range contenders {
			report.WriteString(row(c.name, d, p, c.play(d, p)))
		}
	}
	for _, o := range others {
		p := provision(d, 1.2)
		p.burst, p.others = o.burst, o.others
		fmt.Fprintf(report, "\n### Demand at 120 %%, where %s\n\n%s", o.name, header)
		for _, c := range contenders {
			report.WriteString(row(c.name, d, p, c.play(d, p)))
		}
	}
	return nil
}
