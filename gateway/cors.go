package gateway

import (
	"strconv"
	"strings"
	"time"
)

// CORS names the web pages that may call from a browser (Fetch standard, "CORS
// protocol"). The zero value allows none and adds no header.
type CORS struct {
	// Origins are the pages' origins as browsers write them (scheme://host, with the port
	// unless it is the scheme's default), compared exactly; "*" alone: all.
	Origins []string
	// MaxAge is how long a browser may cache a preflight, in whole seconds.
	MaxAge time.Duration
}

// cors is CORS, ready to serve. A browser's own credentials (cookies, certificates) are
// never allowed: the gateway does not use them.
type cors struct {
	all     bool
	origins map[string]bool
	maxAge  string          // seconds
	headers map[string]bool // request headers besides corsHeaders, in lower case
}

// newCORS is nil if no page may call.
func newCORS(c *Config) *cors {
	if len(c.CORS.Origins) == 0 {
		return nil
	}
	o := &cors{origins: map[string]bool{}, headers: map[string]bool{}, maxAge: strconv.FormatInt(int64(c.CORS.MaxAge/time.Second), 10)}
	for _, origin := range c.CORS.Origins {
		o.all = o.all || origin == "*"
		o.origins[origin] = true
	}
	for _, h := range requestHeaders {
		o.headers[strings.ToLower(h.name)] = true
	}
	for i := range c.Models {
		if h := c.Models[i].Sticky.Header; h != "" {
			o.headers[strings.ToLower(h)] = true
		}
	}
	return o
}

// corsHeaders are the headers that pages may send: keys, headers that official SDKs
// send from a browser, and headers the gateway reads. A name that ends with a dash is a
// prefix. SDKs set User-Agent, and some browsers ask permission for it.
var corsHeaders = [...]string{
	"authorization", "api-key", "x-api-key", "content-type", "accept", "user-agent", "x-request-id", "cache-control",
	"anthropic-", "openai-", "x-stainless-", "x-weir-",
}

// corsExposed are the answer headers that a page may read: all of the upstream's, and
// those named here, for browsers that do not support the star.
const corsExposed = "*, X-Request-Id, Retry-After, Retry-After-Ms, X-Weir-Deployment, X-Weir-Replica, X-Weir-Route, X-Weir-Upstream-Model, X-Weir-Queue-Ms, X-Weir-Queue-Position, X-Weir-Max-Tokens, X-Weir-Fault, X-Weir-Upstream-Request-Id, X-Weir-Estimated, X-Weir-Cache, X-Weir-Embeddings, Cache-Status, Age"

// allows says whether a page of that origin may call.
func (o *cors) allows(origin string) bool { return o.all || o.origins[origin] }

// sayOn sets the CORS headers of any answer.
func (o *cors) sayOn(x *exchange) {
	if o.all {
		x.set("Access-Control-Allow-Origin", "*")
	} else {
		x.set("Vary", "Origin")
		origin := x.get("Origin")
		if !o.origins[origin] {
			return
		}
		x.set("Access-Control-Allow-Origin", origin)
	}
	x.set("Access-Control-Expose-Headers", corsExposed)
}

// asked returns the requested headers that pages may send.
func (o *cors) asked(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			if name := strings.ToLower(strings.TrimSpace(item)); o.maySend(name) {
				if b.Len() > 0 {
					b.WriteString(", ")
				}
				b.WriteString(name)
			}
		}
	}
	return b.String()
}

func (o *cors) maySend(name string) bool {
	for _, h := range corsHeaders {
		if name == h || h[len(h)-1] == '-' && strings.HasPrefix(name, h) && saneID(name) {
			return true
		}
	}
	return o.headers[name]
}

// options answers OPTIONS, without a key, as browsers send it: with the path's methods
// or, to a preflight, the methods and headers that the page may use. It makes no
// Record.
func (c *call) options() {
	method, origin := c.x.get("Access-Control-Request-Method"), c.x.get("Origin")
	switch o := c.st.cors; {
	case o != nil && method != "" && origin != "":
		c.preflight(o, origin)
	case c.s.service == noService:
		c.sayOther(errNoPath)
	default:
		c.x.set("Allow", allowed(c.s))
		c.x.start(204, -1)
	}
}

// preflight allows a page its request. It does so for unknown paths too: the page can
// then read the 404.
func (c *call) preflight(o *cors, origin string) {
	if !o.allows(origin) {
		c.sayOther(&problem{is: errOrigin, message: "the origin " + strconv.Quote(shortened(origin)) + " is not allowed: add it to server.cors.origins of weir.yaml"})
		return
	}
	c.x.set("Access-Control-Allow-Methods", methodsOf(c.s))
	if headers := o.asked(c.x.all("Access-Control-Request-Headers")); headers != "" {
		c.x.set("Access-Control-Allow-Headers", headers)
	}
	c.x.set("Access-Control-Max-Age", o.maxAge)
	c.x.start(204, -1)
}

func (v *validator) cors(c *Config) {
	for _, origin := range c.CORS.Origins {
		switch {
		case origin == "*" && len(c.CORS.Origins) > 1:
			v.fault("the origin \"*\" means every origin and cannot be combined with others")
		case origin != "*" && !strings.Contains(origin, "://"):
			v.fault("%q is not an origin: it has no scheme and host", origin)
		}
	}
	if c.CORS.MaxAge < 0 {
		v.fault("the max age of a preflight is %s, which is negative", c.CORS.MaxAge)
	}
}
