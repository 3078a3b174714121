package dispatch

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Validate returns every fault of o, joined.
func (o Options) Validate() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	seen := map[string]bool{}
	for i, d := range o.Deployments {
		if d.Name == "" || seen[d.Name] {
			bad("deployment %d: its name %q is empty or taken; names are unique within a model", i+1, d.Name)
		}
		seen[d.Name] = true
		if d.Weight < 0 || d.Weight > maxWeight {
			bad("deployment %q: weight %d; allowed are 0 to %d", d.Name, d.Weight, maxWeight)
		}
		if d.MaxRequests < 0 || d.MaxWork < 0 || d.MaxPrefill < 0 {
			bad("deployment %q: max_requests %d, max_work %d and max_prefill %d must not be negative; 0 means no limit", d.Name, d.MaxRequests, d.MaxWork, d.MaxPrefill)
		}
		if d.Context < 0 {
			bad("deployment %q: context of %d tokens must not be negative; 0 means that it is not known", d.Name, d.Context)
		}
		if d.CacheTokens < 0 || d.CacheTokens/max(o.PrefixBlock, 1) > maxNames {
			bad("deployment %q: a cache of %d tokens; allowed are 0 to %d", d.Name, d.CacheTokens, maxNames*max(o.PrefixBlock, 1))
		}
		if err := d.Quota.Validate(); err != nil {
			bad("deployment %q: %w", d.Name, err)
		}
	}
	for _, tenant := range slices.Sorted(maps.Keys(o.Shares)) {
		if w := o.Shares[tenant]; w < 1 || w > maxWeight {
			bad("tenant %q: share %d; allowed are 1 to %d", tenant, w, maxWeight)
		}
	}
	if o.PrefixBlock < 0 {
		bad("blocks of %d tokens must not be negative; 0 means that prefixes are not looked at", o.PrefixBlock)
	}
	if o.Hedge.Share < 0 || o.Hedge.Share > 1 {
		bad("hedge.share %v; allowed are 0 to 1", o.Hedge.Share)
	}
	if o.Attempts < 0 || o.Health.Failures < 0 || o.Queue.MaxWork < 0 || o.Queue.MaxRequests < 0 {
		bad("attempts, health.failures, queue.max_work and queue.max_requests must not be negative; 0 means the default")
	}
	for _, d := range []time.Duration{o.Queue.MaxWait, o.Queue.MaxWaitCold, o.Queue.BatchWait, o.Health.Base, o.Health.Max} {
		if d < 0 {
			bad("a wait of %v: waits must not be negative; 0 means the default", d)
		}
	}
	return errors.Join(faults...)
}

// maxWeight bounds weights and shares. Their sums then cannot overflow.
const maxWeight = 1_000_000

// withDefaults fills in unset options.
func (o Options) withDefaults() Options {
	o.Attempts = cmp.Or(o.Attempts, 3)
	o.Queue.MaxWork = cmp.Or(o.Queue.MaxWork, 2_000_000)
	o.Queue.MaxRequests = cmp.Or(o.Queue.MaxRequests, 10_000)
	o.Queue.MaxWait = cmp.Or(o.Queue.MaxWait, 30*time.Second)
	o.Queue.MaxWaitCold = cmp.Or(o.Queue.MaxWaitCold, 10*time.Minute)
	o.Queue.BatchWait = cmp.Or(o.Queue.BatchWait, time.Hour)
	o.Health.Failures = cmp.Or(o.Health.Failures, 3)
	o.Health.Base = cmp.Or(o.Health.Base, time.Second)
	o.Health.Max = cmp.Or(o.Health.Max, 30*time.Second)
	return o
}
