package config

// Azure is the access to one subscription, for the deployments that name a
// resource of it.
type Azure struct {
	// ID of the subscription.
	Subscription string `yaml:"subscription" need:"true" format:"uuid" example:"00000000-0000-0000-0000-000000000000"`
	// Resource group of the resources that name none.
	ResourceGroup string `yaml:"resource_group" format:"name" example:"models-swedencentral"`
	// Which identity asks. default: environment variables, workload identity, managed identity and the developer's tools in turn. secret: client_id with client_secret in tenant.
	Identity string `yaml:"identity" default:"default" enum:"default|managed_identity|workload_identity|cli|secret"`
	// ID of the Entra tenant. Without it: the identity's own.
	Tenant string `yaml:"tenant" format:"uuid" example:"00000000-0000-0000-0000-000000000000"`
	// Client ID of a user-assigned managed identity, of a workload identity, or of the application whose secret is given.
	ClientID string `yaml:"client_id" format:"uuid" example:"00000000-0000-0000-0000-000000000000"`
	// Secret of the application.
	ClientSecret Secret `yaml:"client_secret"`
	// Microsoft's cloud.
	Cloud string `yaml:"cloud" default:"public" enum:"public|china|government"`
	// Endpoints in the place of the cloud's own: a proxy, a private cloud, an emulator.
	Endpoints *AzureEndpoints `yaml:"endpoints"`
}

// AzureEndpoints replace those of the cloud, one by one.
type AzureEndpoints struct {
	// Entra ID, https://.
	Authority string `yaml:"authority" format:"endpoint" example:"https://login.microsoftonline.com"`
	// Azure Resource Manager, https://.
	ResourceManager string `yaml:"resource_manager" format:"endpoint" example:"https://management.azure.com"`
	// Audience of the tokens for it.
	Audience string `yaml:"audience" format:"endpoint" example:"https://management.azure.com"`
	// File with CA certificates, PEM, that are trusted besides the system's.
	CA string `yaml:"ca" format:"path" example:"/etc/weir/azure-ca.pem"`
}

// account checks keys of azure that belong together.
func (v *validator) account() {
	a := v.c.Azure
	if a == nil || v.badUnder("azure") {
		return
	}
	secret := a.Identity == "secret"
	switch {
	case secret && !a.ClientSecret.Set():
		v.blame("azure.identity", "is secret, but client_secret is missing", "add client_secret: env:NAME")
	case secret && (a.ClientID == "" || a.Tenant == ""):
		v.blame("azure.identity", "is secret, which needs client_id and tenant", "add the two IDs of the application")
	case !secret && a.ClientSecret.Set():
		v.blame("azure.client_secret", "has no effect with identity: "+a.Identity, "write identity: secret, or remove it")
	case a.ClientID != "" && !secret && a.Identity != "managed_identity" && a.Identity != "workload_identity":
		v.blame("azure.client_id", "has no effect with identity: "+a.Identity, "it belongs to managed_identity, workload_identity or secret")
	}
	if e := a.Endpoints; e != nil {
		for key, at := range map[string]string{"authority": e.Authority, "resource_manager": e.ResourceManager} {
			if at != "" && at[:min(len(at), len("https://"))] != "https://" {
				v.blame("azure.endpoints."+key, quote(at)+" would send tokens unencrypted", "write https://")
			}
		}
	}
}
