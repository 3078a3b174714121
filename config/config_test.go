package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheBuiltInConfigurationIsValid(t *testing.T) {
	key := HashKey("weir_test")
	c, err := Default("/opt/weir", key)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if c.Tenants[0].Keys[0].Hash != key {
		t.Error("the key's hash is not the given one")
	}
	for _, m := range c.Models {
		if p := m.Deployments[0].Process; p.Command[0] != "/opt/weir" || p.Command[1] != "emulate" {
			t.Errorf("%s starts %q", m.Name, p.Command)
		}
	}
}

func TestLoadReadsWhatTheFileRefersTo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "weir.yaml")
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	minimal := string(read(t, "testdata/good/minimal.yaml"))
	write("weir.yaml", "server:\n  tls:\n    cert: "+dir+"/tls.crt\n    key: "+dir+"/tls.key\n"+minimal)
	write("tls.crt", "certificate")

	_, err := Load(file)
	want := file + ":4:10: server.tls.key: file " + dir + "/tls.key cannot be read: no such file or directory; put the PEM file there"
	if err == nil || err.Error() != want {
		t.Errorf("have %v\nwant %s", err, want)
	}
	write("tls.key", "key")
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Models[0].Deployments[0]; d.Place() != "external" || d.External.Model != "chat" {
		t.Errorf("the deployment is %s of model %s", d.Place(), d.External.Model)
	}
	for _, path := range []string{t.TempDir(), filepath.Join(dir, "nowhere.yaml")} {
		if _, err := Load(path); err == nil {
			t.Errorf("%s was loaded", path)
		}
	}
}

func TestAbsentValuesHaveTheirDefaults(t *testing.T) {
	c, err := Parse("weir.yaml", read(t, "testdata/good/units.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d := c.Models[0].Deployments[0]
	for _, row := range []struct{ have, want any }{
		{c.Server.Listen, "127.0.0.1:8080"},
		{c.Server.MaxBody, Size(3 << 19)},
		{c.Admin.Listen, "127.0.0.1:8081"},
		{c.Log.Access, true},
		{c.Tenants[0].Limits.Requests.PerMinute(), int64(150)},
		{c.Tenants[0].Limits.Requests.PerSecond(), 2.5},
		{c.Tenants[0].Limits.Concurrent, 1000},
		{d.Place(), "process"},
		{d.Weight, 1},
		{*d.Price.Cached, TokenPrice(150_000)},
		{d.Process.Health, "/health"},
		{d.Process.Model, "chat"},
		{d.Scaling.Max, 1},
		{d.Scaling.GPUUtilisation.High.Fraction(), 0.825},
		{d.Scaling.GPUUtilisation.Sustain, 2 * time.Minute},
	} {
		if row.have != row.want {
			t.Errorf("have %v, want %v", row.have, row.want)
		}
	}
}
