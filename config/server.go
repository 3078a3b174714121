package config

import "time"

// Server is where callers connect.
type Server struct {
	// Address callers connect to, as host:port. ":8080" and "0.0.0.0:8080" listen on every interface, a port alone on 127.0.0.1.
	Listen string `yaml:"listen" default:"127.0.0.1:8080" format:"listen"`
	// Proxies in front of Weir, as addresses or networks. What they write into X-Forwarded-For is taken for the caller's address, read from the right, up to the first that is none of theirs. Without it the address of the connection is the caller's.
	TrustedProxies []Network `yaml:"trusted_proxies" example:"10.0.0.0/8"`
	// Pages that may call from a browser. Without it none may.
	CORS *CORS `yaml:"cors"`
	// Certificate and key, for HTTPS. Without it callers speak plain HTTP.
	TLS *TLS `yaml:"tls"`
	// Largest request body. A larger one is answered with 413.
	MaxBody Size `yaml:"max_body" default:"16MiB" min:"1KiB" max:"1GiB"`
	// Most memory all request bodies may take together, counted as their bytes come. One more byte is answered with 503. Without it: a quarter of what this process may use (GOMEMLIMIT, its control group, the machine), but twice max_body.
	MaxBodyMemory Size `yaml:"max_body_memory" min:"64KiB" max:"1024GiB" example:"1GiB"`
	// Largest request header, all lines together. A larger one is answered with 431.
	MaxHeader Size `yaml:"max_header" default:"64KiB" min:"1KiB" max:"1MiB"`
	// Most requests in flight, waiting ones included. One more is answered with 503.
	MaxRequests int `yaml:"max_requests" default:"20000" min:"1" max:"1000000"`
	// Most streamed answers open at once. One more is answered with 503.
	MaxStreams int `yaml:"max_streams" default:"10000" min:"1" max:"1000000"`
	// Longest time a caller may take to send its request header.
	HeaderTimeout time.Duration `yaml:"header_timeout" default:"10s" min:"100ms" max:"5m"`
	// Longest time a caller may take to send its request body.
	BodyTimeout time.Duration `yaml:"body_timeout" default:"1m" min:"100ms" max:"1h"`
	// Longest time a caller may take nothing of its answer before it is cut off.
	WriteTimeout time.Duration `yaml:"write_timeout" default:"30s" min:"100ms" max:"1h"`
	// Longest time the caller of a stream gets nothing; then it is sent a comment, or a ping where its protocol has one, and has its status 200. 0s: never, but 15s where a cold start is waited for.
	PingAfter time.Duration `yaml:"ping_after" default:"0s" min:"0s" max:"10m"`
	// How long a connection without a request is kept.
	IdleTimeout time.Duration `yaml:"idle_timeout" default:"2m" min:"1s" max:"1h"`
	// How long requests in flight may go on after a stop was asked for. Then streams end with an error event.
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"30s" min:"0s" max:"1h"`
}

// CORS says which pages of other sites a browser lets call Weir, with a key of
// theirs. Cookies are never asked for.
type CORS struct {
	// Origins of the pages, as browsers send them: scheme and host, the port where it is not the scheme's, no path. "*" alone: pages of every origin.
	Origins []string `yaml:"origins" need:"true" format:"origin" example:"https://app.example.com"`
	// How long a browser may remember what a page was allowed. Browsers have bounds of their own (Chromium: 2h).
	MaxAge time.Duration `yaml:"max_age" default:"10m" min:"0s" max:"24h"`
}

// TLS is a certificate and its key, as PEM files.
type TLS struct {
	// File with the certificate chain, PEM, the server's own certificate first.
	Cert string `yaml:"cert" need:"true" format:"path" example:"/etc/weir/tls.crt"`
	// File with the private key, PEM.
	Key string `yaml:"key" need:"true" format:"path" example:"/etc/weir/tls.key"`
}

// Admin is where operators connect: /metrics, /healthz, /readyz, /admin/reload.
type Admin struct {
	// Address operators connect to. One that is not loopback needs a token.
	Listen string `yaml:"listen" default:"127.0.0.1:8081" format:"listen"`
	// What operators send as "Authorization: Bearer ...". Without it the address must be loopback.
	Token Secret `yaml:"token"`
	// Names operators call a loopback address by without a token, beside localhost and addresses in figures. Requests by other names, and from pages of other sites, are refused.
	Hosts []string `yaml:"hosts" format:"name" example:"weir.internal"`
}

// Log is what is logged. Prompts and answers never are.
type Log struct {
	// Least important level that is logged.
	Level string `yaml:"level" default:"info" enum:"debug|info|warn|error"`
	// Lines for people, or one JSON object per line.
	Format string `yaml:"format" default:"text" enum:"text|json"`
	// One line per request when it has ended.
	Access bool `yaml:"access" default:"true"`
}

// Store is where usage per tenant, key, model, deployment and minute is kept.
type Store struct {
	// SQLite file, made when it does not exist. Relative to the directory Weir runs in. Not used with postgres.
	Path string `yaml:"path" default:"weir.db" format:"path"`
	// PostgreSQL database in place of the file, as libpq takes it: postgres://user:password@host/database. Gateways on one database count as one, and one of them scales.
	Postgres Secret `yaml:"postgres"`
	// What this gateway is called among those on one database. Without it: the name of the host.
	Gateway string `yaml:"gateway" format:"name"`
	// How long nobody scales, at most, when the gateway that did has died.
	Lease time.Duration `yaml:"lease" default:"10s" min:"2s" max:"5m"`
	// How often usage in memory is written. What a power cut may lose.
	FlushEvery time.Duration `yaml:"flush_every" default:"1s" min:"100ms" max:"1m"`
	// How long usage is kept. Budgets need a month.
	Retention time.Duration `yaml:"retention" default:"9600h" min:"768h" max:"87600h"`
}

// Journal is where every scaling decision is written, one JSON object per line.
type Journal struct {
	// File, made when it does not exist. Relative to the directory Weir runs in.
	Path string `yaml:"path" default:"weir.journal" format:"path"`
	// Size at which the file is set aside as <path>.1 (replacing the former one) and begun anew.
	MaxSize Size `yaml:"max_size" default:"64MiB" min:"64KiB" max:"16GiB"`
}

// Machine is what this machine gives to the replicas of process deployments.
type Machine struct {
	// GPUs replicas may get, as CUDA_VISIBLE_DEVICES takes them: "0", "1" or "GPU-<uuid>". Without it: all that Weir sees.
	GPUs []string `yaml:"gpus" format:"gpu"`
	// First port of the range replicas listen on.
	FirstPort int `yaml:"first_port" default:"20000" min:"1" max:"65535"`
	// Last port of the range.
	LastPort int `yaml:"last_port" default:"29999" min:"1" max:"65535"`
	// Whether replicas go on serving when Weir ends, for the next Weir to adopt. Without it they end with it.
	Keep bool `yaml:"keep" default:"false"`
}
