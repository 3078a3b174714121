package node

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// local refuses requests that a web page could make an operator's browser send
// to an admin address without a token: a request for a name that DNS points at
// this machine (DNS rebinding), and a request from a page of another origin.
// hosts are names allowed besides localhost and IP addresses.
func local(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !ownHost(r.Host, hosts):
			http.Error(w, "the admin address does not answer to this host name: use localhost or 127.0.0.1, or list the name in admin.hosts", http.StatusForbidden)
		case foreign(r):
			http.Error(w, "the admin address refuses requests from pages of other sites", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// ownHost says whether a Host header is localhost, one of hosts, or an IP
// address, which no name server can point elsewhere.
func ownHost(host string, hosts []string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host != "" && slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// foreign says whether a browser sent this request for a page of another
// origin.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return false
	}
	u, err := url.Parse(origins[0])
	return err != nil || len(origins) > 1 || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}
