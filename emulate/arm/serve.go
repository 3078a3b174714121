package arm

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// routes: the issuer, the operator's paths, scoring, and Resource Manager under
// /subscriptions.
func (c *Cloud) routes() http.Handler {
	m := http.NewServeMux()
	c.operator(m)
	m.HandleFunc("/inference/{workspace}/{endpoint}/", c.score)
	m.HandleFunc("POST /inference/{workspace}/{endpoint}/jobs", c.invoke)
	m.HandleFunc("POST /subscriptions/{subscription}/metrics:getBatch", c.batch)
	m.HandleFunc("/cognitive/{account}/", c.cognitive)
	m.HandleFunc("/subscriptions/", c.manage)
	m.Handle("/", c.entra())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", Name)
		m.ServeHTTP(w, r)
	})
}

// manage is Resource Manager: token, version, throttling, then the resource.
func (c *Cloud) manage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Ms-Request-Id", requestID())
	app, p := c.admitted(r)
	if p != nil {
		if p.status == http.StatusUnauthorized {
			w.Header().Set("Www-Authenticate", `Bearer authorization_uri="https://`+r.Host+"/"+c.o.Tenant+`", error="invalid_token", error_description="`+p.message+`"`)
		}
		c.fail(w, p)
		return
	}
	body, p := readBody(w, r)
	if p != nil {
		c.fail(w, p)
		return
	}
	c.locked(w, func(w http.ResponseWriter) {
		now := c.settle()
		c.calls.note(app, r)
		p := c.throttled(w, r, now)
		if p == nil {
			p = c.dispatch(w, r, body, now)
		}
		if p != nil {
			c.fail(w, p)
		}
	})
}

// admitted checks the token and the version ("Azure REST API reference").
func (c *Cloud) admitted(r *http.Request) (app string, p *problem) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", refuse(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	app, err := c.issuer.check(token, time.Now(), audiences["arm"]...)
	switch {
	case errors.Is(err, errExpired):
		return "", refuse(http.StatusUnauthorized, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
	case errors.Is(err, errAudience):
		return "", refuse(http.StatusUnauthorized, "InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource. It should exactly match one of the allowed audiences 'https://management.core.windows.net/','https://management.azure.com/'.")
	case err != nil:
		return "", refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is invalid.")
	}
	if r.URL.Query().Get("api-version") == "" {
		return "", refuse(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	return app, nil
}

func (c *Cloud) dispatch(w http.ResponseWriter, r *http.Request, body object, now time.Time) *problem {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 2 || !strings.EqualFold(parts[1], c.o.Subscription) {
		return refuse(http.StatusNotFound, "SubscriptionNotFound", "The subscription '"+parts[min(1, len(parts)-1)]+"' could not be found.")
	}
	if len(parts) > 5 && strings.EqualFold(parts[2], "providers") {
		if s := parts[len(parts)-2]; s == "operationsStatus" || s == "operationResults" {
			c.follow(w, r)
			return nil
		}
	}
	if len(parts) > 3 && strings.EqualFold(parts[2], "providers") {
		return c.provider(w, r, parts[3:], body)
	}
	id, ok := parseID(r.URL.EscapedPath())
	if !ok {
		return refuse(http.StatusNotFound, "InvalidResourcePath", "nothing is emulated at "+r.URL.Path)
	}
	if !strings.EqualFold(id.group, c.o.ResourceGroup) {
		return refuse(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '"+id.group+"' could not be found.")
	}
	if p := c.regionLost(c.placeOf(id, body)); p != nil {
		return p
	}
	if strings.EqualFold(id.typ, groupType+"/containers") {
		return c.containerLogs(w, r, id)
	}
	if id.rest != "" {
		return c.below(w, r, id, body, now)
	}
	k := c.kinds[lower(id.typ)]
	if k == nil {
		return noType(id.typ)
	}
	switch r.Method {
	case http.MethodGet:
		return c.get(w, id)
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return c.write(w, r, k, id, body, now)
	}
	return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", r.Method+" is not possible on "+id.typ)
}

func noType(typ string) *problem {
	return refuse(http.StatusNotFound, "InvalidResourceType", "The resource type '"+typ+"' is not emulated.")
}

func notFound(id rid) *problem {
	return refuse(http.StatusNotFound, "ResourceNotFound", "The Resource '"+strings.TrimPrefix(id.typ, "/")+"/"+strings.Join(id.names, "/")+"' under resource group '"+id.group+"' was not found.")
}

func (c *Cloud) get(w http.ResponseWriter, id rid) *problem {
	r := c.resources[id.key()]
	if r == nil {
		return notFound(id)
	}
	if r.kind.etags {
		w.Header().Set("Etag", r.tag())
	}
	writeJSON(w, http.StatusOK, c.render(r))
	return nil
}

// below serves a collection, an action, or a read that is no resource.
func (c *Cloud) below(w http.ResponseWriter, r *http.Request, id rid, body object, now time.Time) *problem {
	owner := c.resources[id.key()]
	if k := c.kinds[lower(id.typ+"/"+id.rest)]; k != nil && r.Method == http.MethodGet {
		if owner == nil && len(id.names) > 0 {
			return notFound(id)
		}
		return c.list(w, r, c.children(id, id.rest))
	}
	k := c.kinds[lower(id.typ)]
	if k == nil {
		return noType(id.typ + "/" + id.rest)
	}
	acts := k.posts
	if r.Method == http.MethodGet {
		acts = k.reads
	}
	act := acts[lower(id.rest)]
	switch {
	case act == nil:
		return refuse(http.StatusNotFound, "InvalidResourceType", r.Method+" "+id.rest+" of "+id.typ+" is not emulated.")
	case owner == nil:
		return notFound(id)
	}
	return act(c, w, r, &call{id: id, res: owner, body: body, now: now})
}

// action serves what is no plain read or write of a resource.
type action func(*Cloud, http.ResponseWriter, *http.Request, *call) *problem

// call is a request for an action.
type call struct {
	id   rid
	res  *resource
	body object
	now  time.Time
}

// list answers a collection in pages: nextLink carries $skiptoken, an opaque
// number here ("Azure REST API reference", paging).
func (c *Cloud) list(w http.ResponseWriter, r *http.Request, all []*resource) *problem {
	items := make([]any, len(all))
	for i, one := range all {
		items[i] = c.render(one)
	}
	return c.page(w, r, items)
}

// pageSize is a choice, small enough that a client meets paging.
const pageSize = 20

func (c *Cloud) page(w http.ResponseWriter, r *http.Request, items []any) *problem {
	from := 0
	if token := r.URL.Query().Get("$skiptoken"); token != "" {
		b, err := base64.RawURLEncoding.DecodeString(token)
		n, convErr := strconv.Atoi(string(b))
		if err != nil || convErr != nil || n < 0 || n > len(items) {
			return refuse(http.StatusBadRequest, "InvalidSkipToken", "the $skiptoken is not one of this list's")
		}
		from = n
	}
	to := min(from+pageSize, len(items))
	v := object{"value": append([]any{}, items[from:to]...)}
	if to < len(items) {
		q := r.URL.Query()
		q.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to))))
		v["nextLink"] = c.url + r.URL.Path + "?" + q.Encode()
	}
	writeJSON(w, http.StatusOK, v)
	return nil
}
