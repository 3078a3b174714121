package config

import _ "embed"

//go:embed default.yaml
var defaultYAML []byte

// DefaultName is the built-in configuration's name in faults and logs.
const DefaultName = "default.yaml (built in)"

// Default is the built-in configuration: two models on emulated replicas,
// started as `exe emulate`, and the tenant "demo" with the one key hash.
func Default(exe string, key KeyHash, over ...Override) (*Config, error) {
	c, err := Parse(DefaultName, defaultYAML, over...)
	if err != nil {
		return nil, err
	}
	c.Tenants[0].Keys[0].Hash = key
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			if p := c.Models[i].Deployments[k].Process; p != nil {
				p.Command[0] = exe
			}
		}
	}
	return c, nil
}
