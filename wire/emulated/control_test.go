package emulated

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"weir/config"
	"weir/emulate"
	"weir/wire"
)

// The block that is printed is all that a weir.yaml needs: the identity gets its
// token and the SDK its answer, over TLS with the written CA.
func TestThePrintedBlockReachesTheEmulatedSubscription(t *testing.T) {
	said := make(chan string, 1)
	dir := filepath.Join(t.TempDir(), `a #folder: "odd"`)
	secret := filepath.Join(dir, "client-secret")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(secret, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	run, err := NewAzure(emulate.AzureOptions{Listen: "127.0.0.1:0"}, Control{
		Listen: "127.0.0.1:0", Dir: dir, Speed: 60, Ready: []string{"name=chat,concurrency=4"}, Speaks: func(format string, a ...any) { said <- fmt.Sprintf(format, a...) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c, err := config.Parse("weir.yaml", []byte(<-said+"tenants: [{name: t, keys: [{name: k, hash: sha256:abababababababababababababababababababababababababababababababab}]}]\nmodels: [{name: m, deployments: [{name: d, external: {urls: ['http://127.0.0.1:1']}}]}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Resolve(); err != nil {
		t.Fatal(err)
	}
	account, err := wire.AzureAccount(c)
	if err != nil {
		t.Fatal(err)
	}
	client, err := armmachinelearning.NewWorkspacesClient(account.Subscription(), account.Credential(), account.Client())
	if err != nil {
		t.Fatal(err)
	}
	w, err := client.Get(ctx, account.ResourceGroup(), "weir", nil)
	if err != nil || *w.Location != "swedencentral" {
		t.Errorf("%+v %v", w.Workspace, err)
	}
	if info, err := os.Stat(secret); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret is readable by others: %v %v", info, err)
	}
}

func TestEndpointFlagsThatAreWrong(t *testing.T) {
	for _, flag := range []string{"name=chat,color=blue", "name=chat,instances=many", "name=chat,instances=0", "name=chat,concurrency=0", "name=chat,seconds=0"} {
		if _, err := AzureEndpoints([]string{flag}); err == nil {
			t.Errorf("%s is taken", flag)
		}
	}
	if all, err := AzureEndpoints([]string{"name=chat,instances=2"}); err != nil || all[0].Name != "chat" || all[0].Instances != 2 {
		t.Errorf("%+v %v", all, err)
	}
}

// Nothing is written where the control plane or the data plane cannot listen.
func TestAnAddressInUseIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	used := l.Addr().String()
	for want, at := range map[string][2]string{"in use": {"127.0.0.1:0", used}, "already": {used, "127.0.0.1:0"}, "loopback": {"127.0.0.1:0", "0.0.0.0:0"}, "no address": {"", "127.0.0.1:0"}} {
		dir := t.TempDir()
		run, err := NewAzure(emulate.AzureOptions{Listen: at[0]}, Control{Listen: at[1], Speed: 1, Dir: dir, Speaks: func(string, ...any) { t.Error("it spoke") }})
		if err != nil {
			t.Fatal(err)
		}
		if err := run(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", at, err)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
			t.Errorf("%v: it wrote %v %v", at, all, err)
		}
	}
}

func TestASpeedOfNothingIsRefused(t *testing.T) {
	if _, err := NewAzure(emulate.AzureOptions{Listen: "127.0.0.1:0"}, Control{Listen: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "--azure-speed 0") {
		t.Error(err)
	}
}
