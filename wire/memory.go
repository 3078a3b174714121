package wire

import (
	"weir/config"
	"weir/internal/memory"
)

// bodyMemory bounds the memory of all request bodies together: as configured,
// else a quarter of the machine's memory, but room for two of the largest
// bodies.
func bodyMemory(s *config.Server) int64 {
	if s.MaxBodyMemory > 0 {
		return int64(s.MaxBodyMemory)
	}
	return max(memory.Available()/4, 2*int64(s.MaxBody))
}
