package observe

import "github.com/prometheus/client_golang/prometheus"

// Short is a deployment whose place gives fewer replicas than are needed.
type Short struct {
	Deployment, Why string // Why is one word of few
	Missing         int
}

// why returns the label for a word; of too many words the later are "other".
func (m *Metrics) why(word string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return admit(m.whys, maxWhys, word)
}

func (l *levels) collectShort(ch chan<- prometheus.Metric, known names, all []Short) {
	sums := map[[2]string]int{} // several words may be "other"
	for _, x := range all {
		if known.deployments[x.Deployment] {
			sums[[2]string{x.Deployment, l.m.why(x.Why)}] += x.Missing
		}
	}
	for at, n := range sums {
		ch <- gauge(l.short, float64(n), at[0], at[1])
	}
}
