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
			"instances": someOf(&e.Instances), "concurrency": someOf(&e.Concurrency), "seconds": someOf(&e.Seconds),
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

// someOf reads a number of 1 or more.
func someOf(to *int) func(string) error {
	return func(s string) error {
		if err := azureCount(to)(s); err != nil {
			return err
		}
		if *to == 0 {
			return fmt.Errorf("%q: want 1 or more", s)
		}
		return nil
	}
}
