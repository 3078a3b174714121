package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each testdata/bad/NAME.yaml must give exactly the faults of NAME.err, one a
// line. Regenerate with -update and read the difference.
func TestEveryBadFileGivesItsMessages(t *testing.T) {
	for _, file := range badFiles(t) {
		_, err := Parse(filepath.Base(file), read(t, file))
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Errorf("%s: want faults, have %v", file, err)
			continue
		}
		golden(t, strings.TrimSuffix(file, ".yaml")+".err", faults.Error()+"\n")
	}
}

func TestEveryGoodFileGivesItsWarningsAlone(t *testing.T) {
	for _, file := range glob(t, "testdata/good/*.yaml") {
		c, err := Parse(filepath.Base(file), read(t, file))
		if err != nil {
			t.Errorf("%s:\n%v", file, err)
			continue
		}
		text := ""
		if len(c.Warnings) > 0 {
			text = c.Warnings.Error() + "\n"
		}
		golden(t, strings.TrimSuffix(file, ".yaml")+".warn", text)
	}
}

func TestEveryExampleIsValid(t *testing.T) {
	for _, file := range glob(t, "../examples/*.yaml") {
		c, err := Parse(filepath.Base(file), read(t, file))
		if err != nil {
			t.Errorf("%s:\n%v", file, err)
			continue
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%s has warnings:\n%v", file, c.Warnings)
		}
	}
}

// golden compares with a file, which is absent for the empty text.
func golden(t *testing.T, file, have string) {
	t.Helper()
	if *update {
		if have == "" {
			_ = os.Remove(file)
		} else if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil && !(have == "" && errors.Is(err, os.ErrNotExist)) {
		t.Error(err)
	}
	if have != string(want) {
		t.Errorf("%s\nhave:\n%s\nwant:\n%s", file, have, want)
	}
}

// A key or address still to be filled in keeps a file from being served, but
// not from being emulated.
func TestWhatIsStillToBeFilledInIsNamed(t *testing.T) {
	c, err := Parse("plan.yaml", []byte(`tenants: [{name: t, keys: [{name: k, hash: sha256:`+strings.Repeat("0", 64)+`}]}]
models:
  - name: m
    deployments:
      - {name: m/a, azureopenai: {endpoint: https://CHANGE.openai.azure.com, api_key: env:K}}
      - {name: m/b, external: {urls: [http://10.0.0.5:8000, http://CHANGE.svc:8000]}}
      - {name: m/c, external: {urls: [http://exchange.local:8000, "http://<server>:8000"]}}
      - {name: m/d, azureopenai: {endpoint: https://YOUR-RESOURCE.openai.azure.com, deployment: your-deployment-name, api_key: env:K}}
      - {name: m/e, azureopenai: {endpoint: "https://<resource>.openai.azure.com", deployment: changes, api_key: env:K}}
      - {name: m/f, azureopenai: {endpoint: https://yours.openai.azure.com, deployment: change_me, api_key: env:K}}
`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `plan.yaml:1:44: tenants[0].keys[0].hash: is all zeros: no key has this hash; make a key and its hash with ` + "`weir key new`" + `
plan.yaml:5:45: models[0].deployments[0].azureopenai.endpoint: "https://CHANGE.openai.azure.com" still contains CHANGE; insert the name of your resource
plan.yaml:6:61: models[0].deployments[1].external.urls[1]: "http://CHANGE.svc:8000" still contains CHANGE; insert the address of your server
plan.yaml:7:67: models[0].deployments[2].external.urls[1]: "http://<server>:8000" still contains <server>; insert the address of your server
plan.yaml:8:45: models[0].deployments[3].azureopenai.endpoint: "https://YOUR-RESOURCE.openai.azure.com" still contains YOUR-RESOURCE; insert the name of your resource
plan.yaml:8:97: models[0].deployments[3].azureopenai.deployment: "your-deployment-name" still contains your-deployment-name; insert the name of your deployment
plan.yaml:9:45: models[0].deployments[4].azureopenai.endpoint: "https://<resource>.openai.azure.com" still contains <resource>; insert the name of your resource
plan.yaml:10:89: models[0].deployments[5].azureopenai.deployment: "change_me" still contains change_me; insert the name of your deployment`
	if have := c.Unfinished.Error(); have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
}

// No output shows a possible secret of a bad file.
func TestNoFaultShowsASecret(t *testing.T) {
	for file, secrets := range map[string][]string{
		"literal_secrets":     {"s3cr3t", "pQx1nF0mZ3", "1234567890", "sk-proj", "MY-KEY", "4711"},
		"misspelt_secret_key": {"sk-very-secret"},
		"syntax_secret":       {"my-secret"},
		"urls":                {"pw@"},
		"hashes":              {"md5"},
	} {
		_, err := Parse(file, read(t, "testdata/bad/"+file+".yaml"))
		var faults Faults
		if !errors.As(err, &faults) {
			t.Fatalf("%s: %v", file, err)
		}
		for _, f := range faults {
			for _, secret := range secrets {
				if strings.Contains(f.Error()+f.Excerpt, secret) {
					t.Errorf("%s shows %q:\n%s\n%s", file, secret, f.Error(), f.Excerpt)
				}
			}
		}
	}
}
