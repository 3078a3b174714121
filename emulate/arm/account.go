package arm

import (
	"context"
	"net/http"
	"strings"
	"time"

	"weir/emulate"
)

// accountKind is a resource of Azure OpenAI. Its data plane is that of package
// emulate, behind the account's endpoint.
func accountKind() *kind {
	return &kind{
		typ: "Microsoft.CognitiveServices/accounts", busy: busyAccount, etags: true, put: "Accepted",
		check: checkAccount, plan: func(_ *Cloud, ch *change) outcome {
			if ch.creates() || ch.body == nil {
				return outcome{span: "account"}
			}
			return outcome{}
		},
		ended: (*Cloud).endedAccount, view: (*Cloud).viewAccount,
		posts: map[string]action{"listkeys": accountKeys},
		reads: map[string]action{"usages": accountUsages},
	}
}

// busyAccount is the answer to a second write below one account, by its code and
// words in public reports of RequestConflict.
var busyAccount = problem{status: http.StatusConflict, code: "RequestConflict", message: "Another operation is being performed on the parent resource. Please try again later."}

// maxAccounts of a region ("Quotas and limits", 2026-02-17).
const maxAccounts = 30

func checkAccount(c *Cloud, ch *change) *problem {
	if kind := textAt(ch.body, "kind"); kind != "OpenAI" && kind != "AIServices" {
		return refuse(http.StatusBadRequest, "InvalidApiSetId", "The account type '"+kind+"' is not emulated: want OpenAI or AIServices.")
	}
	if sku := textAt(ch.body, "sku", "name"); sku != "S0" {
		return refuse(http.StatusBadRequest, "InvalidSkuId", "The sku '"+sku+"' is not possible: want S0.")
	}
	n := 0
	for _, r := range c.ofType(ch.kind.typ) {
		if c.location(r.id, r.body) == c.location(ch.id, ch.body) {
			n++
		}
	}
	if ch.creates() && n >= maxAccounts {
		return refuse(http.StatusBadRequest, "QuotaExceeded", "The region has its limit of 30 accounts.")
	}
	return nil
}

// endedAccount starts the account's data plane, unless it has one.
func (c *Cloud) endedAccount(r *resource, ch *change) {
	if ch.body == nil {
		if r.openai != nil && r.openai == c.o.OpenAI { // its owner lets it run on
			for _, d := range r.openai.Deployments() {
				r.openai.Remove(d.Name)
			}
		}
		return
	}
	if r.keys[0] == "" {
		r.keys = [2]string{newKey(), newKey()}
	}
	if r.openai == nil {
		a, err := emulate.NewAzure(emulate.AzureOptions{Grows: true, Keys: r.keys[:], Seed: c.o.Seed, Log: c.o.Log})
		if err != nil { // the options are this package's own
			r.state = "Failed"
			return
		}
		r.openai = a
	}
	c.moveAccount(r)
}

// moveAccount runs a data plane of this package's own; before Serve it waits.
func (c *Cloud) moveAccount(r *resource) {
	if c.base == nil || r.stop != nil || r.openai == nil || r.openai == c.o.OpenAI {
		return
	}
	ctx, stop := context.WithCancel(c.base)
	r.stop = stop
	c.running.Go(func() { _ = r.openai.Run(ctx) }) // without a listener it has no error
}

// viewAccount adds the endpoint. Azure's is a host of its own.
func (c *Cloud) viewAccount(r *resource, _, p object) {
	p["endpoint"] = c.url + "/cognitive/" + r.id.name() + "/"
}

func accountKeys(c *Cloud, w http.ResponseWriter, _ *http.Request, q *call) *problem {
	if p := q.ready(); p != nil {
		return p
	}
	writeJSON(w, http.StatusOK, object{"key1": q.res.keys[0], "key2": q.res.keys[1]})
	return nil
}

// cognitive is the data plane of accounts: /cognitive/{account}/openai/…. A token
// of the issuer opens it as a key does.
func (c *Cloud) cognitive(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("account")
	h, key, p := c.dataPlane(name)
	if p != nil {
		c.fail(w, p)
		return
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && strings.Count(token, ".") == 2 {
		if _, err := c.issuer.check(token, time.Now(), audiences["cognitive"]...); err != nil {
			c.fail(w, refuse(http.StatusUnauthorized, "401", "Unauthorized. "+err.Error()))
			return
		}
		r = r.Clone(r.Context())
		r.Header.Del("Authorization")
		r.Header.Set("Api-Key", key)
	}
	http.StripPrefix("/cognitive/"+name, h).ServeHTTP(w, r)
}

// dataPlane is an account's handler, and a key that opens it.
func (c *Cloud) dataPlane(name string) (h http.Handler, key string, p *problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	a := c.resources[lower(c.addressOf("Microsoft.CognitiveServices/accounts", name))]
	if a == nil || a.openai == nil {
		return nil, "", refuse(http.StatusNotFound, "ResourceNotFound", "there is no account "+name)
	}
	if p := c.regionLost(c.location(a.id, a.body)); p != nil {
		return nil, "", p
	}
	return a.openai.Handler(), a.keys[0], nil
}

// addressOf is the address of a resource directly below the group.
func (c *Cloud) addressOf(typ, name string) string {
	return "/subscriptions/" + c.o.Subscription + "/resourceGroups/" + c.o.ResourceGroup + "/providers/" + typ + "/" + name
}
