package wire

import (
	"testing"

	"weir/config"
)

func TestBodiesGetRoomForTwoOfTheLargestAtLeast(t *testing.T) {
	if got := bodyMemory(&config.Server{MaxBodyMemory: 5 << 20, MaxBody: 1 << 20}); got != 5<<20 {
		t.Error(got)
	}
	if got := bodyMemory(&config.Server{MaxBody: 1 << 50}); got != 2<<50 {
		t.Error(got)
	}
}
