package config

import (
	"fmt"
	"time"
)

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

// UnitSchedule is a size of an Azure OpenAI deployment for certain hours.
type UnitSchedule struct {
	// Days on which it starts. Without it: every day.
	Days []string `yaml:"days" enum:"mon|tue|wed|thu|fri|sat|sun" example:"mon, tue, wed, thu, fri"`
	// Start, local time of time_zone.
	From TimeOfDay `yaml:"from" need:"true" example:"08:00"`
	// End; if earlier than from, on the next day.
	To TimeOfDay `yaml:"to" need:"true" example:"18:00"`
	// PTUs at that time, or thousands of tokens per minute of a standard deployment.
	Units int `yaml:"units" need:"true" min:"1" max:"1000000" example:"150"`
}

// maxUnitSchedules bounds the schedules of one deployment.
const maxUnitSchedules = 64

// resize checks the keys of a deployment whose size Weir may change.
func (v *validator) resize(a *AzureOpenAI, path string) {
	if a.Resize == "" {
		for key, given := range map[string]bool{"schedules": len(a.Schedules) > 0, "budget_per_hour": a.BudgetPerHour > 0} {
			if given {
				v.blame(path+"."+key, "has no effect without resize", "add resize: up, both or ask")
			}
		}
		return
	}
	switch {
	case v.c.Azure == nil:
		v.blame(path+".resize", "needs the subscription", "add azure: {subscription: ID} at the top of the file")
	case a.ResourceGroup == "" && v.c.Azure.ResourceGroup == "":
		v.blame(path+".resize", "needs the resource group", "add azure.resource_group, or resource_group here")
	case a.PTU == 0 && a.TokensPerMinute == 0:
		v.blame(path+".resize", "needs the size outside of the schedules", "add ptu or tokens_per_minute")
	case len(a.Schedules) > maxUnitSchedules:
		v.blame(path+".schedules", fmt.Sprintf("has %d entries, at most %d are allowed", len(a.Schedules), maxUnitSchedules), "join some of them")
	}
	if a.PTU == 0 && a.TokensPerMinute%1000 != 0 {
		v.blame(path+".tokens_per_minute", fmt.Sprintf("%d cannot be the size: Azure counts thousands", a.TokensPerMinute), "write a multiple of 1000")
	}
	if a.PTU == 0 && a.TokensPerMinute > 0 && a.BudgetPerHour > 0 {
		v.blame(path+".budget_per_hour", "has no effect with tokens_per_minute: a standard deployment is not paid by the hour", "remove it")
	}
	for i := range a.Schedules {
		if s := &a.Schedules[i]; s.From == s.To || s.From == TimeOfDay(24*time.Hour) {
			v.blame(fmt.Sprintf("%s.schedules[%d].to", path, i), fmt.Sprintf("from %v to %v is an empty period", s.From, s.To), "a whole day is from 00:00 to 24:00")
		}
	}
}

// Weekdays are the days' own numbers, in the order of the file; nil: every day.
func (s *UnitSchedule) Weekdays() []time.Weekday { return (&Schedule{Days: s.Days}).Weekdays() }

// Location is the zone of the schedules.
func (a *AzureOpenAI) Location() *time.Location { return (&Scaling{TimeZone: a.TimeZone}).Location() }
