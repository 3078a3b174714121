package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// compare measures builds of Weir beside each other, in turn, by processor time alone:
// that says something on a busy machine too. The first build is the one compared with.
func compare(w *world, p plan, bins []string) error {
	f := &figures{all: map[string]map[string][]float64{}, broken: map[string]int64{}}
	var targets []*target
	for i, bin := range bins {
		bin, front, _ := strings.Cut(bin, "=")
		t := &target{name: fmt.Sprintf("%c", 'A'+i), serves: front, launch: func(t *target) error {
			os.Setenv("WEIR_BIN", bin)
			return w.startWeir(t)
		}}
		if err := t.restart(); err != nil {
			return fmt.Errorf("%s: %w", bin, err)
		}
		targets = append(targets, t)
		fmt.Printf("%s is %s %s\n", t.name, bin, front)
	}
	for range p.rounds {
		for _, t := range targets {
			if err := f.processorTime(t, p); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	for _, row := range []string{cpu1k, cpu50k, cpuEmbed, cpuEvents} {
		fmt.Printf("%-66s", row)
		base := f.median(row, "A")
		for _, t := range targets {
			v := slices.Sorted(slices.Values(f.all[row][t.name]))
			if len(v) == 0 {
				continue
			}
			fmt.Printf("  %s %7.2f (%.1f to %.1f) x %.3f", t.name, f.median(row, t.name), v[0], v[len(v)-1], f.median(row, t.name)/base)
		}
		fmt.Println()
	}
	return nil
}

// processorTime measures what processor time alone can say.
func (f *figures) processorTime(t *target, p plan) error {
	for _, l := range []struct {
		row string
		req []byte
	}{{cpu1k, request(askAnswer, 1<<10)}, {cpu50k, request(askAnswer, 50<<10)}, {cpuEmbed, embedding()}} {
		if !strings.Contains(l.row, p.row) {
			continue
		}
		_, cpu, err := closedLoop(t, 64, l.req, p.closed)
		if err != nil {
			return err
		}
		f.add(l.row, t.name, ms(cpu))
	}
	if p.paced <= 0 || !strings.Contains(cpuEvents, p.row) {
		return nil
	}
	seen, err := pacedStreams(t, p.streams, p.paced)
	f.add(cpuEvents, t.name, ms(seen.cpu))
	time.Sleep(100 * time.Millisecond)
	return err
}
