package node

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"weir/dispatch"
	"weir/observe"
)

// Account is the subscription whose quotas and capacity bound what a node can have.
// The node knows no cloud: it shows what the account says and runs it.
type Account interface {
	// Run keeps it until ctx ends.
	Run(ctx context.Context) error
	// Quota and Capacity are what operators see, as JSON.
	Quota() any
	Capacity() any
	// Approve lets a proposed size be made.
	Approve(deployment string, units int64) error
	Levels() observe.Account
}

// AccountHost is what the node gives an Account.
type AccountHost struct {
	// Capacity sets the quota of a deployment's provider until the next reload.
	Capacity func(deployment string, q dispatch.Quota) error
	Leads    func() bool // nil: this gateway alone decides
	Log      *slog.Logger
}

func (n *Node) openAccount(open func(AccountHost) (Account, error)) (err error) {
	if open == nil {
		return nil
	}
	h := AccountHost{Capacity: n.gateway.Capacity, Log: n.log}
	if n.leader != nil {
		h.Leads = n.leader.leads
	}
	n.account, err = open(h)
	return err
}

// accountRoutes are the operators' paths about the account.
func (a *adminAPI) accountRoutes(mux *http.ServeMux) {
	shown := func(what func(Account) any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if a.account == nil {
				http.Error(w, "the configuration names no subscription: add azure:", http.StatusNotFound)
				return
			}
			reply(w, what(a.account))
		}
	}
	mux.HandleFunc("GET /admin/quota", shown(Account.Quota))
	mux.HandleFunc("GET /admin/capacity", shown(Account.Capacity))
	mux.HandleFunc("POST /admin/capacity", a.serveApproval)
}

// maxApproval bounds the body of an approval.
const maxApproval = 4 << 10

// serveApproval takes {"deployment": …, "units": …}.
func (a *adminAPI) serveApproval(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Deployment string `json:"deployment"`
		Units      int64  `json:"units"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxApproval))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil || b.Deployment == "" || b.Units < 1 {
		http.Error(w, `want {"deployment": "NAME", "units": N}, with the proposed size of GET /admin/capacity`, http.StatusBadRequest)
		return
	}
	if a.account == nil {
		http.Error(w, "the configuration names no subscription: add azure:", http.StatusNotFound)
		return
	}
	if err := a.account.Approve(b.Deployment, b.Units); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	a.log.Info("a size was approved", "deployment", b.Deployment, "units", b.Units)
	reply(w, a.account.Capacity())
}
