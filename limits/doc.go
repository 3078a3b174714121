// Package limits lets several gateways behave as one: their leases of limits and
// budgets, the times until which providers refuse, what was used of providers'
// quotas, and how long answers are. It keeps them in one Redis, or Valkey, alone
// or as a cluster.
//
// It owns the words spoken with Redis and when they are spoken. It refuses to
// know what a limit is for: it carries meter's asks and grants, and asks only
// for functions that take its owner's locks. It stands apart because it alone
// speaks to Redis, and because no request ever waits for it: whatever Redis does,
// gateways decide from their own memory, and what they hold is what they go on
// with.
//
// How a budget is divided is in visit.lua and meter.Lease; what can be used
// beyond a limit, and when, in docs/guide/shared-limits.md.
package limits
