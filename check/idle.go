package check

import "fmt"

// farBelow is the part of a replica's capacity below which a target is
// wasteful: it makes three times the needed replicas, or more.
const farBelow = 1. / 3

// safeUse is the part of a replica's capacity that policies plan for.
const safeUse = 0.8

// wasteful warns of targets far below a replica's capacity: they meet the SLO
// at a multiple of the cost.
func (p *probe) wasteful(warn func(key, problem, remedy string)) {
	s, most := p.d.Scaling, p.most
	times := func(target, can float64) string {
		return fmt.Sprintf("about %.2g times the needed replicas will run", can/target)
	}
	if rate := s.TargetRequests.PerSecond(); rate > 0 && rate < farBelow*most.Rate {
		warn("target_requests", fmt.Sprintf("%.3g/s are %.0f %% of the %.3g/s one replica does within the slo: %s", rate, 100*rate/most.Rate, most.Rate, times(rate, most.Rate)),
			fmt.Sprintf("give about %.2g/s, or leave it out", safeUse*most.Rate))
	}
	if n := float64(s.TargetConcurrency); n > 0 && n < farBelow*most.InFlight {
		warn("target_concurrency", fmt.Sprintf("%.0f are %.0f %% of the %.0f requests in flight with which one replica still meets the slo: %s", n, 100*n/most.InFlight, most.InFlight, times(n, most.InFlight)),
			fmt.Sprintf("give about %.0f, or leave it out", safeUse*most.InFlight))
	}
}
