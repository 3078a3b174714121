// Command cache measures what a stored answer costs Weir beside nginx's proxy_cache, what an
// entry takes in memory, and how many requests reach the model.
//
// One nginx worker and one Weir for each server.front stand before the same upstream, all
// on this machine. The same requests are sent to each in turn, round after round, over 64
// connections; processor time is user and system time of the server's process, from /proc.
// Only ratios mean something on a machine that does other things too; wall time is not
// looked at. Neither writes an access log. nginx finds the answer by its path and body, and gives the bytes it has; Weir
// also checks a key, counts limits, makes the body canonical, gives a new id and time, and
// writes a record.
//
//	go run .                # about two minutes
//	go run . -rounds 1
//	go run . -zipf          # hit ratios alone, without servers
//
// WEIR_BIN names a built weir; otherwise one is built from ../../cmd/weir.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const connections = 64

var sizes = []int{1 << 10, 50 << 10}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench/cache: ")
	rounds := flag.Int("rounds", 5, "how often each server is measured; figures are medians")
	onlyZipf := flag.Bool("zipf", false, "hit ratios alone")
	onlyCrowd := flag.Bool("crowd", false, "500 callers alone")
	profile := flag.String("profile", "", "write a CPU profile of each weir's hits to this `folder`")
	flag.Parse()
	if *onlyZipf {
		zipf()
		return
	}
	if *onlyCrowd {
		*rounds = 0
	}
	if err := run(*rounds, *profile); err != nil {
		log.Fatal(err)
	}
	if !*onlyCrowd {
		zipf()
	}
}

func run(rounds int, profile string) error {
	dir, err := os.MkdirTemp("", "weir-cache")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	up, err := startUpstream()
	if err != nil {
		return err
	}
	servers, stop, err := startServers(dir, up.addr)
	defer stop()
	if err != nil {
		return err
	}
	used := map[string]map[int][]float64{}
	for range rounds { // none: the crowd alone
		for _, size := range sizes {
			for _, s := range servers {
				us, err := hits(s, size)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				if used[s.name] == nil {
					used[s.name] = map[int][]float64{}
				}
				used[s.name][size] = append(used[s.name][size], us)
			}
		}
	}
	if rounds > 0 {
		tell(servers, used, rounds)
	}
	return others(servers, up, rounds > 0, profile)
}

func tell(servers []*server, used map[string]map[int][]float64, rounds int) {
	fmt.Printf("\nCPU of a hit, user and system, median of %d rounds, %d connections\n", rounds, connections)
	for _, size := range sizes {
		base := median(used["nginx"][size])
		for _, s := range servers {
			us := median(used[s.name][size])
			fmt.Printf("  %2d KB  %-10s %6.1f µs  %.2f x nginx  (rounds %s)\n", size>>10, s.name, us, us/base, inOrder(used[s.name][size]))
		}
	}
}

// others are the measurements of weir alone.
func others(servers []*server, up *upstream, all bool, profile string) error {
	for _, s := range servers[1:] {
		if profile != "" {
			if err := s.profile(profile); err != nil {
				return err
			}
		}
		if all {
			if err := entries(s); err != nil {
				return err
			}
		}
		if err := crowd(s, up); err != nil {
			return err
		}
	}
	return nil
}

// hits is the processor time of one hit, in microseconds.
func hits(s *server, size int) (float64, error) {
	n := 8_000
	if size > 10<<10 {
		n = 3_000
	}
	req := request(s.addr, "hit", size)
	if _, err := play(s.addr, req, connections); err != nil { // stored now
		return 0, err
	}
	before := s.cpu()
	if _, err := play(s.addr, req, n); err != nil {
		return 0, err
	}
	return float64(s.cpu()-before) / float64(time.Microsecond) / float64(n), nil
}

// entries says what an entry takes in memory: the growth of the heap after a collection.
func entries(s *server) error {
	const n = 10_000
	before, err := s.heap()
	if err != nil {
		return err
	}
	var next atomic.Int64
	if _, err := share(connections, func() error {
		for i := next.Add(1); i <= n; i = next.Add(1) {
			if _, err := play(s.addr, request(s.addr, fmt.Sprint("entry", i), 1<<10), 1); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	after, err := s.heap()
	fmt.Printf("%s: %.0f bytes of heap for each of %d answers of 1 KB\n", s.name, float64(after-before)/n, n)
	return err
}

// crowd is 500 callers that want the same answer at the same time.
func crowd(s *server, up *upstream) error {
	const callers = 500
	before := up.calls.Load()
	if _, err := crowded(s.addr, request(s.addr, "slow", 1<<10), callers); err != nil {
		return err
	}
	fmt.Printf("%s: %d callers at once, %d requests to the model\n", s.name, callers, up.calls.Load()-before)
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func inOrder(v []float64) string {
	var b strings.Builder
	for _, x := range v {
		fmt.Fprintf(&b, " %.0f", x)
	}
	return strings.TrimSpace(b.String())
}
