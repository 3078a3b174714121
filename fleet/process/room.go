package process

import (
	"fmt"
	"math/rand/v2"
	"net"

	"weir/fleet"
)

// room is the machine's GPUs and ports that replicas take. Its owner locks.
type room struct {
	gpus     []string
	ports    [2]int
	usedGPU  map[string]bool
	usedPort map[int]bool
}

// takeGPUs takes the first n free ones; false, taking none, when there are
// fewer.
func (m *room) takeGPUs(n int) ([]string, bool) {
	var free []string
	for _, id := range m.gpus {
		if !m.usedGPU[id] {
			free = append(free, id)
		}
	}
	if len(free) < n {
		return nil, false
	}
	return free[:n:n], m.claimGPUs(free[:n])
}

// claimGPUs takes exactly these; false, taking none, if one is missing or
// taken.
func (m *room) claimGPUs(ids []string) bool {
	have := map[string]bool{}
	for _, id := range m.gpus {
		have[id] = !m.usedGPU[id]
	}
	for _, id := range ids {
		if !have[id] {
			return false
		}
		have[id] = false
	}
	for _, id := range ids {
		m.usedGPU[id] = true
	}
	return true
}

func (m *room) freeGPUs(ids []string) {
	for _, id := range ids {
		delete(m.usedGPU, id)
	}
}

// takePort takes a port no process listens on. It starts at a random port: two
// fleets on one machine rarely test the same port at once. The remaining race
// (another process binds the port before the replica does) ends in a failed
// start and a restart on another port.
func (m *room) takePort() (int, error) {
	n := m.ports[1] - m.ports[0] + 1
	first := rand.IntN(n)
	for i := range n {
		port := m.ports[0] + (first+i)%n
		if m.usedPort[port] {
			continue
		}
		l, err := net.Listen("tcp", hostPort(port))
		if err != nil {
			continue
		}
		l.Close()
		m.usedPort[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("%w: no free port from %d to %d", fleet.ErrNoCapacity, m.ports[0], m.ports[1])
}

func (m *room) freePort(port int) { delete(m.usedPort, port) }
