package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Two gateways without a common store are told what that means, once, and not for
// the time in which a new one takes an old one's place.
func TestAGatewayBesideTheHolderSaysSoOnce(t *testing.T) {
	var log bytes.Buffer
	l := &lease{name: "weir", namespace: "weir", log: slog.New(slog.NewTextHandler(&log, nil))}
	at := time.Unix(1000, 0)
	said := func(want int) {
		t.Helper()
		if have := strings.Count(log.String(), "store.postgres"); have != want {
			t.Errorf("at %v it was said %d times, want %d:\n%s", at, have, want, log.String())
		}
	}
	for range 30 {
		l.beside(at, "other")
		at = at.Add(leaseEvery)
	}
	said(0)
	l.beside(at, "other")
	l.beside(at.Add(leaseEvery), "other")
	said(1)
	if err := l.took(nil, at); err != nil { // the other has ended
		t.Fatal(err)
	}
	l.beside(at.Add(time.Hour), "other")
	said(1)
}

// A workload's fault is not lost where the cluster does not answer about another.
func TestAClusterThatIsSilentAboutOneRefusesAnother(t *testing.T) {
	silent := Finding{Err: fmt.Errorf("%w: of a", ErrAway)}
	doubt := Finding{Doubt: true, Err: errors.New("b may lack room")}
	fault := Finding{Err: fmt.Errorf("%w: HorizontalPodAutoscaler c", ErrHeld)}
	if err := verdict([]Finding{doubt}); err != nil {
		t.Errorf("a doubt refuses: %v", err)
	}
	if err := verdict([]Finding{silent, doubt}); !errors.Is(err, ErrAway) {
		t.Errorf("silence: %v", err)
	}
	if err := verdict([]Finding{silent, fault, doubt}); !errors.Is(err, ErrHeld) || errors.Is(err, ErrAway) {
		t.Errorf("silence and a fault: %v", err)
	}
}

// A number that a quota bounds may rise when the quota is read next; one that no
// node took, when its wait is over; any other at any time.
func TestWhenMoreReplicasAreAskedForAgain(t *testing.T) {
	now := time.Unix(5000, 0)
	f := &Fleet{nodes: newNodes(), by: map[string]*workload{}}
	w := newWorkload(f, Deployment{Name: "d", MaxReplicas: 8})
	w.surveyed, w.shape = now.Add(-10*time.Second), shape{pods: 1, asks: of("1")}
	if at := w.next(now); !at.IsZero() {
		t.Errorf("bound by its own limit: %v", at)
	}
	q := corev1.ResourceQuota{}
	q.Status.Hard = corev1.ResourceList{"requests.nvidia.com/gpu": resource.MustParse("2")}
	q.Status.Used = corev1.ResourceList{"requests.nvidia.com/gpu": resource.MustParse("2")}
	w.quotas = []corev1.ResourceQuota{q}
	if at := w.next(now); at != now.Add(20*time.Second) {
		t.Errorf("bound by a quota read 10 s ago: in %v, want 20 s", at.Sub(now))
	}
	w.short.until = now.Add(time.Minute)
	if at := w.next(now); at != now.Add(time.Minute) {
		t.Errorf("given up for a minute: in %v", at.Sub(now))
	}
}
