package aci

import (
	"math"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ci "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance/armcontainerinstance/v2"
)

// container is the name of the one container of a group.
const container = "server"

// body is a group as Azure is asked for it. Its container never restarts: one that ends
// is seen, with the end of its log, and replaced by a new group.
func (d *Deployment) body(m mark) ci.ContainerGroup {
	port := int32(d.Port)
	p := &ci.ContainerProperties{
		Image: to.Ptr(d.Image), Ports: []*ci.ContainerPort{{Port: to.Ptr(port), Protocol: to.Ptr(ci.ContainerNetworkProtocolTCP)}},
		Resources: &ci.ResourceRequirements{Requests: &ci.ResourceRequests{CPU: to.Ptr(d.CPU), MemoryInGB: to.Ptr(math.Ceil(d.MemoryGB*10-1e-9) / 10)}}, // Azure counts tenths
	}
	if len(d.Command) > 0 {
		p.Command = to.SliceOfPtrs(d.Command...)
	}
	for _, v := range d.Environment {
		p.EnvironmentVariables = append(p.EnvironmentVariables, &ci.EnvironmentVariable{Name: to.Ptr(v.Name), Value: to.Ptr(v.Value)})
	}
	for _, v := range d.Secrets {
		p.EnvironmentVariables = append(p.EnvironmentVariables, &ci.EnvironmentVariable{Name: to.Ptr(v.Name), SecureValue: to.Ptr(v.Value)})
	}
	g := ci.ContainerGroup{
		Location: to.Ptr(d.Location), Tags: m.tags(),
		Properties: &ci.ContainerGroupPropertiesProperties{
			OSType: to.Ptr(ci.OperatingSystemTypesLinux), RestartPolicy: to.Ptr(ci.ContainerGroupRestartPolicyNever), SKU: to.Ptr(ci.ContainerGroupSKUStandard),
			Containers: []*ci.Container{{Name: to.Ptr(container), Properties: p}},
			IPAddress:  &ci.IPAddress{Type: to.Ptr(ci.ContainerGroupIPAddressTypePublic), Ports: []*ci.Port{{Port: to.Ptr(port), Protocol: to.Ptr(ci.ContainerGroupNetworkProtocolTCP)}}},
		},
	}
	if d.Subnet != "" {
		g.Properties.IPAddress.Type = to.Ptr(ci.ContainerGroupIPAddressTypePrivate)
		g.Properties.SubnetIDs = []*ci.ContainerGroupSubnetID{{ID: to.Ptr(d.Subnet)}}
	}
	if d.Identity != "" {
		g.Identity = &ci.ContainerGroupIdentity{Type: to.Ptr(ci.ResourceIdentityTypeUserAssigned), UserAssignedIdentities: map[string]*ci.UserAssignedIdentities{d.Identity: {}}}
	}
	g.Properties.ImageRegistryCredentials = d.credentials()
	return g
}

func (d *Deployment) credentials() []*ci.ImageRegistryCredential {
	switch {
	case d.Server == "":
		return nil
	case d.ByIdentity:
		return []*ci.ImageRegistryCredential{{Server: to.Ptr(d.Server), Identity: to.Ptr(d.Identity)}}
	}
	return []*ci.ImageRegistryCredential{{Server: to.Ptr(d.Server), Username: to.Ptr(d.Username), Password: to.Ptr(d.Password)}}
}
