package aci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Finding is what is wrong with a deployment, or doubtful.
type Finding struct {
	Deployment string
	Doubt      bool // it can be scaled all the same
	Err        error
}

// Valid says whether New and Configure would take the options. It asks nothing.
func Valid(o Options) error {
	_, err := filled(o.Deployments)
	if err == nil && len(o.Deployments) > 0 && o.Account == nil {
		_, err = newCalls(nil)
	}
	return err
}

// Examine asks Azure what New cannot know: whether Weir may read the groups, and which
// of its own belong to no deployment. It changes nothing. The error is that the options
// are wrong.
func Examine(ctx context.Context, o Options) ([]Finding, error) {
	ds, err := filled(o.Deployments)
	if err != nil || len(ds) == 0 {
		return nil, err
	}
	c, err := newCalls(o.Account)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for i := range ds {
		d := &ds[i]
		own, all, err := c.list(ctx, d)
		switch {
		case status(err) == http.StatusForbidden:
			found = append(found, Finding{d.Name, false, d.fault("the groups of resource group %s cannot be read: Weir's identity lacks Microsoft.ContainerInstance/containerGroups/read", d.ResourceGroup)})
			continue
		case err != nil:
			found = append(found, Finding{d.Name, false, d.fault("the groups of resource group %s: %s", d.ResourceGroup, c.account.Reason(err))})
			continue
		}
		if lost := strays(ds, d, all); len(lost) > 0 {
			found = append(found, Finding{d.Name, true, d.fault("owner %q has groups of no deployment of the file, which cost money: %s; delete them if no other Weir has them", d.Owner, strings.Join(lost, ", "))})
		}
		if len(own) > d.MaxReplicas {
			found = append(found, Finding{d.Name, true, d.fault("%d groups are there, and scaling.max is %d", len(own), d.MaxReplicas)})
		}
	}
	return found, nil
}

// straysNamed bounds the names in one finding.
const straysNamed = 5

// strays are the groups of d's owner in its resource group that no deployment has. Of
// several deployments of one owner there the first names them.
func strays(ds []Deployment, d *Deployment, all map[string]mark) (names []string) {
	first := slices.IndexFunc(ds, func(x Deployment) bool { return x.ResourceGroup == d.ResourceGroup && x.Owner == d.Owner })
	if ds[first].Name != d.Name {
		return nil
	}
	for name, m := range all {
		if m.owner == d.Owner && !slices.ContainsFunc(ds, func(x Deployment) bool { return m.of(&x) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if more := len(names) - straysNamed; more > 0 {
		names = append(names[:straysNamed], fmt.Sprintf("and %d more", more))
	}
	return names
}

// Trim is a finding's text without the deployment's name before it.
func (f Finding) Trim() string {
	return strings.TrimPrefix(f.Err.Error(), (&Deployment{Name: f.Deployment}).fault("%w", errors.New("")).Error())
}
