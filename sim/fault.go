package sim

import (
	"time"
)

// Values of a fault event's b, above the index of a stock-out's window.
const (
	loseNode     uint64 = 1 << 62
	stockOutEnds uint64 = 1 << 61
)

// planFaults puts a deployment's first faults on the agenda.
func (w *world) planFaults(p *part) {
	for i, window := range p.own.Faults.StockOut {
		w.todo.add(w.c.Start.Add(window.From), faultEvent, p.index, uint64(i))
		w.todo.add(w.c.Start.Add(window.To), faultEvent, p.index, uint64(i)|stockOutEnds)
	}
	w.planNodeLoss(p)
}

func (w *world) planNodeLoss(p *part) {
	if mean := p.own.Faults.NodeLoss; mean > 0 {
		w.todo.add(w.now.Add(1+time.Duration(p.own.rng.ExpFloat64()*float64(mean))), faultEvent, p.index, loseNode)
	}
}

func (w *world) fault(p *part, what uint64) {
	w.fleet.Advance(w.now)
	switch {
	case what == loseNode:
		if n := len(p.own.replicas); n > 0 {
			perNode := max(1, p.own.Fleet.PerNode)
			w.fleet.LoseNode(p.Name, p.own.rng.IntN((n+perNode-1)/perNode))
			w.result.NodesLost++
		}
		w.planNodeLoss(p)
	case what&stockOutEnds != 0:
		w.fleet.SetStockOut(p.Name, false)
	default:
		w.fleet.SetStockOut(p.Name, true)
	}
	w.fleetChanged()
}
