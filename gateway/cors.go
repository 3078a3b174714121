package gateway

import (
	"strconv"
	"strings"
	"time"
)

// CORS says which pages may call from a browser, as the Fetch standard has it
// ("CORS protocol"). The zero value: none, and no answer speaks of it.
type CORS struct {
	// Origins are the pages' own, as browsers write them (scheme://host, with the
	// port where it is not the scheme's), compared exactly; "*" alone: all.
	Origins []string
	// MaxAge is how long a browser may remember what it was allowed; whole seconds count.
	MaxAge time.Duration
}

// cors is CORS, ready to serve. Credentials of the browser's own (cookies,
// certificates) are never allowed: nothing here reads any.
type cors struct {
	all     bool
	origins map[string]bool
	maxAge  string          // seconds
	headers map[string]bool // callers' headers beside those of corsHeaders, in small letters
}

// newCORS is nil where no page may call.
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

// corsHeaders are what pages may send: keys, what official SDKs send from a
// browser, and what is read here. Those that end with a dash stand for all that
// begin so. User-Agent is one that SDKs set and some browsers ask leave for.
var corsHeaders = [...]string{
	"authorization", "api-key", "x-api-key", "content-type", "accept", "user-agent", "x-request-id",
	"anthropic-", "openai-", "x-stainless-", "x-weir-",
}

// corsExposed are the headers of an answer that a page may read: those named,
// for browsers that do not know the star, and all that an upstream's answer has.
const corsExposed = "*, X-Request-Id, Retry-After, Retry-After-Ms, X-Weir-Deployment, X-Weir-Replica, X-Weir-Route, X-Weir-Upstream-Model, X-Weir-Queue-Ms, X-Weir-Queue-Position, X-Weir-Max-Tokens, X-Weir-Fault, X-Weir-Upstream-Request-Id, X-Weir-Estimated"

// allows says whether a page of that origin may call.
func (o *cors) allows(origin string) bool { return o.all || o.origins[origin] }

// sayOn has the answer, whichever it will be, say whether the page may read it.
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

// asked is the part of a list of headers that pages may send.
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

// options answers OPTIONS, without a key, as browsers send it: what the path
// takes, and to a page's preflight what of it the page may send. It makes no
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

// preflight lets a page send what it asks for. Under a path that does not exist
// too: the page then reads that it does not.
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
