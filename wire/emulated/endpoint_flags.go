package emulated

import (
	"errors"
	"fmt"
	"strings"

	"weir/emulate/arm"
)

// AzureEndpoints reads the --azure-endpoint flags:
// "name=chat,deployment=blue,size=Standard_NC24ads_A100_v4,instances=1,concurrency=16,seconds=90".
func AzureEndpoints(flags []string) (all []arm.Endpoint, err error) {
	var wrong []error
	for _, flag := range flags {
		var e arm.Endpoint
		set := map[string]func(string) error{
			"name": azureText(&e.Name), "deployment": azureText(&e.Deployment), "size": azureText(&e.Size),
			"instances": azureCount(&e.Instances), "concurrency": azureCount(&e.Concurrency), "seconds": azureCount(&e.Seconds),
		}
		for part := range strings.SplitSeq(flag, ",") {
			key, value, _ := strings.Cut(part, "=")
			take := set[key]
			if take == nil {
				wrong = append(wrong, fmt.Errorf("--azure-endpoint %s: %q: want name, deployment, size, instances, concurrency or seconds, as key=value", flag, key))
				continue
			}
			if err := take(value); err != nil {
				wrong = append(wrong, fmt.Errorf("--azure-endpoint %s: %s: %w", flag, key, err))
			}
		}
		all = append(all, e)
	}
	return all, errors.Join(wrong...)
}
