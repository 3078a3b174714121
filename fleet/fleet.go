// Package fleet is the contract of every place that runs replicas. A place
// (local processes, Kubernetes, a simulated fleet) lives in a folder below and
// implements Actuator; fleet/fleettest tests what each must do. No place knows
// another, and no place decides the number of replicas: it carries the number
// out and reports its replicas.
package fleet

import (
	"context"
	"errors"

	"weir"
)

// Actuator runs the replicas of the deployments of one place. Methods are safe
// for concurrent use and return within their context. They start work and do
// not wait for its end; the result is in the next Status.
type Actuator interface {
	// Status lists every replica of the deployment, failed and draining ones
	// included, oldest first.
	Status(ctx context.Context, deployment string) ([]weir.Replica, error)

	// Scale makes the number of replicas that start or serve (Starting plus
	// Ready) equal to want. Of replicas with several units behind one address
	// (weir.Replica.Units) want counts units. To shrink, it drains: first the
	// victims, in their order, then replicas of its own choice; a place where
	// the newest must go first ignores victims. To grow, it first takes back
	// Draining replicas, newest first, where the place can. It is idempotent. A
	// place that cannot give that many (quota, stock) gives what it can and
	// returns an error that wraps ErrNoCapacity.
	Scale(ctx context.Context, deployment string, want int, victims []string) error
}

var (
	// ErrUnknown: the place has no deployment of that name.
	ErrUnknown = errors.New("unknown deployment")
	// ErrNoCapacity: the place has no room, quota or stock for more replicas now.
	ErrNoCapacity = errors.New("no capacity")
	// ErrNotYet: the place has begun a moment ago and does not know its replicas.
	ErrNotYet = errors.New("its replicas are not known yet")
	// ErrNotLeading: another gateway scales, or none at the moment.
	ErrNotLeading = errors.New("this gateway is not the leader")
)
