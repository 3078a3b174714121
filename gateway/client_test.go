package gateway

import (
	"net/http"
	"net/netip"
	"testing"
)

// The caller's address is read from the right: everything to the left of the first
// address that is not a trusted proxy's could be forged.
func TestTheCallersAddressBehindProxies(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("fd00::/8")}
	f := func(peer string, forwarded []string, trust []netip.Prefix, want string) {
		t.Helper()
		c := &call{st: &state{proxies: trust}}
		c.x = exchange{peer: peerOf(peer), from: &httpCaller{r: &http.Request{Header: http.Header{"X-Forwarded-For": forwarded}}}}
		if have := c.client(); have != want {
			t.Errorf("%s %q: have %q, want %q", peer, forwarded, have, want)
		}
	}
	f("203.0.113.9:4711", nil, nil, "203.0.113.9")
	f("[2001:db8::1]:4711", nil, nil, "2001:db8::1")
	f("10.0.0.1:1", []string{"203.0.113.9"}, nil, "10.0.0.1")            // no proxy is trusted
	f("203.0.113.9:1", []string{"198.51.100.1"}, proxies, "203.0.113.9") // not by a proxy
	f("10.0.0.1:1", []string{"198.51.100.1"}, proxies, "198.51.100.1")   // by one
	f("10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1, 10.0.0.2"}, proxies, "198.51.100.1")
	f("10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1", "10.0.0.2, 10.0.0.3"}, proxies, "198.51.100.1")
	f("10.0.0.1:1", []string{"10.0.0.4,10.0.0.2"}, proxies, "10.0.0.4") // all are proxies
	f("10.0.0.1:1", []string{"198.51.100.1:55123"}, proxies, "198.51.100.1")
	f("10.0.0.1:1", []string{"[2001:db8::2]:443"}, proxies, "2001:db8::2")
	f("[::ffff:10.0.0.1]:1", []string{"2001:db8::2"}, proxies, "2001:db8::2")
	f("10.0.0.1:1", []string{"1.2.3.4, unknown"}, proxies, "10.0.0.1")
	f("10.0.0.1:1", []string{"1.2.3.4, unknown, 10.0.0.2"}, proxies, "10.0.0.2")
	f("10.0.0.1:1", []string{"", " , "}, proxies, "10.0.0.1")
	f("10.0.0.1:1", nil, proxies, "10.0.0.1")
	f("@", nil, proxies, "@") // a socket without an address
}
