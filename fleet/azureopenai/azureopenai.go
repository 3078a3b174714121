// Package azureopenai is the capacity of Azure OpenAI deployments: what Azure has,
// read from the deployment itself, and changed where that is allowed.
//
// It owns the object: its size in its steps, within quota, stock and money; its
// limits; where Azure itself spills over. It refuses to know what a request costs
// and how the gateway admits (its caller is told of every change).
//
// The state is Azure's: a change is one PATCH of the size, and the next look at the
// object says what became of it. A Weir that is killed in between finds it so.
package azureopenai

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/quota"
)

// Options configure a Keeper. Funcs may be nil, except Changed.
type Options struct {
	Client      *Client
	Deployments []Deployment
	Quotas      func() *quota.Book                  // as last read
	Leads       func() bool                         // only this gateway changes anything; nil: it does
	Changed     func(deployment string, now Object) // called after every look; it must return soon
	Every       time.Duration                       // between looks; 0: 30 s
	Log         *slog.Logger                        // nil: silent
	Now         func() time.Time                    // nil: time.Now
}

// A refused change is tried again after a wait that doubles.
const (
	lookEvery = 30 * time.Second
	firstWait = 2 * time.Minute
	longest   = time.Hour
	within    = 20 * time.Second // of one look or change
)

// View is a deployment as operators see it.
type View struct {
	Deployment string `json:"deployment"`
	SKU        string `json:"sku,omitempty"`
	Model      string `json:"model,omitempty"`
	Location   string `json:"location,omitempty"`
	State      string `json:"state,omitempty"`
	Units      int64  `json:"units"`
	Wanted     int64  `json:"wanted"`
	Why        string `json:"why,omitempty"`
	// Proposed is the size that waits for a person; 0: none does.
	Proposed  int64      `json:"proposed,omitempty"`
	Refused   string     `json:"refused,omitempty"` // why Azure did not make the last change
	Again     *time.Time `json:"again,omitempty"`   // when it is asked again
	Spillover string     `json:"spillover,omitempty"`
	Trouble   string     `json:"trouble,omitempty"` // why the object cannot be read
}

// Keeper looks at the deployments and changes them. Make one with New; it is safe for
// concurrent use.
type Keeper struct {
	o    Options
	kick chan struct{}

	mu  sync.Mutex
	all []*kept
}

// kept is a deployment with what is known of it. The Keeper's lock guards all but the
// name and the reference, which never change.
type kept struct {
	name    string
	ref     Ref
	set     Deployment // by the configuration
	now     Object
	known   bool
	wish    Wish
	trouble string
	kind    string // of the trouble

	asked    int64 // the size of the change under way; 0: none
	approved int64 // by a person; 0: none
	refused  string
	wait     time.Duration
	again    time.Time
	said     string // the last line of log
}

// New makes a Keeper. Before Run it reads and changes nothing.
func New(o Options) *Keeper {
	if o.Every == 0 {
		o.Every = lookEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Quotas == nil {
		o.Quotas = func() *quota.Book { return &quota.Book{} }
	}
	k := &Keeper{o: o, kick: make(chan struct{}, 1)}
	k.Configure(o.Deployments)
	return k
}

// Configure replaces the deployments. What is known of those that stay, stays, and is
// told again.
func (k *Keeper) Configure(ds []Deployment) {
	again := map[string]Object{}
	k.mu.Lock()
	old := k.all
	k.all = nil
	for _, d := range ds {
		x := &kept{name: d.Name, ref: d.Ref}
		if i := slices.IndexFunc(old, func(was *kept) bool { return was.name == d.Name && was.ref == d.Ref }); i >= 0 {
			x = old[i] // a change of it may be under way
			if x.known {
				again[d.Name] = x.now
			}
		}
		x.set = d
		k.all = append(k.all, x)
	}
	k.mu.Unlock()
	for name, o := range again {
		k.changed(name, o)
	}
	k.wake()
}

func (k *Keeper) changed(deployment string, o Object) {
	if k.o.Changed != nil {
		k.o.Changed(deployment, o)
	}
}

func (k *Keeper) wake() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// Run looks at once, at every interval, and when it is told of a change, until ctx
// ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.o.Every)
	defer tick.Stop()
	for {
		k.Step(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-k.kick:
		}
	}
}

// Step looks at every deployment once, and changes what is due.
func (k *Keeper) Step(ctx context.Context) {
	k.mu.Lock()
	all := append([]*kept(nil), k.all...)
	k.mu.Unlock()
	for _, x := range all {
		if ctx.Err() == nil {
			k.step(ctx, x)
		}
	}
}

// step is one deployment's turn. Only Step's goroutine calls Azure; the lock is not
// held meanwhile.
func (k *Keeper) step(ctx context.Context, x *kept) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	o, err := k.look(ctx, x)
	k.mu.Lock()
	if err != nil {
		trouble := "cannot be read: " + k.o.Client.account.Reason(err)
		t, _ := k.o.Client.account.Explain(err)
		kind := fmt.Sprint(t.Status, t.Code) // the text of a 429 counts seconds
		first := x.kind != kind
		x.trouble, x.kind = trouble, kind
		if t.Status == http.StatusNotFound {
			x.forget()
		}
		k.mu.Unlock()
		if first {
			k.o.Log.Warn("the deployment's size and limits cannot be read; those last read count, or else those of the file", "deployment", x.name, "error", trouble)
		}
		return
	}
	o = o.serving(x.now.Capacity)
	x.trouble, x.kind, x.now, x.known = "", "", o, true
	to := k.due(x)
	k.mu.Unlock()
	k.changed(x.name, o)
	if to > 0 {
		k.change(ctx, x, o, to)
	}
	k.tell(x)
}

// forget forgets an object that is gone, but not where it was.
func (x *kept) forget() {
	x.now, x.known, x.wish = Object{Units: quota.Units{Location: x.now.Location}}, false, Wish{}
	x.asked = 0
	x.rest()
}

// rest ends what was pending: no change is wanted.
func (x *kept) rest() {
	x.approved, x.refused, x.wait, x.again = 0, "", 0, time.Time{}
}

func (k *Keeper) look(ctx context.Context, x *kept) (Object, error) {
	o, err := k.o.Client.Read(ctx, x.ref)
	if err != nil {
		return o, err
	}
	k.mu.Lock()
	o.Location = x.now.Location
	k.mu.Unlock()
	if o.Location == "" { // it never changes
		o.Location, err = k.o.Client.Location(ctx, x.ref)
	}
	return o, err
}

// due is the size to ask for now; 0: none. The lock is held.
func (k *Keeper) due(x *kept) int64 {
	o, now := x.now, k.o.Now()
	if x.set.Resize == Never {
		x.wish, x.asked = Wish{Units: o.Capacity}, 0
		x.rest()
		return 0
	}
	if !o.Settled() {
		return 0
	}
	if x.asked > 0 && o.Capacity != x.asked {
		k.refuse(x, "Azure accepted the change and did not make it ("+o.State+")")
	}
	x.asked = 0
	x.wish = x.set.wish(o, k.o.Quotas(), now)
	to := x.wish.Units
	if to == o.Capacity {
		x.rest()
		return 0
	}
	if x.approved != to || !k.leads() { // it was for another size, or for another term
		x.approved = 0
	}
	if x.approved == 0 && !x.set.Resize.does(o.Capacity, to) || now.Before(x.again) || !k.leads() {
		return 0
	}
	return to
}

func (k *Keeper) leads() bool { return k.o.Leads == nil || k.o.Leads() }

// refuse notes a change that was not made. The lock is held.
func (k *Keeper) refuse(x *kept, why string) {
	x.refused, x.asked = why, 0
	x.wait = min(max(2*x.wait, firstWait), longest)
	x.again = k.o.Now().Add(x.wait)
}

func (k *Keeper) change(ctx context.Context, x *kept, o Object, to int64) {
	k.mu.Lock()
	why := x.wish.Why
	k.mu.Unlock()
	k.o.Log.Info("resizing a deployment of Azure OpenAI", "deployment", x.name, "from", o.Capacity, "to", to, "why", why)
	err := k.o.Client.resize(ctx, x.ref, o.SKU, to)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		x.asked, x.approved = to, 0
		return
	}
	t, answered := k.o.Client.account.Explain(err)
	if answered && t.Status == http.StatusConflict && !short(t.Code) { // another operation runs: no refusal
		x.refused, x.wait, x.again = "", 0, k.o.Now()
	} else {
		k.refuse(x, k.o.Client.account.Reason(err))
		if answered && t.Status < 500 && t.Status != http.StatusTooManyRequests {
			x.approved = 0 // of a change that may yet be made it holds
		}
	}
	if t.RetryAfter > 0 {
		x.again = k.o.Now().Add(t.RetryAfter)
	}
}

// short says whether a code is about stock or quota, and not about another operation.
func short(code string) bool {
	code = strings.ToLower(code)
	return strings.Contains(code, "capacity") || strings.Contains(code, "quota")
}

// tell logs what changed for a person.
func (k *Keeper) tell(x *kept) {
	k.mu.Lock()
	v, wish := x.view(), x.wish
	k.mu.Unlock()
	line := ""
	switch {
	case v.Refused != "":
		line = fmt.Sprintf("Azure did not resize it; it stays at %d: %s", v.Units, v.Refused)
	case v.Proposed > 0:
		line = fmt.Sprintf("%d in place of %d are proposed: approve it by POST /admin/capacity", v.Proposed, v.Units)
	case wish.Unfit:
		line = "nothing is changed: " + wish.Why
	case wish.Asked > wish.Units:
		line = fmt.Sprintf("it cannot have more than %d units: %s", wish.Units, wish.Why)
	}
	if line != x.said && line != "" {
		k.o.Log.Warn(line, "deployment", v.Deployment, "why", v.Why)
	}
	x.said = line
}

func (x *kept) view() View {
	v := View{Deployment: x.name, SKU: x.now.SKU, Model: x.now.Model, Location: x.now.Location, State: x.now.State, Units: x.now.Capacity,
		Wanted: x.wish.Units, Why: x.wish.Why, Refused: x.refused, Spillover: x.now.Spillover, Trouble: x.trouble}
	if x.wish.Units != x.now.Capacity && x.known && x.set.Resize != Never && x.asked == 0 && x.approved == 0 && !x.set.Resize.does(x.now.Capacity, x.wish.Units) {
		v.Proposed = x.wish.Units
	}
	if !x.again.IsZero() && x.refused != "" {
		again := x.again
		v.Again = &again
	}
	return v
}

// Views are the deployments, in the order of the file.
func (k *Keeper) Views() []View {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := []View{}
	for _, x := range k.all {
		all = append(all, x.view())
	}
	return all
}

// Approve's errors.
var (
	ErrNothingProposed = errors.New("no change to that size is proposed")
	ErrNotLeading      = errors.New("this gateway is not the leader, which alone changes sizes: send it there; GET /admin/gateways names it")
)

// Approve lets a proposed change be made, if it is still that size. It is tried at once,
// also after a refusal.
func (k *Keeper) Approve(deployment string, units int64) error {
	if !k.leads() {
		return ErrNotLeading
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, x := range k.all {
		if v := x.view(); x.name == deployment && v.Proposed == units && units > 0 {
			x.approved, x.again = units, time.Time{}
			k.wake()
			return nil
		}
	}
	return fmt.Errorf("deployment %q, %d units: %w; GET /admin/capacity lists what is", deployment, units, ErrNothingProposed)
}
