package dispatch

// nearest returns the replica of d that requests of q's affinity go to: by
// rendezvous hashing (Thaler, Ravishankar, "Using name-based mappings to increase
// hit rates", 1998) among those that have room for q and not much more work than
// the one with the least. So requests that share something meet at one replica as
// long as it is not behind by more than a cache can save, which is at most q's
// prompt; when it is, or cannot be asked, the next in their order takes them, and
// the others' requests stay where they are.
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

// keyOf is the FNV-1a hash of a replica's name: the same at every gateway.
func keyOf(id string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h
}
