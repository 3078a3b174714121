package gateway

import (
	"net/netip"
	"strings"
)

// client is the caller's address without its port: that of the connection or, behind
// trusted proxies, the last address in X-Forwarded-For that is not one of them.
// Anything before that could be forged.
func (c *call) client() string {
	peer := c.x.peer
	if len(c.st.proxies) == 0 || !ofProxy(c.st.proxies, peer) {
		return peer
	}
	client := peer
	lines := c.x.all("X-Forwarded-For")
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; rest != ""; {
			cut := strings.LastIndexByte(rest, ',')
			entry := withoutPort(strings.TrimSpace(rest[cut+1:]))
			rest = rest[:max(cut, 0)]
			if _, err := netip.ParseAddr(entry); err != nil {
				return client // not an address, so no trusted proxy's entry
			}
			if client = entry; !ofProxy(c.st.proxies, entry) {
				return client
			}
		}
	}
	return client
}

func ofProxy(proxies []netip.Prefix, addr string) bool {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	for _, p := range proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// withoutPort is the address in "address", "address:port" or "[address]:port".
func withoutPort(text string) string {
	if rest, ok := strings.CutPrefix(text, "["); ok {
		addr, _, _ := strings.Cut(rest, "]")
		return addr
	}
	if i := strings.IndexByte(text, ':'); i >= 0 && i == strings.LastIndexByte(text, ':') {
		return text[:i]
	}
	return text
}
