package wire

import (
	"weir/azure"
	"weir/config"
)

// AzureAccount is the access to the subscription of a configuration; nil: it names
// none. It sends no request.
func AzureAccount(c *config.Config) (*azure.Account, error) {
	if c.Azure == nil {
		return nil, nil
	}
	return azure.New(accountOptions(c))
}

func accountOptions(c *config.Config) azure.Options {
	a := c.Azure
	if a == nil {
		return azure.Options{}
	}
	o := azure.Options{
		Subscription: a.Subscription, ResourceGroup: a.ResourceGroup,
		Identity: a.Identity, Tenant: a.Tenant, ClientID: a.ClientID, ClientSecret: a.ClientSecret.Reveal(), Cloud: a.Cloud,
	}
	if e := a.Endpoints; e != nil {
		o.Endpoints = azure.Endpoints{Authority: e.Authority, ResourceManager: e.ResourceManager, Audience: e.Audience, CAFile: e.CA}
	}
	return o
}
