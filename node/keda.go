package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"

	"weir"
	"weir/keda"
)

// kedaScaler answers KEDA, which asks for the number of replicas of deployments
// that it scales. Of several gateways on one store each answers, since KEDA may
// reach any of them: with what the leader has decided, as last heard from it.
type kedaScaler struct {
	o        KEDA
	setup    func() *Setup
	replicas func(ctx context.Context, deployment string) ([]weir.Replica, error)
	log      *slog.Logger

	mu       sync.Mutex
	want     map[string]int // as last decided
	watching map[string][]chan struct{}
	streams  int
}

// maxStreams bounds KEDA's open streams, one for each ScaledObject. KEDA polls
// as well; one beyond the bound learns of a change then.
const maxStreams = 4096

// listen opens the address. A certificate is read at each handshake, so that a
// renewed one counts at once.
func (k *kedaScaler) listen() (net.Listener, error) {
	l, err := listen("keda.listen", k.o.Listen)
	if err != nil || k.o.CertFile == "" {
		return l, err
	}
	if _, err := tls.LoadX509KeyPair(k.o.CertFile, k.o.KeyFile); err != nil {
		l.Close()
		return nil, fmt.Errorf("keda.tls: %w", err)
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, err := tls.LoadX509KeyPair(k.o.CertFile, k.o.KeyFile)
			return &c, err
		},
	}), nil
}

// run answers on l until ctx ends.
func (k *kedaScaler) run(ctx context.Context, l net.Listener) error {
	return keda.Serve(ctx, l, keda.Options{Want: k.wanted, Changed: k.changed})
}

// decided takes a decision and passes a change on to KEDA.
func (k *kedaScaler) decided(deployment string, want int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(deployment, want)
}

// heard takes the leader's decisions; what is not among them is not decided.
func (k *kedaScaler) heard(all map[string]int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for deployment := range k.want {
		if _, ok := all[deployment]; !ok {
			delete(k.want, deployment)
			k.tell(deployment)
		}
	}
	for deployment, want := range all {
		k.note(deployment, want)
	}
}

// decisions are the numbers last decided.
func (k *kedaScaler) decisions() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.want)
}

// note changes a number and tells the streams. The lock is held.
func (k *kedaScaler) note(deployment string, want int) {
	if have, known := k.want[deployment]; known && have == want {
		return
	}
	k.want[deployment] = want
	k.tell(deployment)
}

// tell wakes the streams of a deployment. The lock is held.
func (k *kedaScaler) tell(deployment string) {
	for _, c := range k.watching[deployment] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// forget forgets the decisions of an ended term.
func (k *kedaScaler) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.want)
}

// wanted is the number last decided. Before the first decision it is the number
// there is: KEDA must not stop what runs because Weir has just started.
func (k *kedaScaler) wanted(deployment string) (replicas int, active, known bool) {
	if !k.setup().asked(deployment) {
		return 0, false, false
	}
	k.mu.Lock()
	n, decided := k.want[deployment]
	k.mu.Unlock()
	if decided {
		return n, n > 0, true
	}
	rs, err := k.replicas(context.Background(), deployment)
	if err != nil {
		return 0, false, false
	}
	for i := range rs {
		if rs[i].State == weir.Starting || rs[i].State == weir.Ready {
			n += rs[i].Size()
		}
	}
	return n, n > 0, true
}

func (k *kedaScaler) changed(ctx context.Context, deployment string) <-chan struct{} {
	c := make(chan struct{}, 1)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.streams >= maxStreams {
		k.log.Warn("KEDA has too many streams open: it learns of this deployment's changes when it polls", "deployment", deployment, "most", maxStreams)
		return c
	}
	k.streams++
	k.watching[deployment] = append(k.watching[deployment], c)
	context.AfterFunc(ctx, func() { k.unwatch(deployment, c) })
	return c
}

func (k *kedaScaler) unwatch(deployment string, c chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.streams--
	all := k.watching[deployment]
	for i := range all {
		if all[i] == c {
			all = append(all[:i:i], all[i+1:]...)
			break
		}
	}
	if k.watching[deployment] = all; len(all) == 0 {
		delete(k.watching, deployment)
	}
}

// asked says whether KEDA asks for a deployment's number.
func (s *Setup) asked(deployment string) bool {
	for i := range s.Deployments {
		if d := &s.Deployments[i]; d.Name == deployment {
			return d.Scaling != nil && d.Scaling.Asked
		}
	}
	return false
}
