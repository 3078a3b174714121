// Package fleet is the contract of everything that runs replicas. A place
// (local processes, Kubernetes, a simulated fleet) lives in a folder below
// and fulfils Actuator; fleet/fleettest says what each of them must do. No
// place knows another, and no place decides how many: it makes it so and says
// what is.
package fleet

import (
	"context"
	"errors"

	"weir"
)

// Actuator runs the replicas of the deployments of one place. Methods are safe
// for concurrent use and return within their context; they start work and do
// not wait for its end: what became of it is in the next Status.
type Actuator interface {
	// Status lists every replica the place knows of that deployment, failed and
	// draining ones included, in order of age, oldest first.
	Status(ctx context.Context, deployment string) ([]weir.Replica, error)

	// Scale makes the number of replicas that start or serve (Starting plus
	// Ready) want; of replicas that are several units behind one address
	// (weir.Replica.Units) it is the number of units. To shrink, it drains: first those named in victims, in that
	// order, then by its own judgement; a place where the newest must go first
	// passes over victims. To grow, it takes back Draining replicas
	// first, newest first, where the place can. It is idempotent. When the place
	// cannot give as many (quota, stock), it gives what it can and returns an
	// error that wraps ErrNoCapacity.
	Scale(ctx context.Context, deployment string, want int, victims []string) error
}

var (
	// ErrUnknown: the place has no deployment of that name.
	ErrUnknown = errors.New("unknown deployment")
	// ErrNoCapacity: the place has no room, quota or stock for more replicas now.
	ErrNoCapacity = errors.New("no capacity")
)
