package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

const originPattern = `^(\*|[a-z][a-z0-9+.-]*://[^/?#@*\s]+)$`

var (
	originRule = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9+.-]*)://([^/?#@*\s:]+|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?$`)
	originOf   = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^/?#]*@)?([^/?#@*\s]+)`)
)

// schemePorts are the ports browsers leave out.
var schemePorts = map[string]string{"http": "80", "https": "443"}

// checkOrigin holds an origin to the form browsers send (RFC 6454, 6.2):
// origins are compared as texts.
func checkOrigin(text string) (string, string) {
	remedy := "give scheme://host, with the port if it is not the scheme's default, such as https://app.example.com or http://localhost:3000"
	if text == "*" {
		return "", ""
	}
	m := originRule.FindStringSubmatch(text)
	if m == nil {
		switch part := originOf.FindString(text); {
		case text == "null":
			return quote(text) + " is what browsers send for pages without an origin, which could be any page", remedy
		case strings.Contains(text, "*"):
			return quote(text) + " combines * with other characters", `give each origin, or "*" alone for all`
		case part != "" && !strings.Contains(part, "@"):
			return quote(text) + " is the address of a page, not an origin", "write " + plainOrigin(part)
		}
		return quote(text) + " is not an origin", remedy
	}
	if n, err := strconv.Atoi(m[3]); m[3] != "" && (err != nil || n < 1 || n > 65535) {
		return quote(text) + " has no port from 1 to 65535", remedy
	}
	if plain := plainOrigin(text); plain != text {
		return quote(text) + " is not in the form browsers send", "write " + plain
	}
	for _, c := range m[2] {
		if c >= 0x80 {
			return quote(text) + " has letters that browsers encode", "give the host in its DNS form, starting with xn--"
		}
	}
	return "", ""
}

// plainOrigin is an origin as browsers write it: in small letters, an IPv6
// address at its shortest, without the scheme's own port.
func plainOrigin(text string) string {
	m := originRule.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	scheme, host, port := strings.ToLower(m[1]), strings.ToLower(m[2]), m[3]
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && a.Is6() {
		host = "[" + a.String() + "]"
	}
	port = strings.TrimLeft(port, "0")
	if port == "" || port == schemePorts[scheme] {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + port
}

// cors checks the origins as a list.
func (v *validator) cors() {
	o := v.c.Server.CORS
	if o == nil || v.badUnder("server.cors") {
		return
	}
	seen := taken{}
	for i, origin := range o.Origins {
		path := fmt.Sprintf("server.cors.origins[%d]", i)
		if origin == "*" && len(o.Origins) > 1 {
			v.blame(path, `"*" means every origin, so the others have no effect`, `give "*" alone, or leave it out`)
		}
		v.claim(seen, origin, path, "origin")
	}
}
