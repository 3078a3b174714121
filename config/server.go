package config

import "time"

// Server is the address for callers.
type Server struct {
	// Listen address for callers, as host:port. ":8080" and "0.0.0.0:8080" listen on every interface, a port alone on 127.0.0.1.
	Listen string `yaml:"listen" default:"127.0.0.1:8080" format:"listen"`
	// What serves HTTP/1.1 to callers: standard is Go's net/http; own, on Linux, takes less memory and processor time for each request. HTTP/2 is the same with both.
	Front string `yaml:"front" default:"standard" enum:"standard|own"`
	// Proxies in front of Weir, as addresses or networks. The caller's address is taken from X-Forwarded-For, read from the right up to the first address that is not one of them. Without it, the address of the connection is used.
	TrustedProxies []Network `yaml:"trusted_proxies" example:"10.0.0.0/8"`
	// Web pages that may call from a browser. Without it none may.
	CORS *CORS `yaml:"cors"`
	// Certificate and key for HTTPS. Without it callers use plain HTTP.
	TLS *TLS `yaml:"tls"`
	// Largest request body. A larger one gets 413.
	MaxBody Size `yaml:"max_body" default:"16MiB" min:"1KiB" max:"1GiB"`
	// Memory for all request bodies together, counted as their bytes arrive. A body beyond it gets 503. Without it: a quarter of the memory limit of this process (GOMEMLIMIT, its cgroup, the machine), at least twice max_body.
	MaxBodyMemory Size `yaml:"max_body_memory" min:"64KiB" max:"1024GiB" example:"1GiB"`
	// Largest request header, all lines together. A larger one gets 431.
	MaxHeader Size `yaml:"max_header" default:"64KiB" min:"1KiB" max:"1MiB"`
	// Maximum requests in flight, including waiting ones. One more gets 503.
	MaxRequests int `yaml:"max_requests" default:"20000" min:"1" max:"1000000"`
	// Maximum open streams. One more gets 503.
	MaxStreams int `yaml:"max_streams" default:"10000" min:"1" max:"1000000"`
	// Longest time a caller may take to send its request header.
	HeaderTimeout time.Duration `yaml:"header_timeout" default:"10s" min:"100ms" max:"5m"`
	// Longest time a caller may take to send its request body.
	BodyTimeout time.Duration `yaml:"body_timeout" default:"1m" min:"100ms" max:"1h"`
	// A caller that reads nothing of its answer for this long is disconnected.
	WriteTimeout time.Duration `yaml:"write_timeout" default:"30s" min:"100ms" max:"1h"`
	// After this silence a stream gets a comment, or a ping if its protocol has one; its status is then 200. 0s: never, except every 15s during a cold start.
	PingAfter time.Duration `yaml:"ping_after" default:"0s" min:"0s" max:"10m"`
	// How long an idle connection stays open.
	IdleTimeout time.Duration `yaml:"idle_timeout" default:"2m" min:"1s" max:"1h"`
	// Time for requests in flight when Weir stops. Streams still open then end with an error event.
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"30s" min:"0s" max:"1h"`
}

// CORS lists the pages of other sites that a browser lets call Weir, each with
// its own key. Cookies are never requested.
type CORS struct {
	// Origins of the pages, as browsers send them: scheme and host, the port if it is not the scheme's default, no path. "*" alone allows every origin.
	Origins []string `yaml:"origins" need:"true" format:"origin" example:"https://app.example.com"`
	// How long browsers may cache a preflight. Browsers have their own limits (Chromium: 2h).
	MaxAge time.Duration `yaml:"max_age" default:"10m" min:"0s" max:"24h"`
}

// TLS is a certificate and its key, as PEM files.
type TLS struct {
	// File with the certificate chain, PEM, the server's own certificate first.
	Cert string `yaml:"cert" need:"true" format:"path" example:"/etc/weir/tls.crt"`
	// File with the private key, PEM.
	Key string `yaml:"key" need:"true" format:"path" example:"/etc/weir/tls.key"`
}

// Admin is the address for operators: /metrics, /healthz, /readyz, /admin/reload.
type Admin struct {
	// Listen address for operators. Any address but loopback needs a token.
	Listen string `yaml:"listen" default:"127.0.0.1:8081" format:"listen"`
	// Token that operators send as "Authorization: Bearer ...". Without it the address must be loopback.
	Token Secret `yaml:"token"`
	// Host names accepted without a token, in addition to localhost and IP addresses. Requests with other host names, and from pages of other sites, are refused.
	Hosts []string `yaml:"hosts" format:"name" example:"weir.internal"`
}

// Log configures logging. Prompts and answers are never logged.
type Log struct {
	// Lowest level that is logged.
	Level string `yaml:"level" default:"info" enum:"debug|info|warn|error"`
	// text for people, or json: one JSON object per line.
	Format string `yaml:"format" default:"text" enum:"text|json"`
	// One line per ended request.
	Access bool `yaml:"access" default:"true"`
}

// Store is the ledger: usage per tenant, key, model, deployment and minute.
type Store struct {
	// SQLite file, created if missing. Relative to the directory Weir runs in. Not used with postgres.
	Path string `yaml:"path" default:"weir.db" format:"path"`
	// PostgreSQL database instead of the file, in libpq's format: postgres://user:password@host/database. Gateways on one database share usage and elect a leader, which scales.
	Postgres Secret `yaml:"postgres"`
	// Name of this gateway among those on one database. Without it: the host name.
	Gateway string `yaml:"gateway" format:"name"`
	// A dead leader is replaced within this time.
	Lease time.Duration `yaml:"lease" default:"10s" min:"2s" max:"5m"`
	// How often usage in memory is written. A power cut may lose this much.
	FlushEvery time.Duration `yaml:"flush_every" default:"1s" min:"100ms" max:"1m"`
	// How long usage is kept. Budgets need a month.
	Retention time.Duration `yaml:"retention" default:"9600h" min:"768h" max:"87600h"`
}

// Journal records every scaling decision, one JSON object per line.
type Journal struct {
	// File, created if missing. Relative to the directory Weir runs in.
	Path string `yaml:"path" default:"weir.journal" format:"path"`
	// Size at which the file is renamed to <path>.1 (replacing the previous one) and a new one is started.
	MaxSize Size `yaml:"max_size" default:"64MiB" min:"64KiB" max:"16GiB"`
}

// Machine are the resources of this machine for the replicas of process deployments.
type Machine struct {
	// GPUs for replicas, as in CUDA_VISIBLE_DEVICES: "0", "1" or "GPU-<uuid>". Without it: all GPUs Weir finds.
	GPUs []string `yaml:"gpus" format:"gpu"`
	// First port of the range replicas listen on.
	FirstPort int `yaml:"first_port" default:"20000" min:"1" max:"65535"`
	// Last port of the range.
	LastPort int `yaml:"last_port" default:"29999" min:"1" max:"65535"`
	// Keeps replicas running when Weir ends, for the next Weir to adopt. Without it they end with Weir.
	Keep bool `yaml:"keep" default:"false"`
}
