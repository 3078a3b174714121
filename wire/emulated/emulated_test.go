package emulated

import (
	"slices"
	"testing"

	"weir/config"
	"weir/emulate"
	"weir/price"
)

const spilling = `server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
log: {access: false}
tenants: [{name: t, keys: [{name: k, hash: sha256:abababababababababababababababababababababababababababababababab}]}]
models:
  - name: gpt-4o
    spill_after: 100ms
    deployments:
      - name: gpt-4o/ptu
        azureopenai: {endpoint: "https://one.openai.azure.com", entra: default, deployment: chat-ptu, ptu: 15, spillover: {deployment: chat-paygo}}
      - name: gpt-4o/paygo
        tier: 1
        azureopenai: {endpoint: "https://ONE.openai.azure.com/", api_key: env:NOWHERE, deployment: chat-paygo, tokens_per_minute: 450k, requests_per_minute: 60000}
      - name: gpt-4o/other
        tier: 2
        azureopenai: {endpoint: "https://two.openai.azure.com", api_key: env:NOWHERE, deployment: chat, tokens_per_minute: 1M}
`

// The resources are those a user would pass to `weir emulate --azure`.
func TestAFileIsEmulatedAsEmulateAzureIs(t *testing.T) {
	want, err := AzureDeployments([]string{
		"name=chat-ptu,sku=ProvisionedManaged,ptu=15,model=gpt-4o", "name=chat-paygo,sku=GlobalStandard,tpm=450k,rpm=60k,model=gpt-4o",
		"name=chat,sku=GlobalStandard,tpm=1M,model=gpt-4o",
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("weir.yaml", []byte(spilling))
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.Default()
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{c: c, prices: prices, said: Tried{Deployments: map[string]string{}}}
	all, err := s.described()
	if err != nil || len(all) != 2 {
		t.Fatalf("%d resources: %v", len(all), err)
	}
	var have []emulate.AzureDeployment
	for _, r := range all {
		have = append(have, r.deployments...)
	}
	if !slices.Equal(have, want) {
		t.Errorf("have %+v\nwant %+v", have, want)
	}
}
