package config

import (
	"net/netip"
	"strings"
)

// networkPattern is exact for IPv4, and near enough for IPv6.
const networkPattern = `^((` + octet + `\.){3}` + octet + `(/(3[0-2]|[12]?[0-9]))?|[0-9a-fA-F]*:[0-9a-fA-F:.]+(/[0-9]{1,3})?)$`

const octet = `(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])`

// Network is a range of addresses: 10.0.0.0/8, or one address alone.
type Network struct{ netip.Prefix }

func parseNetwork(text string) (any, string) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, "is not an address"
		}
		return Network{netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())}, ""
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, "is not a network"
	}
	if p.Masked() != p {
		return nil, "has bits set beyond its length: " + p.Masked().String() + " is the network"
	}
	return Network{p}, ""
}
