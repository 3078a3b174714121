package dispatch

// nearest returns the replica of d for q's affinity by rendezvous hashing
// (Thaler, Ravishankar, "Using name-based mappings to increase hit rates",
// 1998). It considers only replicas with room for q and not much more work than
// the least loaded one. The allowed difference is at most q's prompt, which is
// the most a cache can save. When the affinity's replica is too busy or out of
// rotation, the next in its order takes the request; requests of other
// affinities keep their replicas.
func (d *deployment) nearest(q *call) *replica {
	least := d.load[0]
	best, top := least, uint64(0)
	for _, r := range d.load {
		if r.work/r.units-least.work/least.units > q.Prompt || r.room() < q.work {
			continue
		}
		if weight := r.draw(q.Affinity); weight >= top {
			best, top = r, weight
		}
	}
	return best
}

// keyOf is the FNV-1a hash of a replica's name, the same at every gateway.
func keyOf(id string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h
}
