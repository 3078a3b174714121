// Command gateway measures what Weir costs beside nginx (proxy_pass with
// keepalive) and a bare httputil.ReverseProxy, all before the same upstream, in
// one interleaved run, and writes docs/benchmarks/gateway.md.
//
// Weir runs with everything on: keys, limits, routing, metering, metrics. The
// proxies, the load and the upstream share the processors (-pin: proxies on one
// half, load and upstream on the other); each proxy is measured alone, in turn,
// several rounds, when nothing else is busy; figures are medians.
//
//	go run .                    # all of it, about five minutes
//	go run . -rounds 1 -quick   # a look, under a minute
//	go run . -compare OLD,NEW   # two builds of weir, by processor time
//	go run . -profile DIR       # where Weir's time goes: CPU profiles of it
//
// nginx is found on the PATH or in /usr/sbin; as root, where apt-get is there,
// a missing one is installed. WEIR_BIN names a built weir, otherwise one is
// built from ../../cmd/weir.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// plan says how much is measured.
type plan struct {
	rounds  int
	closed  time.Duration // of one closed-loop measurement
	open    time.Duration // of one at a fixed rate
	paced   time.Duration // of one of paced streams
	streams int           // paced at once
	held    int           // held open for the memory figure
	only    string        // a proxy's name, "" for all
	profile string        // folder for CPU profiles of Weir, instead of measuring
	front   string        // of Weir, "" for its default
	row     string        // of compare: a part of the rows' names, "" for all
	pin     bool          // proxies apart from load and upstream
	out     string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench/gateway: ")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "upstream":
			serveMock(os.Args[2])
			return
		case "reverseproxy":
			serveReverseProxy(os.Args[2], os.Args[3])
			return
		}
	}
	p := plan{closed: 3 * time.Second, open: 6 * time.Second, paced: 6 * time.Second, streams: 200, held: 5000}
	quick := flag.Bool("quick", false, "short measurements")
	flag.IntVar(&p.rounds, "rounds", 5, "how often everything is measured; figures are medians")
	flag.StringVar(&p.only, "only", "", "measure this proxy alone: nginx, reverseproxy or weir")
	flag.BoolVar(&p.pin, "pin", false, "give the proxies one half of the processors and load and upstream the other")
	flag.StringVar(&p.profile, "profile", "", "write CPU profiles of weir to this `folder` instead of measuring")
	flag.StringVar(&p.front, "front", "", "server.front of weir")
	builds := flag.String("compare", "", "compare the processor time of these `builds` of weir, separated by commas, instead of measuring; the first is the base; BUILD=own sets server.front")
	flag.StringVar(&p.row, "row", "", "with -compare: only rows whose name contains this")
	flag.StringVar(&p.out, "out", filepath.Join("..", "..", "docs", "benchmarks", "gateway.md"), "where the page is written; - for standard output alone")
	flag.Parse()
	if *quick {
		p.closed, p.open, p.paced, p.held = time.Second, 2*time.Second, 2*time.Second, 1000
	}
	if p.profile != "" {
		p.only = "weir"
	}
	if err := run(p, *builds); err != nil {
		log.Fatal(err)
	}
}

func run(p plan, builds string) error {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w := &world{dir: dir, pin: p.pin, front: p.front}
	defer w.stopAll()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		w.stopAll()
		os.RemoveAll(dir)
		os.Exit(1)
	}()
	if builds != "" {
		p.only = noProxy
	}
	if err := w.start(p.only); err != nil {
		return err
	}
	if builds != "" {
		return compare(w, p, strings.Split(builds, ","))
	}
	if p.profile != "" {
		return profile(w, p)
	}
	began := ledger()
	f, err := measure(w, p)
	if err != nil {
		return err
	}
	w.stopAll()
	f.others = began.others()
	page := f.page(w, p)
	fmt.Println(page)
	if p.out != "-" {
		if err := os.WriteFile(p.out, []byte(page), 0o644); err != nil {
			return err
		}
		log.Printf("written to %s", p.out)
	}
	if missed := f.missed(); len(missed) > 0 {
		log.Printf("not met: %s", strings.Join(missed, "; "))
	}
	return nil
}
