package config

import "testing"

func TestTokenLimitsBeyondAThousandMillionAMinute(t *testing.T) {
	c, err := Parse("weir.yaml", []byte(`tenants: [{name: demo, limits: {tokens: 20000M/min}, keys: [{name: a, hash: "sha256:6e24b4a4e7a4efe0ae5d0f5dbd8b0d3a47c4a4a1b3f37dcf5d8b0ad3ee3a3c3d"}]}]
models: [{name: m, deployments: [{name: d, external: {urls: ["http://127.0.0.1:9000"]}}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	if have := c.Tenants[0].Limits.Tokens.PerMinute(); have != 20_000_000_000 {
		t.Error(have)
	}
}
