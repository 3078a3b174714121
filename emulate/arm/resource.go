package arm

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"weir/emulate"
)

// resource is what a write made, as its last writer gave it. The emulator's own
// members (state, addresses) are added when it is read.
type resource struct {
	id       rid
	kind     *kind
	body     object // sku, tags, location, properties, …
	state    string // properties.provisioningState
	etag     uint64
	op       *operation // the running one, else nil
	created  time.Time
	modified time.Time

	keys   [2]string          // of what has keys
	made   bool               // an operation on it has succeeded
	live   int                // instances that serve, after the last operation that succeeded
	logs   []string           // of its container, the latest last
	openai *emulate.Azure     // of an account
	stop   context.CancelFunc // of it
	job    *job               // of a batch job
	server *pool              // of an online deployment
	turns  int                // of a deployment: its share of traffic that is due
	since  time.Time          // of a container group: when its state began
	phase  string             // of a container group or a cluster: its instance view or power state
	until  time.Time          // of a container group: when it ended
	exit   int                // of a container group that ended
	ip     string             // of a container group that has ports
}

// maxResources bounds everything of one emulated subscription.
const maxResources = 5000

// kind is a type of resource: what a write of it must be and what comes of it.
// Functions that are nil do nothing. All run under the cloud's lock.
type kind struct {
	typ     string                                  // as Azure spells it
	lock    func(rid) string                        // operations with an equal lock exclude each other; nil: the resource's own
	busy    problem                                 // the answer to the second
	check   func(*Cloud, *change) *problem          // refuses a write at once, or completes its body
	plan    func(*Cloud, *change) outcome           // how long it takes and how it ends
	ended   func(*Cloud, *resource, *change)        // it succeeded
	view    func(*Cloud, *resource, object, object) // adds what only the service knows to (whole, properties)
	posts   map[string]action                       // actions, by lower-case name
	reads   map[string]action                       // sub-collections that are no resources
	etags   bool                                    // If-Match is honoured and the etag shown
	cancels bool                                    // a DELETE ends a running operation, instead of being refused
	update  string                                  // provisioningState of a PATCH; default that of a PUT
	put     string                                  // provisioningState of a PUT of what is there; default Updating
	failed  func(*resource, *problem)               // its operation failed
}

// change is one write.
type change struct {
	method string // PUT, PATCH, DELETE, or an action's name
	id     rid
	kind   *kind
	old    *resource // nil: it makes a new one
	before object    // its body until now
	body   object    // and from now on; nil: goes
	now    time.Time
	given  bool // made by the emulator itself: no fault strikes it
}

func (ch *change) creates() bool { return ch.old == nil }

// outcome is what will become of an operation.
type outcome struct {
	span string   // a name in the table of times; "": at once
	fail *problem // it ends so; nil: it succeeds
	now  *problem // it is not accepted; nil: it is
}

// children are the resources directly below an address, by name.
func (c *Cloud) children(parent rid, collection string) []*resource {
	prefix := parent.key() + "/" + lower(collection) + "/"
	var all []*resource
	for _, key := range slices.Sorted(maps.Keys(c.resources)) {
		if tail, ok := strings.CutPrefix(key, prefix); ok && !strings.Contains(tail, "/") {
			all = append(all, c.resources[key])
		}
	}
	return all
}

// ofType are all resources of a type, by address.
func (c *Cloud) ofType(typ string) []*resource {
	var all []*resource
	for _, r := range c.resources {
		if strings.EqualFold(r.kind.typ, typ) {
			all = append(all, r)
		}
	}
	sort.Slice(all, func(i, k int) bool { return all[i].id.key() < all[k].id.key() })
	return all
}

// remove takes a resource away with what is below it.
func (c *Cloud) remove(r *resource) {
	key := r.id.key()
	for k, below := range c.resources {
		if k == key || strings.HasPrefix(k, key+"/") {
			if op := below.op; op != nil { // of what is below: nothing is left for it to end
				c.end(op)
			}
			below.server.stop()
			below.close()
			delete(c.resources, k)
		}
	}
}

// above is the resource that contains another, nil where there is none.
func (c *Cloud) above(id rid) *resource { return c.resources[lower(id.parent())] }

// render is a resource as a reader sees it.
func (c *Cloud) render(r *resource) object {
	whole := clone(r.body).(object)
	whole["id"], whole["name"], whole["type"] = r.id.text, r.id.name(), r.kind.typ
	properties := child(whole, "properties")
	properties["provisioningState"] = r.state
	whole["systemData"] = object{"createdAt": r.created.UTC().Format(time.RFC3339Nano), "lastModifiedAt": r.modified.UTC().Format(time.RFC3339Nano)}
	if r.kind.etags {
		whole["etag"] = r.tag()
	}
	if r.kind.view != nil {
		r.kind.view(c, r, whole, properties)
	}
	return whole
}

func (r *resource) tag() string { return `"` + text(int64(r.etag)) + `"` }

// placeOf is where a resource is, or would be with a body.
func (c *Cloud) placeOf(id rid, body object) string {
	if r := c.resources[id.key()]; r != nil {
		body = r.body
	}
	return c.location(id, body)
}

// location is where a resource is: its own, or that of the nearest one above.
func (c *Cloud) location(id rid, body object) string {
	for {
		if at := textAt(body, "location"); at != "" {
			return place(at)
		}
		up := c.above(id)
		if up == nil {
			return place(c.o.Location)
		}
		id, body = up.id, up.body
	}
}

// place is a region's name as Azure compares it: "Sweden Central" is
// swedencentral.
func place(s string) string { return lower(strings.ReplaceAll(s, " ", "")) }
