package price

import (
	"cmp"
	"slices"
)

// Service is the properties of an Azure service that a plan needs.
type Service struct {
	Name         string `yaml:"name"`
	What         string `yaml:"what"`
	Source       string `yaml:"source"`
	GPU          bool   `yaml:"gpu"`
	QuotaFactor  Figure `yaml:"quota_factor"`  // vCPUs of quota per vCPU used
	MinInstances Figure `yaml:"min_instances"` // fewest it keeps running
	MaxTimeoutS  Figure `yaml:"max_timeout_s"` // of one request, seconds
}

func (s *Service) keys() []string { return []string{s.Name} }

// Retail is how the Azure Retail Prices API prices a service.
type Retail string

const (
	RetailVM        Retail = "vm_prices"  // by the price of its VM size
	RetailNotMapped Retail = "not_mapped" // its meters are unknown
)

func (r Retail) valid() bool { return r == RetailVM || r == RetailNotMapped }

// OnlineEndpoint is the managed online endpoint of Azure Machine Learning, with
// the default limits of a subscription in one region. The other properties a
// plan needs are in the Service of the same name.
type OnlineEndpoint struct {
	Name                   string `yaml:"name"`
	Source                 string `yaml:"source"`
	Endpoints              Figure `yaml:"endpoints"`   // in a region, with batch endpoints
	Deployments            Figure `yaml:"deployments"` // in a region, with those of batch endpoints
	DeploymentsPerEndpoint Figure `yaml:"deployments_per_endpoint"`
	InstancesPerDeployment Figure `yaml:"instances_per_deployment"`

	// Of all deployments of one endpoint together.
	RequestsPerS      Figure `yaml:"requests_per_s"`
	ConnectionsPerS   Figure `yaml:"connections_per_s"`
	ActiveConnections Figure `yaml:"active_connections"`
	BandwidthMB       Figure `yaml:"bandwidth_mb_s"` // 10^6 bytes a second

	TimeoutS      Figure `yaml:"timeout_s"`   // of one request by default, seconds
	Concurrency   Figure `yaml:"concurrency"` // requests at once of an instance by default
	SurchargeHour Price  `yaml:"surcharge_hour"`
	Retail        Retail `yaml:"retail"`
	Note          string `yaml:"note,omitempty"`
}

func (e *OnlineEndpoint) keys() []string { return []string{e.Name} }

// BatchEndpoint is the batch endpoint of Azure Machine Learning: jobs over
// files on a compute cluster. Batch of Azure OpenAI is Tokens.BatchPercent.
type BatchEndpoint struct {
	Name             string   `yaml:"name"`
	Source           string   `yaml:"source"`
	MinNodes         Figure   `yaml:"min_nodes"`                    // fewest the cluster keeps
	LowPriority      bool     `yaml:"low_priority,omitempty"`       // has nodes that may be evicted
	LowPriorityQuota string   `yaml:"low_priority_quota,omitempty"` // the single quota for such nodes of all sizes
	Instances        Figure   `yaml:"instances"`                    // this and the rest: by default
	MiniBatchFiles   Figure   `yaml:"mini_batch_files"`
	Concurrency      Figure   `yaml:"concurrency"` // mini-batches at once of an instance
	Retries          Figure   `yaml:"retries"`     // of a mini-batch
	RetryTimeoutS    Figure   `yaml:"retry_timeout_s"`
	Outputs          []string `yaml:"outputs,omitempty"`
	LowPriorityCost  Figure   `yaml:"low_priority_percent"` // of the VM size's price
	Retail           Retail   `yaml:"retail"`
	Note             string   `yaml:"note,omitempty"`
}

func (e *BatchEndpoint) keys() []string { return []string{e.Name} }

// ContainerInstance is Azure Container Instances: containers without one's own
// machines, on CPUs.
type ContainerInstance struct {
	Name        string   `yaml:"name"`
	Region      string   `yaml:"region,omitempty"` // "": all regions
	Source      string   `yaml:"source"`
	API         string   `yaml:"api,omitempty"`         // version of the management API
	GPURetired  string   `yaml:"gpu_retired,omitempty"` // the day containers with a GPU ended, as 2025-07-14
	Priorities  []string `yaml:"priorities,omitempty"`
	Kinds       []string `yaml:"skus,omitempty"`
	Restarts    []string `yaml:"restart_policies,omitempty"`
	MaxVCPUs    Figure   `yaml:"max_vcpus"` // of a group
	MaxMemoryGB Figure   `yaml:"max_memory_gb"`
	VCPUHour    Price    `yaml:"vcpu_hour"`
	GBHour      Price    `yaml:"gb_hour"` // of memory
	Retail      Retail   `yaml:"retail"`
	Note        string   `yaml:"note,omitempty"`
}

func (i *ContainerInstance) keys() []string { return regionKey(i.Name, i.Region) }

// Redis is a Redis that Azure runs.
type Redis struct {
	Name       string   `yaml:"name"`
	What       string   `yaml:"what"`
	Source     string   `yaml:"source"`
	Tiers      []string `yaml:"tiers,omitempty"`
	Retires    string   `yaml:"retires,omitempty"` // the day it ends, as 2028-09-30; "" none is announced
	Host       string   `yaml:"host,omitempty"`    // with {name} and {region}
	Port       Figure   `yaml:"port"`              // of TLS
	MinTLS     string   `yaml:"min_tls,omitempty"`
	Entra      Entra    `yaml:"entra,omitempty"`
	EntraScope string   `yaml:"entra_scope,omitempty"`
	Clustering []string `yaml:"clustering,omitempty"` // policies; the first is the default
	Databases  Figure   `yaml:"databases"`
	Retail     Retail   `yaml:"retail"`
	Note       string   `yaml:"note,omitempty"`
}

func (r *Redis) keys() []string { return []string{r.Name} }

// Entra says how to sign in with Microsoft Entra; "" is unknown.
type Entra string

const (
	EntraDefault  Entra = "default"
	EntraOptional Entra = "optional"
)

func (e Entra) valid() bool { return e == EntraDefault || e == EntraOptional }

// RedisSize is a size of a Redis and its price in a region.
type RedisSize struct {
	Name     string `yaml:"name"`
	Redis    string `yaml:"redis"`            // name of a Redis
	Region   string `yaml:"region,omitempty"` // "": all regions
	Source   string `yaml:"source"`
	MemoryGB Figure `yaml:"memory_gb"` // 10^9 bytes
	Hour     Price  `yaml:"hour"`
	Note     string `yaml:"note,omitempty"`
}

func (s *RedisSize) keys() []string { return regionKey(s.Name, s.Region) }

func regionKey(name, region string) []string {
	if region == "" || name == "" {
		return []string{name}
	}
	return []string{joined(name, region)}
}

// Service finds a service that can run models ("managed_online").
func (c *Catalogue) Service(name string) (Service, error) { return c.services.find("service", name) }

// Services lists all, in the catalogue's order.
func (c *Catalogue) Services() []Service { return slices.Clone(c.services.list) }

// OnlineEndpoint finds an online endpoint by its service ("managed_online").
func (c *Catalogue) OnlineEndpoint(service string) (OnlineEndpoint, error) {
	return c.onlineEndpoints.find("online endpoint", service)
}

// OnlineEndpoints lists all, in the catalogue's order.
func (c *Catalogue) OnlineEndpoints() []OnlineEndpoint { return slices.Clone(c.onlineEndpoints.list) }

// BatchEndpoint finds a batch endpoint by its service ("azureml_batch").
func (c *Catalogue) BatchEndpoint(service string) (BatchEndpoint, error) {
	return c.batchEndpoints.find("batch endpoint", service)
}

// BatchEndpoints lists all, in the catalogue's order.
func (c *Catalogue) BatchEndpoints() []BatchEndpoint { return slices.Clone(c.batchEndpoints.list) }

// ContainerInstance finds container instances by their service ("aci"): the
// entry for all regions, with the limits and prices of the given region where
// an entry states them.
func (c *Catalogue) ContainerInstance(service, region string) (ContainerInstance, error) {
	all, err := c.containerInstances.find("container instance", service)
	here, regional := c.containerInstances.find("", joined(service, region))
	if regional != nil {
		return all, err
	}
	if err != nil {
		return here, nil
	}
	all.Region = here.Region
	all.MaxVCPUs, all.MaxMemoryGB = here.MaxVCPUs.or(all.MaxVCPUs), here.MaxMemoryGB.or(all.MaxMemoryGB)
	all.VCPUHour, all.GBHour = here.VCPUHour.or(all.VCPUHour), here.GBHour.or(all.GBHour)
	return all, nil
}

// ContainerInstances lists all entries, in the catalogue's order.
func (c *Catalogue) ContainerInstances() []ContainerInstance {
	return slices.Clone(c.containerInstances.list)
}

// Redis finds a Redis that Azure runs ("azure_managed_redis").
func (c *Catalogue) Redis(name string) (Redis, error) { return c.redis.find("Redis", name) }

// Redises lists all, in the catalogue's order.
func (c *Catalogue) Redises() []Redis { return slices.Clone(c.redis.list) }

// RedisSize finds a size: the entry for all regions, with the memory and price
// of the given region where an entry states them.
func (c *Catalogue) RedisSize(name, region string) (RedisSize, error) {
	all, err := c.redisSizes.find("Redis size", name)
	here, regional := c.redisSizes.find("", joined(name, region))
	if regional != nil {
		return all, err
	}
	if err != nil {
		return here, nil
	}
	all.Region = here.Region
	all.MemoryGB, all.Hour = here.MemoryGB.or(all.MemoryGB), here.Hour.or(all.Hour)
	return all, nil
}

// RedisSizes lists all entries, in the catalogue's order.
func (c *Catalogue) RedisSizes() []RedisSize { return slices.Clone(c.redisSizes.list) }

// NotMapped lists the entries whose meters in the Azure Retail Prices API are
// unknown: RetailQueries leaves them out, and a price file has to state their
// prices.
func (c *Catalogue) NotMapped() []string {
	var names []string
	add := func(name string, r Retail) {
		if r == RetailNotMapped && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, e := range c.onlineEndpoints.list {
		add(e.Name, e.Retail)
	}
	for _, e := range c.batchEndpoints.list {
		add(e.Name, e.Retail)
	}
	for _, e := range c.containerInstances.list {
		add(e.Name, e.Retail)
	}
	for _, e := range c.redis.list {
		add(e.Name, e.Retail)
	}
	return names
}

// or is the figure, or other if it is unknown.
func (f Figure) or(other Figure) Figure {
	if f.known {
		return f
	}
	return other
}

// or is the price, or other if it is unknown.
func (p Price) or(other Price) Price {
	if p.known {
		return p
	}
	return other
}

// validateServices checks references between services.
func (c *Catalogue) validateServices() []error {
	var faults []error
	of := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	for _, e := range c.onlineEndpoints.list {
		_, err := c.Service(e.Name)
		of(err)
	}
	for _, e := range c.batchEndpoints.list {
		_, err := c.Service(e.Name)
		of(err)
	}
	for _, e := range c.containerInstances.list {
		_, err := c.Service(e.Name)
		of(cmp.Or(err, day("gpu_retired of container instance "+e.Name, e.GPURetired)))
	}
	for _, r := range c.redis.list {
		of(day("retires of Redis "+r.Name, r.Retires))
	}
	for _, s := range c.redisSizes.list {
		_, err := c.Redis(s.Redis)
		of(err)
	}
	return faults
}
