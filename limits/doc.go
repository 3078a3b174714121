// Package limits shares limits between gateways: leases of limits and budgets, the
// times until which providers throttle, what was used of providers' quotas, and how
// long answers are. It keeps them in one Redis or Valkey, a single server or a cluster.
//
// It owns what is said to Redis, and when. It refuses to know what a limit is for: it
// carries meter's asks and grants, and asks only for functions that take its owner's
// locks. It stands apart because it alone
// speaks to Redis, and because no request ever waits for it: gateways decide from
// their own memory, and while Redis is away they go on with the leases they hold.
//
// How a budget is divided is in visit.lua and meter.Lease; what can be used
// beyond a limit, and when, in docs/guide/shared-limits.md.
package limits
