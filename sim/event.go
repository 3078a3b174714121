package sim

import "weir"

// kind is the kind of an event, and its priority among events of one instant:
// first changes of the world, then arrivals, then observers.
type kind uint8

const (
	fleetEvent    kind = iota // a start ends, a drain runs out
	faultEvent                // a node is lost, a stock-out begins or ends
	engineEvent               // a replica's next step boundary
	remoteEvent               // a remote service produces a token
	patienceEvent             // a caller gives up
	arrivalEvent
	statusEvent // dispatch gets a new list of replicas
	wakeEvent   // dispatch's requested wake
	scrapeEvent
	tickEvent // control step
	sampleEvent
	horizonEvent // end of the cost count
)

// event is a due event. The meaning of a and b depends on the kind.
type event struct {
	at   weir.Instant
	kind kind
	seq  uint64
	a    int32
	b    uint64
}

func (e *event) before(o *event) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	if e.kind != o.kind {
		return e.kind < o.kind
	}
	return e.seq < o.seq
}

// agenda is the due events, a heap with four children per node: half as deep as
// a binary one, and a node's children are adjacent.
type agenda struct {
	heap []event
	seq  uint64
}

func (g *agenda) add(at weir.Instant, k kind, a int32, b uint64) {
	g.seq++
	e := event{at: at, kind: k, seq: g.seq, a: a, b: b}
	g.heap = append(g.heap, e)
	i := len(g.heap) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !e.before(&g.heap[p]) {
			break
		}
		g.heap[i] = g.heap[p]
		i = p
	}
	g.heap[i] = e
}

// next removes and returns the first event. There must be one.
func (g *agenda) next() event {
	first := g.heap[0]
	last := len(g.heap) - 1
	e := g.heap[last]
	g.heap = g.heap[:last]
	if last == 0 {
		return first
	}
	i := 0
	for {
		c := 4*i + 1
		if c >= last {
			break
		}
		least := c
		for k := c + 1; k < min(c+4, last); k++ {
			if g.heap[k].before(&g.heap[least]) {
				least = k
			}
		}
		if !g.heap[least].before(&e) {
			break
		}
		g.heap[i] = g.heap[least]
		i = least
	}
	g.heap[i] = e
	return first
}
