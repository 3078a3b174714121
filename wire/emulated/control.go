package emulated

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"weir/emulate"
	"weir/emulate/arm"
)

// Control is where and how fast an emulated Azure has a control plane.
type Control struct {
	Listen string   // address of Resource Manager and the issuer; "": none
	Dir    string   // folder for ca.pem, client-secret and azure.yaml
	Speed  float64  // of the operations' time; above 0
	Ready  []string // --azure-endpoint flags: what is there from the start
	Speaks func(format string, a ...any)
}

// clientID is the application that azure.yaml names.
const clientID = "11111111-1111-1111-1111-111111111111"

// NewAzure makes an Azure OpenAI resource, and beside it the control plane, if
// there is one. run serves both until its context ends; it first writes and says
// what a weir.yaml needs to reach the control plane.
func NewAzure(o emulate.AzureOptions, c Control) (run func(context.Context) error, err error) {
	o.Grows = c.Listen != ""
	resource, err := emulate.NewAzure(o)
	if err != nil {
		return nil, err
	}
	if c.Listen == "" {
		return resource.Run, nil
	}
	endpoints, err := AzureEndpoints(c.Ready)
	if err != nil {
		return nil, err
	}
	if !(c.Speed > 0) {
		return nil, fmt.Errorf("--azure-speed %v: want above 0", c.Speed)
	}
	secret := rand.Text()
	cloud, err := arm.New(arm.Options{
		Listen: c.Listen, Speed: c.Speed, Seed: o.Seed, Log: o.Log, OpenAI: resource, Endpoints: endpoints, Clients: map[string]string{clientID: secret},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		l, err := cloud.Listen(ctx)
		if err != nil {
			return err
		}
		data, err := resource.Listen(ctx)
		if err != nil {
			_ = l.Close()
			return err
		}
		if err := c.pointAt("https://"+l.Addr().String(), cloud, secret); err != nil {
			_, _ = l.Close(), data.Close()
			return err
		}
		both, ctx := errgroup.WithContext(ctx)
		both.Go(func() error { return resource.Serve(ctx, data) })
		both.Go(func() error { return cloud.Serve(ctx, l) })
		return both.Wait()
	}, nil
}

// pointAt writes the part of a weir.yaml that reaches the emulated subscription.
func (c Control) pointAt(url string, cloud *arm.Cloud, secret string) error {
	o := cloud.Describe()
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return fmt.Errorf("emulate: %w", err)
	}
	text := fmt.Sprintf(`# The emulated subscription. Put this into weir.yaml while the emulator runs.
azure:
  subscription: %s
  resource_group: %s
  identity: secret
  tenant: %s
  client_id: %s
  client_secret: %q
  endpoints:
    authority: %s
    resource_manager: %s
    audience: https://management.azure.com
    ca: %q
`, o.Subscription, o.ResourceGroup, o.Tenant, clientID, "file:"+filepath.Join(dir, "client-secret"), url, url, filepath.Join(dir, "ca.pem"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("emulate: %w", err)
	}
	for name, content := range map[string]string{"ca.pem": string(cloud.CA()), "client-secret": secret, "azure.yaml": text} {
		path := filepath.Join(dir, name)
		_ = os.Remove(path) // one of an earlier run would keep its mode
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return fmt.Errorf("emulate: %w", err)
		}
	}
	c.Speaks("%s", text)
	return nil
}
