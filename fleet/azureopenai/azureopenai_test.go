package azureopenai

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2/fake"

	"weir"
	"weir/azure"
	"weir/quota"
)

// desk is one deployment behind the SDK's own fake server, and a Keeper of it on a
// clock that the test moves.
type desk struct {
	*testing.T
	k *Keeper

	now       time.Time
	units     int32
	current   int32
	state     string
	refuse    string // code of the next change's refusal
	status    int    // of it; 0: 400
	changes   []int32
	unread    bool
	gone      bool
	away      error
	heard     []Object
	follows   bool
	book      quota.Book
	spillover string
	onUpdate  func()
}

// monday is 2026-11-30, a Monday, at a time.
func monday(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", "2026-11-30 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

func opened(t *testing.T, d Deployment) *desk {
	t.Helper()
	k := &desk{T: t, now: monday("06:00"), units: 50, state: "Succeeded"}
	k.k = k.keeper(d)
	return k
}

// keeper is another Weir at the same subscription.
func (k *desk) keeper(d Deployment) *Keeper {
	k.Helper()
	s := fake.ServerFactory{
		AccountsServer: fake.AccountsServer{Get: func(context.Context, string, string, *armcognitiveservices.AccountsClientGetOptions) (resp azfake.Responder[armcognitiveservices.AccountsClientGetResponse], _ azfake.ErrorResponder) {
			resp.SetResponse(http.StatusOK, armcognitiveservices.AccountsClientGetResponse{Account: armcognitiveservices.Account{Location: to.Ptr("swedencentral")}}, nil)
			return resp, azfake.ErrorResponder{}
		}},
		DeploymentsServer: fake.DeploymentsServer{Get: k.get, BeginUpdate: k.update},
	}
	a, err := azure.New(azure.Options{Subscription: "00000000-0000-0000-0000-000000000000", Credential: &azfake.TokenCredential{}, Transport: fake.NewServerFactoryTransport(&s)})
	if err != nil {
		k.Fatal(err)
	}
	c, err := NewClient(a)
	if err != nil {
		k.Fatal(err)
	}
	d.Name, d.Ref = "chat/ptu", Ref{"rg", "contoso", "gpt-4o-ptu"}
	return New(Options{
		Client: c, Deployments: []Deployment{d}, Now: func() time.Time { return k.now },
		Quotas: func() *quota.Book { return &k.book }, Leads: func() bool { return !k.follows },
		Changed: func(_ string, o Object) { k.heard = append(k.heard, o) },
	})
}

func (k *desk) get(context.Context, string, string, string, *armcognitiveservices.DeploymentsClientGetOptions) (resp azfake.Responder[armcognitiveservices.DeploymentsClientGetResponse], fault azfake.ErrorResponder) {
	if k.unread {
		fault.SetResponseError(http.StatusForbidden, "AuthorizationFailed")
		return resp, fault
	}
	if k.away != nil {
		fault.SetError(k.away)
		return resp, fault
	}
	if k.gone {
		fault.SetResponseError(http.StatusNotFound, "DeploymentNotFound")
		return resp, fault
	}
	resp.SetResponse(http.StatusOK, armcognitiveservices.DeploymentsClientGetResponse{Deployment: armcognitiveservices.Deployment{
		SKU: &armcognitiveservices.SKU{Name: to.Ptr("ProvisionedManaged"), Capacity: to.Ptr(k.units)},
		Properties: &armcognitiveservices.DeploymentProperties{
			CurrentCapacity: &k.current, Model: &armcognitiveservices.DeploymentModel{Name: to.Ptr("gpt-4o"), Version: to.Ptr("2024-11-20")}, SpilloverDeploymentName: &k.spillover,
			ProvisioningState: to.Ptr(armcognitiveservices.DeploymentProvisioningState(k.state)),
			RateLimits: []*armcognitiveservices.ThrottlingRule{nil, {Key: to.Ptr("request"), Count: to.Ptr[float32](45), RenewalPeriod: to.Ptr[float32](10)},
				{Key: to.Ptr("token"), Count: to.Ptr[float32](450000), RenewalPeriod: to.Ptr[float32](60)}, {Key: to.Ptr("token"), Count: to.Ptr[float32](1)}},
		},
	}}, nil)
	return resp, fault
}

func (k *desk) update(_ context.Context, _, _, _ string, p armcognitiveservices.PatchResourceTagsAndSKU, _ *armcognitiveservices.DeploymentsClientBeginUpdateOptions) (resp azfake.PollerResponder[armcognitiveservices.DeploymentsClientUpdateResponse], fault azfake.ErrorResponder) {
	k.changes = append(k.changes, *p.SKU.Capacity)
	if k.onUpdate != nil {
		k.onUpdate()
	}
	if *p.SKU.Name != "ProvisionedManaged" {
		k.Errorf("the change names kind %q", *p.SKU.Name)
	}
	if k.refuse != "" {
		fault.SetResponseError(max(k.status, http.StatusBadRequest), k.refuse)
		return resp, fault
	}
	k.units, k.state = *p.SKU.Capacity, "Accepted"
	resp.AddNonTerminalResponse(http.StatusAccepted, nil)
	return resp, fault
}

// at looks at a time and expects the changes asked for since the last look.
func (k *desk) at(clock string, changes ...int32) View {
	k.Helper()
	if k.now = monday(clock); k.state == "Accepted" {
		k.state = "Succeeded"
	}
	k.changes = nil
	k.k.Step(k.Context())
	if len(k.changes) != len(changes) || len(changes) > 0 && k.changes[0] != changes[0] {
		k.Errorf("at %s: changes %v, want %v; %+v", clock, k.changes, changes, k.k.Views())
	}
	return k.k.Views()[0]
}

// office is 50 units, and 150 from 8 to 18 on workdays.
func office(r Resize) Deployment {
	return Deployment{Resize: r, Provisioned: true, Units: 50, Schedules: []Schedule{{Days: []time.Weekday{time.Monday, time.Tuesday}, From: 8 * time.Hour, To: 18 * time.Hour, Units: 150}},
		Steps: func(string) (int64, int64) { return 50, 50 }}
}

func TestNothingChangesWithoutResize(t *testing.T) {
	k := opened(t, office(Never))
	k.spillover = "gpt-4o-std"
	if v := k.at("09:00"); v.Proposed != 0 || v.Units != 50 || v.Spillover != "gpt-4o-std" {
		t.Errorf("%+v", v)
	}
	o := k.heard[0]
	if o.TokensPerMinute != 450000 || o.RequestsPerMinute != 270 || o.Location != "swedencentral" || o.Model != "gpt-4o" || !o.Provisioned() {
		t.Errorf("read %+v", o)
	}
}

func TestUpGrowsAndProposesToShrink(t *testing.T) {
	k := opened(t, office(Up))
	k.at("07:59")
	k.at("08:00", 150)
	k.at("08:01")
	if v := k.at("18:00"); v.Proposed != 50 || v.Units != 150 {
		t.Errorf("%+v", v)
	}
	if err := k.k.Approve("chat/ptu", 100); !errors.Is(err, ErrNothingProposed) {
		t.Errorf("approved a size that is not proposed: %v", err)
	}
	if err := k.k.Approve("chat/ptu", 50); err != nil {
		t.Error(err)
	}
	k.at("18:01", 50)
	if v := k.at("18:02"); v.Proposed != 0 || v.Units != 50 {
		t.Errorf("%+v", v)
	}
}

// What was approved for one hour is not done in another.
func TestAnApprovalIsForOneSize(t *testing.T) {
	k := opened(t, office(Ask))
	k.at("08:00")
	if err := k.k.Approve("chat/ptu", 150); err != nil {
		t.Fatal(err)
	}
	k.follows = true
	k.at("08:01") // another gateway leads
	k.follows = false
	k.at("18:00")
	if v := k.at("08:02"); v.Proposed != 150 {
		t.Errorf("%+v", v)
	}
}

// The gateway hears of units when they are there: not while they are being added, and at
// once when they are being taken away. A Weir that starts meanwhile goes by what Azure
// says is there.
func TestUnitsCountWhenTheyAreThere(t *testing.T) {
	k := opened(t, office(Both))
	heard := func(want int64) {
		t.Helper()
		if have := k.heard[len(k.heard)-1].Capacity; have != want {
			t.Errorf("the gateway hears of %d units, want %d", have, want)
		}
	}
	k.at("08:00", 150)
	k.state = "Updating"
	k.at("08:01")
	heard(50)
	k.current = 50
	k.k = k.keeper(office(Both))
	k.at("08:02")
	heard(50)
	k.state, k.current = "Succeeded", 150
	k.at("08:03")
	heard(150)
	k.at("18:00", 50)
	k.state = "Updating"
	k.at("18:01")
	heard(50)
}

func TestBothShrinksToo(t *testing.T) {
	k := opened(t, office(Both))
	k.at("08:00", 150)
	k.at("17:59")
	k.at("18:00", 50)
}

// A refusal keeps the old size, says why, and is not repeated before its wait, which
// doubles; then it is asked again.
func TestARefusalForStockKeepsTheSize(t *testing.T) {
	k := opened(t, office(Up))
	k.refuse = "InsufficientCapacity"
	k.at("08:00", 150)
	if v := k.at("08:01"); v.Units != 50 || v.Refused != "400 InsufficientCapacity" || v.Again == nil || !v.Again.Equal(monday("08:02")) {
		t.Errorf("%+v", v)
	}
	k.at("08:02", 150)
	k.at("08:05")
	k.refuse = ""
	k.at("08:06", 150)
	if v := k.at("08:07"); v.Units != 150 || v.Refused != "" {
		t.Errorf("%+v", v)
	}
}

// One that Azure accepts and then does not make is a refusal too.
func TestAChangeThatFailsLaterIsARefusal(t *testing.T) {
	k := opened(t, office(Up))
	k.at("08:00", 150)
	k.units, k.state = 50, "Failed"
	if v := k.at("08:01"); v.Units != 50 || !strings.Contains(v.Refused, "did not make it (Failed)") {
		t.Errorf("%+v", v)
	}
}

// The units of a change that failed have not come, also where the object shows the size
// that was asked for.
func TestUnitsOfAFailedChangeDoNotCount(t *testing.T) {
	k := opened(t, office(Up))
	k.at("08:00", 150)
	k.state = "Failed"
	if v := k.at("08:01"); v.Units != 50 || !strings.Contains(v.Refused, "(Failed)") || k.heard[len(k.heard)-1].Capacity != 50 {
		t.Errorf("%+v, the gateway hears of %+v", v, k.heard)
	}
	k.state, k.current = "Failed", 100
	k.k = k.keeper(office(Up)) // another Weir
	if v := k.at("08:02", 150); v.Units != 100 {
		t.Errorf("after a restart: %+v", v)
	}
}

// What was refused is forgotten with the wish: the next one waits as the first did.
func TestARefusalEndsWithItsWish(t *testing.T) {
	k := opened(t, office(Up))
	k.refuse = "InsufficientCapacity"
	k.at("08:00", 150)
	k.at("08:02", 150)
	k.at("08:06", 150)
	if v := k.at("18:00"); v.Refused != "" || v.Again != nil {
		t.Errorf("after the schedule: %+v", v)
	}
	k.at("08:30", 150)
	if v := k.at("08:31"); v.Again == nil || !v.Again.Equal(monday("08:32")) {
		t.Errorf("on the next day: %+v", v)
	}
}

// Stock and quota are refusals under any status.
func TestAConflictAboutStockIsARefusal(t *testing.T) {
	k := opened(t, office(Up))
	k.refuse, k.status = "InsufficientCapacity", http.StatusConflict
	k.at("08:00", 150)
	if v := k.at("08:01"); v.Refused != "409 InsufficientCapacity" {
		t.Errorf("%+v", v)
	}
}

// An approval outlives another operation, and no change that was made: the same size is
// proposed again.
func TestAnApprovalIsForOneChange(t *testing.T) {
	k := opened(t, office(Ask))
	k.at("08:00")
	k.refuse, k.status = "RequestConflict", http.StatusConflict
	if err := k.k.Approve("chat/ptu", 150); err != nil {
		t.Fatal(err)
	}
	k.at("08:01", 150)
	k.refuse = ""
	k.at("08:02", 150)
	k.at("08:03")
	k.units = 50 // by another
	if v := k.at("08:04"); v.Proposed != 150 {
		t.Errorf("%+v", v)
	}
	if err := k.k.Approve("chat/ptu", 150); err != nil {
		t.Fatal(err)
	}
	k.units = 150 // by another, before Weir
	k.at("08:05")
	k.units = 50
	if v := k.at("08:06"); v.Proposed != 150 {
		t.Errorf("%+v", v)
	}
}

// A refused size that a person approves is tried at once.
func TestAnApprovalDoesNotWait(t *testing.T) {
	k := opened(t, office(Ask))
	k.at("08:00")
	k.refuse = "InsufficientCapacity"
	for range 2 {
		if err := k.k.Approve("chat/ptu", 150); err != nil {
			t.Fatal(err)
		}
		k.at("08:01", 150)
	}
}

// Only the leader takes approvals, and what it took ends with its term.
func TestAFollowerTakesNoApproval(t *testing.T) {
	k := opened(t, office(Ask))
	k.follows = true
	k.at("08:00")
	if err := k.k.Approve("chat/ptu", 150); !errors.Is(err, ErrNotLeading) {
		t.Errorf("a follower says %v", err)
	}
	k.follows = false
	if err := k.k.Approve("chat/ptu", 150); err != nil {
		t.Fatal(err)
	}
	k.follows = true
	k.at("08:01")
	k.follows = false
	if v := k.at("08:02"); v.Proposed != 150 {
		t.Errorf("in its next term: %+v", v)
	}
}

// The file counts tokens and Azure has PTUs, or the other way round: nothing is changed.
func TestOtherUnitsAreNotChanged(t *testing.T) {
	d := office(Both)
	d.Provisioned, d.Units = false, 450
	k := opened(t, d)
	if v := k.at("09:00"); v.Units != 50 || v.Wanted != 50 || !strings.Contains(v.Why, "whose units are PTUs") {
		t.Errorf("%+v", v)
	}
	if w := office(Both); !w.wish(Object{Units: quota.Units{SKU: "GlobalStandard"}, Capacity: 450}, &quota.Book{}, monday("09:00")).Unfit {
		t.Error("PTUs of a standard deployment")
	}
}

// The same trouble is logged once, though its text counts seconds.
func TestTroubleIsLoggedOnce(t *testing.T) {
	k := opened(t, office(Both))
	var log bytes.Buffer
	k.k.o.Log = slog.New(slog.NewTextHandler(&log, nil))
	for _, text := range []string{"try again in 21 s", "try again in 9 s"} {
		k.away = errors.New(text)
		if v := k.at("09:00"); v.Trouble != "cannot be read: "+text {
			t.Errorf("%+v", v)
		}
	}
	if n := strings.Count(log.String(), "cannot be read;"); n != 1 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
}

// A deployment that was deleted has no size. One that comes back begins again.
func TestADeletedDeploymentIsForgotten(t *testing.T) {
	k := opened(t, office(Both))
	k.at("08:00", 150)
	k.gone = true
	if v := k.at("08:01"); v.Units != 0 || v.SKU != "" || v.Proposed != 0 || v.Trouble != "cannot be read: 404 DeploymentNotFound" {
		t.Errorf("%+v", v)
	}
	k.gone, k.units = false, 50
	if v := k.at("08:02", 150); v.Refused != "" {
		t.Errorf("%+v", v)
	}
}

// An object without a size sets none: no size would be no limit.
func TestAnObjectWithoutASizeIsNotRead(t *testing.T) {
	k := opened(t, office(Both))
	k.units = 0
	if v := k.at("09:00"); !strings.Contains(v.Trouble, "has no size") || len(k.heard) > 0 {
		t.Errorf("%+v, heard %v", v, k.heard)
	}
}

// A reload in the middle of a change knows of it, and the gateway, which has the file's
// size again, hears Azure's at once.
func TestAReloadInTheMiddleOfAChange(t *testing.T) {
	k := opened(t, office(Up))
	k.onUpdate = func() {
		d := office(Up)
		d.Name, d.Ref = "chat/ptu", Ref{"rg", "contoso", "gpt-4o-ptu"}
		k.heard = nil
		k.k.Configure([]Deployment{d})
		if len(k.heard) != 1 || k.heard[0].Capacity != 50 {
			t.Errorf("the gateway hears %+v", k.heard)
		}
	}
	k.at("08:00", 150)
	k.units, k.state = 50, "Failed"
	if v := k.at("08:01"); !strings.Contains(v.Refused, "did not make it") {
		t.Errorf("%+v", v)
	}
}

// While a change runs, none is asked for, by this Weir or one that starts meanwhile; and
// 409 is no refusal.
func TestASecondOperationWaits(t *testing.T) {
	k := opened(t, office(Both))
	k.at("08:00", 150)
	k.state = "Updating"
	k.k = k.keeper(office(Both)) // Weir was killed and starts again
	k.at("18:00")
	k.state = "Succeeded"
	k.refuse, k.status = "RequestConflict", http.StatusConflict
	k.at("18:01", 50)
	if v := k.k.Views()[0]; v.Refused != "" {
		t.Errorf("409 is a refusal: %+v", v)
	}
	k.refuse = ""
	k.at("18:02", 50)
}

func TestBoundsStopGrowthAndSayWhy(t *testing.T) {
	use := func(limit, used int64) []quota.Usage {
		return []quota.Usage{{Service: quota.OpenAI, Location: "swedencentral", Name: "OpenAI.ProvisionedManaged", Unit: "PTUs", Used: used, Limit: limit}}
	}
	f := func(name string, change func(*Deployment, *quota.Book), want int64, why string) {
		t.Helper()
		d, b := office(Both), quota.Book{}
		change(&d, &b)
		o := Object{Units: quota.Units{SKU: "ProvisionedManaged", Model: "gpt-4o", Location: "swedencentral"}, Capacity: 50}
		if w := d.wish(o, &b, monday("09:00")); w.Units != want || !strings.Contains(w.Why, why) {
			t.Errorf("%s: %d because %q, want %d because %q", name, w.Units, w.Why, want, why)
		}
	}
	two := func(string, string) weir.Money { return 2 * weir.Dollar }
	f("nothing", func(*Deployment, *quota.Book) {}, 150, "schedules[0]")
	f("quota", func(_ *Deployment, b *quota.Book) { b.Usages = use(130, 50) }, 100, "request 20 more, a limit of 150")
	f("no quota at all", func(_ *Deployment, b *quota.Book) { b.Usages = use(50, 70) }, 50, "quota: ")
	f("stock", func(_ *Deployment, b *quota.Book) {
		b.Capacities = []quota.Capacity{{Location: "swedencentral", Model: "gpt-4o", SKU: "ProvisionedManaged", Available: 60}}
	}, 100, "has 60 more than the 50")
	f("money", func(d *Deployment, _ *quota.Book) { d.Price, d.Budget = two, 210*weir.Dollar }, 100, "pay for 105")
	f("steps", func(d *Deployment, _ *quota.Book) { d.Schedules[0].Units = 101 }, 150, "in steps of 50")
	f("a budget without a price", func(d *Deployment, _ *quota.Book) { d.Budget = 300 * weir.Dollar }, 50, "no price of ProvisionedManaged in swedencentral is known")
	f("money for less than the least", func(d *Deployment, _ *quota.Book) {
		d.Steps = func(string) (int64, int64) { return 100, 50 }
		d.Price, d.Budget = two, 160*weir.Dollar
	}, 50, "pay for 80")
	f("money below what there is", func(d *Deployment, _ *quota.Book) { d.Price, d.Budget = two, 10*weir.Dollar }, 50, "pay for 5")
}

// A schedule may end on the next day, and the highest of several counts.
func TestSchedulesApply(t *testing.T) {
	d := Deployment{Units: 10, Schedules: []Schedule{
		{Days: []time.Weekday{time.Sunday}, From: 22 * time.Hour, To: 6 * time.Hour, Units: 5},
		{From: 5 * time.Hour, To: 24 * time.Hour, Units: 20},
	}}
	for clock, want := range map[string]int64{"00:00": 5, "04:59": 5, "05:00": 20, "05:59": 20, "06:00": 20, "23:59": 20} {
		if w := d.wish(Object{Capacity: 1}, &quota.Book{}, monday(clock)); w.Units != want {
			t.Errorf("at %s: %d, want %d", clock, w.Units, want)
		}
	}
	d.Schedules = d.Schedules[:1]
	if w := d.wish(Object{Capacity: 1}, &quota.Book{}, monday("22:00")); w.Units != 10 {
		t.Errorf("on Monday at 22:00: %d", w.Units)
	}
}

// An object that cannot be read changes nothing, and is told.
func TestAnObjectThatCannotBeReadIsNamed(t *testing.T) {
	k := opened(t, office(Both))
	k.unread = true
	if v := k.at("09:00"); v.Trouble != "cannot be read: 403 AuthorizationFailed" || len(k.heard) > 0 {
		t.Errorf("%+v, heard %v", v, k.heard)
	}
	k.unread = false
	if v := k.at("09:01", 150); v.Trouble != "" {
		t.Errorf("%+v", v)
	}
}
