package wire

import (
	"weir/config"
	"weir/internal/memory"
)

// bodyMemory is what all request bodies may take together: as configured, else a
// quarter of the memory there is, but room for two of the largest.
func bodyMemory(s *config.Server) int64 {
	if s.MaxBodyMemory > 0 {
		return int64(s.MaxBodyMemory)
	}
	return max(memory.Available()/4, 2*int64(s.MaxBody))
}
