package wire

import (
	"slices"
	"testing"

	"weir"
	"weir/config"
	"weir/dispatch"
)

func TestWhatADeploymentSupportsIsWhatItDoesNotLack(t *testing.T) {
	missing := lacks([]string{"chat", "tools"})
	for _, need := range []dispatch.Needs{dispatch.Operation(weir.OpChat), dispatch.Tools} {
		if missing&need != 0 {
			t.Errorf("%b lacks %b, which it supports", missing, need)
		}
	}
	for _, need := range []dispatch.Needs{dispatch.Operation(weir.OpEmbeddings), dispatch.Operation(weir.OpMessages), dispatch.Images, dispatch.Audio} {
		if missing&need == 0 {
			t.Errorf("%b does not lack %b", missing, need)
		}
	}
	if lacks(nil) != 0 {
		t.Error("what says nothing lacks something")
	}
}

// Servers that Weir starts do not get the variables its file reads secrets
// from, except those passed to them by name.
func TestSecretsOfTheFileAreNotInherited(t *testing.T) {
	c, err := config.Parse("weir.yaml", []byte(`
admin: {token: env:ADMIN_TOKEN}
tenants: [{name: t, keys: [{name: k, hash: "sha256:abababababababababababababababababababababababababababababababab"}]}]
models:
  - name: chat
    deployments:
      - name: chat/a
        process: {command: [serve, "{port}"], api_key: env:SERVER_KEY, pass_env: [SERVER_KEY]}
`))
	if err != nil {
		t.Fatal(err)
	}
	d := processDeployments(c)[0]
	if !slices.Equal(d.Without, []string{"ADMIN_TOKEN", "SERVER_KEY"}) || !slices.Equal(d.Pass, []string{"SERVER_KEY"}) {
		t.Errorf("%v, passed %v", d.Without, d.Pass)
	}
}
