package demo

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"weir"
	"weir/config"
)

// still is a node that serves and does nothing.
type still struct{ callers, operators string }

func addr(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }

func (s still) Callers() net.Addr                                      { return addr(s.callers) }
func (s still) Operators() net.Addr                                    { return addr(s.operators) }
func (still) Replicas(context.Context, string) ([]weir.Replica, error) { return nil, nil }
func (still) Load(string) (waiting, inFlight int)                      { return 0, 0 }
func (still) LogAccess(bool)                                           {}

func TestTheWelcomeSaysWhereToGo(t *testing.T) {
	c, err := config.Default("weir", config.KeyHash{})
	if err != nil {
		t.Fatal(err)
	}
	f := func(n still, key string, want ...string) {
		t.Helper()
		var out strings.Builder
		Welcome(&out, n, c, key, nil)
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("without %q:\n%s", w, out.String())
			}
		}
		if key == "" && strings.Contains(out.String(), "curl") {
			t.Errorf("it says how to try what there is no key for:\n%s", out.String())
		}
	}
	loopback := still{"127.0.0.1:8080", "127.0.0.1:8081"}
	f(loopback, "sk-1", "callers at   http://127.0.0.1:8080\n", "operators at   http://127.0.0.1:8081   (", "model demo-chat          demo-chat/emulated, 1 to ",
		`curl http://127.0.0.1:8080/v1/chat/completions -H "authorization: Bearer sk-1"`, "the limits of tenant demo)")
	f(loopback, "", "model demo-chat")
	f(still{"[::]:8080", "127.0.0.1:8081"}, "", "callers at   http://127.0.0.1:8080 and all other addresses of this machine\n")
}

func TestAPictureHasACharacterForEachReplica(t *testing.T) {
	rs := []weir.Replica{{State: weir.Draining}, {State: weir.Ready}, {State: weir.Starting}, {State: weir.Ready}, {State: weir.Failed}}
	if have := picture(rs); have != "##+-x" {
		t.Errorf("have %q", have)
	}
}
