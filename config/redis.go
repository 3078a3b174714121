package config

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// Redis lets several gateways share their limits, so that the limits hold for
// any number of gateways. Gateways also share how long providers refuse, the
// usage of providers' quotas, and answer lengths. No request waits for it.
type Redis struct {
	// host:port; of a cluster, some of its nodes. Redis 6.2 or later, or Valkey.
	Addresses []string `yaml:"addresses" need:"true" format:"server" example:"redis.internal:6379"`
	// TLS settings. Without it: plain TCP.
	TLS *RedisTLS `yaml:"tls"`
	// User, if not the default user. With entra: the identity's object ID, if its tokens do not name it.
	Username string `yaml:"username" example:"weir"`
	// Password of the user.
	Password Secret `yaml:"password"`
	// Microsoft Entra ID instead of a password, for Azure Managed Redis: which identity to use. It needs tls.
	Entra string `yaml:"entra" enum:"default|managed_identity|workload_identity|cli"`
	// Client ID of a user-assigned managed identity, or of a workload identity.
	ClientID string `yaml:"client_id" format:"uuid" example:"00000000-0000-0000-0000-000000000000"`
	// Prefix of every key. Gateways with the same prefix share limits.
	Prefix string `yaml:"prefix" default:"weir" format:"prefix"`
	// How long a silent gateway keeps its leases of the limits. Then the others may use them.
	Lease time.Duration `yaml:"lease" default:"5s" min:"1s" max:"1m"`
	// Number of gateways among which limits are divided when Weir starts while Redis is down.
	Gateways int `yaml:"gateways" default:"1" min:"1" max:"1000"`
}

// RedisTLS has the certificates of both sides.
type RedisTLS struct {
	// File with CA certificates, PEM. Without it those of the system.
	CA string `yaml:"ca" format:"path" example:"/etc/weir/redis-ca.pem"`
	// File with the client certificate, PEM, if the server requires one.
	Cert string `yaml:"cert" format:"path" example:"/etc/weir/redis.crt"`
	// File with its key, PEM.
	Key string `yaml:"key" format:"path" example:"/etc/weir/redis.key"`
	// Name in its certificate. Without it the host of the address.
	ServerName string `yaml:"server_name" example:"redis.internal"`
}

// checkServer wants a host and a port to connect to.
func checkServer(text string) (string, string) {
	remedy := "give host:port, such as redis.internal:6379"
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return quote(text) + " is not an address to connect to", remedy
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Sprintf("%s has no port from 1 to 65535", quote(text)), remedy
	}
	return "", ""
}

// checkPrefix wants characters that are valid in a key of a cluster.
func checkPrefix(text string) (string, string) {
	if !prefixRule.MatchString(text) {
		return quote(text) + " is not a valid prefix", "give 1 to 64 letters, digits and . _ - : /"
	}
	return "", ""
}

// redis checks keys that belong together.
func (v *validator) redis() {
	r := v.c.Redis
	if r == nil || v.badUnder("redis") {
		return
	}
	if len(r.Addresses) == 0 {
		v.blame("redis.addresses", "is empty", "give host:port")
	}
	if t := r.TLS; t != nil && (t.Cert == "") != (t.Key == "") {
		v.blame("redis.tls", "has a certificate without its key, or a key without its certificate", "give both or neither")
	}
	v.redisEntra(r)
	if r.TLS == nil && r.Password.Set() && !v.local(r.Addresses) {
		v.warn("redis.password", "is sent unencrypted", "add redis.tls")
	}
}

// redisEntra checks an identity that stands for a password.
func (v *validator) redisEntra(r *Redis) {
	if r.Entra != "" && r.Password.Set() {
		v.blame("redis.entra", "and password exclude each other", "remove one of them")
	}
	if r.Entra != "" && r.TLS == nil && !v.local(r.Addresses) {
		v.blame("redis.entra", "would send its token unencrypted", "add redis.tls: {}")
	}
	if r.ClientID != "" && r.Entra != "managed_identity" && r.Entra != "workload_identity" {
		v.blame("redis.client_id", "has no effect here", "it belongs to entra: managed_identity or workload_identity")
	}
}

// local says whether all addresses are on this machine.
func (v *validator) local(addresses []string) bool {
	for _, a := range addresses {
		if !loopback(a) {
			return false
		}
	}
	return true
}

// redisFiles checks that the named files exist.
func (d *decoder) redisFiles(r *Redis) {
	if r == nil || r.TLS == nil {
		return
	}
	for _, f := range [...][2]string{{"redis.tls.ca", r.TLS.CA}, {"redis.tls.cert", r.TLS.Cert}, {"redis.tls.key", r.TLS.Key}} {
		if f[1] == "" {
			continue
		}
		d.pemFile(f[0], f[1])
	}
}
