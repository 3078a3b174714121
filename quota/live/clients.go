package live

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/cognitiveservices/armcognitiveservices/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance/armcontainerinstance/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir/azure"
	"weir/quota"
)

// clients are those of the lists.
type clients struct {
	compute    *armcompute.UsageClient
	ml         *armmachinelearning.UsagesClient
	caps       *armmachinelearning.QuotasClient
	sizes      *armmachinelearning.VirtualMachineSizesClient
	workspaces *armmachinelearning.WorkspacesClient
	openai     *armcognitiveservices.UsagesClient
	models     *armcognitiveservices.ModelCapacitiesClient
	accounts   *armcognitiveservices.AccountsClient
	containers *armcontainerinstance.LocationClient
}

func newClients(a *azure.Account) (c clients, err error) {
	s, cred, o := a.Subscription(), a.Credential(), a.Client()
	ml, err := armmachinelearning.NewClientFactory(s, cred, o)
	if err != nil {
		return c, err
	}
	cognitive, err := armcognitiveservices.NewClientFactory(s, cred, o)
	if err != nil {
		return c, err
	}
	c.ml, c.caps, c.sizes, c.workspaces = ml.NewUsagesClient(), ml.NewQuotasClient(), ml.NewVirtualMachineSizesClient(), ml.NewWorkspacesClient()
	c.openai, c.models, c.accounts = cognitive.NewUsagesClient(), cognitive.NewModelCapacitiesClient(), cognitive.NewAccountsClient()
	if c.compute, err = armcompute.NewUsageClient(s, cred, o); err != nil {
		return c, err
	}
	c.containers, err = armcontainerinstance.NewLocationClient(s, cred, o)
	return c, err
}

// location is the region of a workspace or an account.
func (c *clients) location(ctx context.Context, s quota.Service, x Resource) (string, error) {
	if s == quota.ML {
		w, err := c.workspaces.Get(ctx, x.Group, x.Name, nil)
		return of(w.Location), err
	}
	a, err := c.accounts.Get(ctx, x.Group, x.Name, nil)
	return of(a.Location), err
}

func (c *clients) read(ctx context.Context, b *quota.Book, s quota.Service, location string) error {
	switch s {
	case quota.Compute:
		return c.readCompute(ctx, b, location)
	case quota.ML:
		return c.readML(ctx, b, location)
	case quota.OpenAI:
		return c.readOpenAI(ctx, b, location)
	case sizes:
		return c.readSizes(ctx, b, location)
	}
	return c.readContainers(ctx, b, location)
}

func (c *clients) readCompute(ctx context.Context, b *quota.Book, location string) error {
	return each(ctx, c.compute.NewListPager(location, nil), func(p armcompute.UsageClientListResponse) []*armcompute.Usage { return p.Value }, func(u *armcompute.Usage) {
		if u.Name == nil {
			return
		}
		name := of(u.Name.Value)
		unit := of(u.Unit)
		if cores := strings.ToLower(name); strings.HasSuffix(cores, "family") || strings.HasSuffix(cores, "cores") {
			unit = "vCPUs"
		}
		b.Usages = append(b.Usages, quota.Usage{Service: quota.Compute, Location: location, Name: name, Title: titled(name, of(u.Name.LocalizedValue)),
			Unit: unit, Used: int64(of(u.CurrentValue)), Limit: limit(u.Limit)})
	})
}

// readML joins what is used with the caps of workspaces, which have no usage of
// their own.
func (c *clients) readML(ctx context.Context, b *quota.Book, location string) error {
	used := map[[2]string]int64{}
	err := each(ctx, c.ml.NewListPager(location, nil), func(p armmachinelearning.UsagesClientListResponse) []*armmachinelearning.Usage { return p.Value }, func(u *armmachinelearning.Usage) {
		ws := workspaceOf(of(u.ID))
		if u.Name == nil || partOf(of(u.ID)) {
			return // of one cluster or endpoint: a part of the others
		}
		name := of(u.Name.Value)
		if ws != "" {
			used[[2]string{strings.ToLower(ws), name}] = of(u.CurrentValue)
			return
		}
		b.Usages = append(b.Usages, quota.Usage{Service: quota.ML, Location: location, Name: name, Title: titled(name, of(u.Name.LocalizedValue)),
			Unit: "vCPUs", Used: of(u.CurrentValue), Limit: limit(u.Limit)})
	})
	if err != nil {
		return err
	}
	return each(ctx, c.caps.NewListPager(location, nil), func(p armmachinelearning.QuotasClientListResponse) []*armmachinelearning.ResourceQuota {
		return p.Value
	}, func(q *armmachinelearning.ResourceQuota) {
		if ws := workspaceOf(of(q.ID)); ws != "" && q.Name != nil {
			name := of(q.Name.Value)
			b.Usages = append(b.Usages, quota.Usage{Service: quota.ML, Location: location, Workspace: ws, Name: name, Title: titled(name, of(q.Name.LocalizedValue)),
				Unit: "vCPUs", Used: used[[2]string{strings.ToLower(ws), name}], Limit: limit(q.Limit)})
		}
	})
}

func (c *clients) readSizes(ctx context.Context, b *quota.Book, location string) error {
	all, err := c.sizes.List(ctx, location, nil)
	if err != nil {
		return err
	}
	if n := len(all.Value); n > maxRows {
		return fmt.Errorf("the list has %d rows, at most %d are read", n, maxRows)
	}
	for _, s := range all.Value {
		if s != nil {
			b.Kinds = append(b.Kinds, quota.Kind{Name: of(s.Name), Family: of(s.Family), VCPUs: int(of(s.VCPUs))})
		}
	}
	return nil
}

func (c *clients) readOpenAI(ctx context.Context, b *quota.Book, location string) error {
	return each(ctx, c.openai.NewListPager(location, nil), func(p armcognitiveservices.UsagesClientListResponse) []*armcognitiveservices.Usage { return p.Value }, func(u *armcognitiveservices.Usage) {
		if u.Name == nil {
			return
		}
		name := of(u.Name.Value)
		unit := string(of(u.Unit))
		switch low := strings.ToLower(name); {
		case strings.Contains(low, "provisioned"):
			unit = "PTUs"
		case strings.HasPrefix(low, "openai.") && strings.Contains(low, "standard."):
			unit = "thousand tokens a minute"
		}
		b.Usages = append(b.Usages, quota.Usage{Service: quota.OpenAI, Location: location, Name: name, Title: titled(name, of(u.Name.LocalizedValue)),
			Unit: unit, Used: whole(of(u.CurrentValue)), Limit: limit(u.Limit)})
	})
}

func (c *clients) readContainers(ctx context.Context, b *quota.Book, location string) error {
	return each(ctx, c.containers.NewListUsagePager(location, nil), func(p armcontainerinstance.LocationClientListUsageResponse) []*armcontainerinstance.Usage {
		return p.Value
	}, func(u *armcontainerinstance.Usage) {
		if u.Name == nil {
			return
		}
		name := of(u.Name.Value)
		b.Usages = append(b.Usages, quota.Usage{Service: quota.Containers, Location: location, Name: name, Title: titled(name, of(u.Name.LocalizedValue)),
			Unit: of(u.Unit), Used: int64(of(u.CurrentValue)), Limit: limit(u.Limit)})
	})
}

// stock reads what regions have of a model.
func (c *clients) stock(ctx context.Context, b *quota.Book, u quota.Units) error {
	return each(ctx, c.models.NewListPager("OpenAI", u.Model, u.Version, nil), func(p armcognitiveservices.ModelCapacitiesClientListResponse) []*armcognitiveservices.ModelCapacityListResultValueItem {
		return p.Value
	}, func(x *armcognitiveservices.ModelCapacityListResultValueItem) {
		if p := x.Properties; p != nil && p.AvailableCapacity != nil { // without a figure it does not say
			b.Capacities = append(b.Capacities, quota.Capacity{Location: of(x.Location), Model: u.Model, Version: u.Version, SKU: of(p.SKUName), Available: whole(float64(of(p.AvailableCapacity)))})
		}
	})
}

// each reads a list to its end or its bound, which is an error: half a list would
// look like quotas that are not there.
func each[P, T any](ctx context.Context, pager *runtime.Pager[P], rows func(P) []*T, row func(*T)) error {
	n := 0
	for page := 0; pager.More(); page++ {
		p, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		all := rows(p)
		if n += len(all); n > maxRows || page >= maxPages {
			return fmt.Errorf("the list has more than %d rows or %d pages", maxRows, maxPages)
		}
		for _, x := range all {
			if x != nil {
				row(x)
			}
		}
	}
	return nil
}

func of[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// limit is negative where there is none.
func limit[T int32 | int64 | float64](p *T) int64 {
	if p == nil {
		return -1
	}
	return whole(float64(*p))
}

// whole is a figure without its fraction, at most a million million.
func whole(f float64) int64 { return int64(math.Floor(min(f, 1e12) + 1e-6)) }

// titled is the title, if it says more than the name.
func titled(name, title string) string {
	if strings.EqualFold(name, title) {
		return ""
	}
	return title
}

// workspaceOf is the workspace in a resource's ID; "": none.
func workspaceOf(id string) string {
	_, after, _ := strings.Cut(strings.ToLower(id), "/workspaces/")
	if after == "" {
		return ""
	}
	at := len(id) - len(after)
	name, _, _ := strings.Cut(id[at:], "/")
	return name
}

// partOf says whether an ID is of a part of a workspace.
func partOf(id string) bool {
	low := strings.ToLower(id)
	return strings.Contains(low, "/computes/") || strings.Contains(low, "/onlineendpoints/")
}
