package azureml

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

// maxDefinition bounds the file of a definition, in bytes.
const maxDefinition = 256 << 10

// readDefinition reads a deployment as Azure Resource Manager shows it, without
// what only Azure writes.
func readDefinition(file string) (ml.OnlineDeployment, error) {
	var d ml.OnlineDeployment
	info, err := os.Stat(file)
	if err != nil {
		return d, fmt.Errorf("%w cannot be read: %w", errDefinition, err)
	}
	if info.Size() > maxDefinition {
		return d, fmt.Errorf("%w, %s, has %d bytes; it may have %d", errDefinition, file, info.Size(), maxDefinition)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return d, fmt.Errorf("%w cannot be read: %w", errDefinition, err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%w, %s, is not a deployment as `az rest` shows it: %w", errDefinition, file, err)
	}
	p, ok := d.Properties.(*ml.ManagedOnlineDeployment)
	if !ok || p.InstanceType == nil || d.Location == nil {
		return d, fmt.Errorf("%w, %s, is not that of a managed deployment with location and properties.instanceType", errDefinition, file)
	}
	d.ID, d.Name, d.Type, d.SystemData = nil, nil, nil, nil
	p.ProvisioningState, p.Properties = nil, nil
	if d.SKU == nil {
		d.SKU = &ml.SKU{Name: to.Ptr("Default")}
	}
	if d.Tags == nil {
		d.Tags = map[string]*string{}
	}
	return d, nil
}

// removable says why a deployment must not be deleted: it could not be made again
// as it is, or gets traffic of callers besides Weir's.
func (c *calls) removable(ctx context.Context, d *Deployment) error {
	want, err := readDefinition(d.Definition)
	if err != nil {
		return err
	}
	r, err := c.deployments.Get(ctx, d.ResourceGroup, d.Workspace, d.Endpoint, d.Deployment, nil)
	if err != nil {
		return err
	}
	if diff := differ(&r.OnlineDeployment, &want); len(diff) > 0 {
		return fmt.Errorf("%w, %s, differs from %s at %s: it would come back as another; write the file again", errDefinition, d.Definition, d.target(), strings.Join(diff, ", "))
	}
	e, err := c.endpoint(ctx, d.at)
	if err != nil {
		return err
	}
	if n := e.traffic[strings.ToLower(d.Deployment)]; n > 0 {
		return fmt.Errorf("%w allows no zero: %s gets %d %% of the endpoint's own traffic; set that to 0, Weir names the deployment in each request", errDefinition, d.target(), n)
	}
	return nil
}

// differ are the members in which a deployment is not as its definition, at most
// mostNamed of them.
func differ(have, want *ml.OnlineDeployment) (names []string) {
	a, b := plain(have.Properties), plain(want.Properties)
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	for k := range keys {
		if k != "provisioningState" && k != "properties" && !reflect.DeepEqual(a[k], b[k]) {
			names = append(names, "properties."+k)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), mostNamed)]
}

const mostNamed = 5

// plain is a value as JSON has it, without members that are null.
func plain(v any) map[string]any {
	text, err := json.Marshal(v)
	out := map[string]any{}
	if err == nil {
		_ = json.Unmarshal(text, &out) // it has just been made
	}
	for k, v := range out {
		if v == nil {
			delete(out, k)
		}
	}
	return out
}
