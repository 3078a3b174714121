// Package limits shares limits between gateways: leases of limits and budgets,
// providers' throttles and quotas, and the lengths of answers. It keeps them in
// one Redis or Valkey, a single server or a cluster.
//
// It owns the exchange with Redis. It refuses to know what a limit is for: it
// carries meter's asks and grants, and needs only functions that take its
// owner's locks. It is a package of its own because it alone connects to Redis,
// and because no request ever waits for it: gateways decide from their own
// memory, and while Redis is away they continue with the leases they hold.
//
// visit.lua and meter.Lease define how a budget is divided.
// docs/guide/shared-limits.md says how much can be used beyond a limit, and
// when.
package limits
