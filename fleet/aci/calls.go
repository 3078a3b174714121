package aci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ci "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance/armcontainerinstance/v2"

	"weir/azure"
)

// calls are the requests to Azure Resource Manager, all that this package makes.
type calls struct {
	account    *azure.Account
	groups     *ci.ContainerGroupsClient
	containers *ci.ContainersClient
}

func newCalls(a *azure.Account) (*calls, error) {
	if a == nil {
		return nil, errors.New("aci: the file names no subscription: add azure: {subscription: ...}")
	}
	c := &calls{account: a}
	var err [2]error
	c.groups, err[0] = ci.NewContainerGroupsClient(a.Subscription(), a.Credential(), a.Client())
	c.containers, err[1] = ci.NewContainersClient(a.Subscription(), a.Credential(), a.Client())
	return c, errors.Join(err[:]...)
}

// view is what Azure says of a group.
type view struct {
	name  string
	state string // provisioningState
	addr  string // base of its requests; "": not known yet
	mark  mark
	ended bool   // its container has ended, or was stopped
	said  string // how
}

// Bounds of a list.
const maxPages = 20

// list are the groups of a resource group: this deployment's own, and the names of all.
// It says nothing of their containers (view.ended): Azure's list does not.
func (c *calls) list(ctx context.Context, d *Deployment) (own map[string]view, names map[string]mark, err error) {
	own, names = map[string]view{}, map[string]mark{}
	pages := c.groups.NewListByResourceGroupPager(d.ResourceGroup, nil)
	for n := 0; pages.More(); n++ {
		if n == maxPages {
			return nil, nil, fmt.Errorf("resource group %s has more than %d pages of container groups: give Weir's a resource group of their own", d.ResourceGroup, maxPages)
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, item := range page.Value {
			if item == nil || item.Name == nil {
				continue
			}
			m := markOf(item.Tags)
			names[*item.Name] = m
			if m.of(d) {
				own[*item.Name] = viewOf(*item.Name, m, item.Properties)
			}
		}
	}
	return own, names, nil
}

// get is one group with the state of its container; false: it is not there.
func (c *calls) get(ctx context.Context, d *Deployment, name string) (view, bool, error) {
	r, err := c.groups.Get(ctx, d.ResourceGroup, name, nil)
	if status(err) == http.StatusNotFound {
		return view{}, false, nil
	}
	if err != nil {
		return view{}, false, err
	}
	return viewOf(name, markOf(r.Tags), r.Properties), true, nil
}

func viewOf(name string, m mark, p *ci.ContainerGroupPropertiesProperties) view {
	v := view{name: name, mark: m}
	if p == nil {
		return v
	}
	v.state = deref(p.ProvisioningState)
	if a := p.IPAddress; a != nil && deref(a.IP) != "" && len(a.Ports) > 0 && a.Ports[0] != nil {
		v.addr = fmt.Sprintf("http://%s:%d", *a.IP, deref(a.Ports[0].Port))
	}
	if i := p.InstanceView; i != nil {
		switch s := deref(i.State); s {
		case "Succeeded", "Failed", "Stopped":
			v.ended, v.said = true, "its group is "+s
		}
	}
	if len(p.Containers) > 0 && p.Containers[0] != nil && p.Containers[0].Properties != nil {
		v.container(p.Containers[0].Properties.InstanceView)
	}
	return v
}

// container reads the end of the group's container.
func (v *view) container(i *ci.ContainerPropertiesInstanceView) {
	if i == nil || i.CurrentState == nil || deref(i.CurrentState.State) != "Terminated" {
		return
	}
	v.ended = true
	v.said = fmt.Sprintf("its container ended with exit code %d", deref(i.CurrentState.ExitCode))
	if detail := deref(i.CurrentState.DetailStatus); detail != "" {
		v.said += " (" + detail + ")"
	}
}

// outcome asks how a creation ended that Azure has carried out; nil: well, or it cannot
// be said.
type outcome func(ctx context.Context) error

// put makes a group. It returns as soon as Azure has accepted it.
func (c *calls) put(ctx context.Context, d *Deployment, name string, m mark) (outcome, error) {
	p, err := c.groups.BeginCreateOrUpdate(ctx, d.ResourceGroup, name, d.body(m), nil)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if !p.Done() {
			if _, err := p.Poll(ctx); err != nil {
				return nil
			}
		}
		if !p.Done() {
			return nil
		}
		_, err := p.Result(ctx)
		return err
	}, nil
}

// tag writes the tags of a group, all of them.
func (c *calls) tag(ctx context.Context, d *Deployment, name string, m mark) error {
	_, err := c.groups.Update(ctx, d.ResourceGroup, name, ci.Resource{Tags: m.tags()}, nil)
	return err
}

// remove deletes a group. That it is not there is no error.
func (c *calls) remove(ctx context.Context, d *Deployment, name string) error {
	_, err := c.groups.BeginDelete(ctx, d.ResourceGroup, name, nil)
	if status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// logLines bounds what is asked of a container's log, logText what is kept, logWithin
// how long it may take.
const (
	logLines  = 20
	logText   = 1000
	logWithin = 10 * time.Second
)

// logs is the end of the log of a group's container, on one line and without secrets;
// "": none.
func (c *calls) logs(ctx context.Context, d *Deployment, name string) string {
	ctx, cancel := context.WithTimeout(ctx, logWithin)
	defer cancel()
	r, err := c.containers.ListLogs(ctx, d.ResourceGroup, name, container, &ci.ContainersClientListLogsOptions{Tail: to.Ptr(int32(logLines))})
	if err != nil {
		return ""
	}
	return tail(c.account.Redact(d.hide(deref(r.Content))), logText)
}

// tail is the end of a text, on one line, of at most n characters.
func tail(text string, n int) string {
	line := []rune(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " | "))
	if len(line) > n {
		return "..." + string(line[len(line)-n:])
	}
	return string(line)
}

// status is the HTTP status of Azure's answer; 0: none.
func status(err error) int {
	var r *azcore.ResponseError
	if errors.As(err, &r) {
		return r.StatusCode
	}
	return 0
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
