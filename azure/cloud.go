package azure

import (
	"fmt"
	"maps"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// sovereign is a cloud of Microsoft's.
type sovereign struct {
	arm cloud.Configuration
	ml  string // audience of tokens for scoring addresses of Azure Machine Learning
}

var clouds = map[string]sovereign{
	"":           {cloud.AzurePublic, "https://ml.azure.com"},
	"public":     {cloud.AzurePublic, "https://ml.azure.com"},
	"china":      {cloud.AzureChina, "https://ml.azure.cn"},
	"government": {cloud.AzureGovernment, "https://ml.azure.us"},
}

// cloudOf is a named cloud with its endpoints replaced.
func cloudOf(name string, e Endpoints) (cloud.Configuration, error) {
	known, ok := clouds[name]
	if !ok {
		return cloud.Configuration{}, fmt.Errorf("azure: cloud %q is not known; want public, china or government", name)
	}
	c := known.arm
	c.Services = maps.Clone(c.Services)
	if e.Authority != "" {
		c.ActiveDirectoryAuthorityHost = strings.TrimSuffix(e.Authority, "/") + "/"
	}
	at := c.Services[cloud.ResourceManager]
	if e.ResourceManager != "" {
		at.Endpoint = strings.TrimSuffix(e.ResourceManager, "/")
	}
	if e.Audience != "" {
		at.Audience = e.Audience
	}
	c.Services[cloud.ResourceManager] = at
	return c, nil
}

// MLScope is the scope of tokens for scoring addresses of Azure Machine Learning
// (azure-ai-ml, _azure_environments.py, AML_RESOURCE_ID).
func (a *Account) MLScope() string { return clouds[a.o.Cloud].ml + "/.default" }

// identity is the credential of the options.
func identity(o Options, c azcore.ClientOptions) (azcore.TokenCredential, error) {
	elsewhere := o.Endpoints.Authority != "" // not one that Microsoft's own discovery knows
	switch o.Identity {
	case "", "default":
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: c, TenantID: o.Tenant, DisableInstanceDiscovery: elsewhere})
	case "secret":
		return azidentity.NewClientSecretCredential(o.Tenant, o.ClientID, o.ClientSecret, &azidentity.ClientSecretCredentialOptions{ClientOptions: c, DisableInstanceDiscovery: elsewhere})
	case "managed_identity":
		m := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: c}
		if o.ClientID != "" {
			m.ID = azidentity.ClientID(o.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(m)
	case "workload_identity":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: c, ClientID: o.ClientID, TenantID: o.Tenant, DisableInstanceDiscovery: elsewhere})
	case "cli":
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: o.Tenant})
	}
	return nil, fmt.Errorf("unknown; want default, managed_identity, workload_identity, cli or secret")
}
