package aci

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"weir/azure"
)

func full() Deployment {
	return Deployment{
		Name: "M/worker one", ResourceGroup: "g", Owner: "weir",
		Template: Template{
			Location: "swedencentral", Image: "r.example/w:1", CPU: 2, MemoryGB: 3.21, Port: 8000, HealthPath: "/health", Command: []string{"/serve"},
			Environment: []Variable{{"A", "1"}}, Subnet: "/subscriptions/s/subnet", Identity: "/subscriptions/s/identity",
		},
		Secrets: []Variable{{"KEY", "k-e-y"}}, Registry: Registry{Server: "r.example", Username: "u", Password: "p-w"},
	}
}

// What Azure is asked for holds secrets where Azure never shows them, and the tags hold
// none, nor what could be guessed from them.
func TestSecretsAreWhereAzureNeverShowsThem(t *testing.T) {
	d := full()
	m := mark{owner: d.Owner, deployment: d.Name, template: d.hash(), asked: time.UnixMilli(1_700_000_000_000)}
	g := d.body(m)
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"name":"KEY","secureValue":"k-e-y"}`, `{"name":"A","value":"1"}`, `"imageRegistryCredentials":[{"password":"p-w","server":"r.example","username":"u"}]`,
		`"restartPolicy":"Never"`, `"type":"Private"`, `"subnetIds":[{"id":"/subscriptions/s/subnet"}]`, `"memoryInGB":3.3`, `"weir-draining":"no"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	for _, secret := range []string{"k-e-y", "p-w"} {
		if n := strings.Count(string(text), secret); n != 1 {
			t.Errorf("%s is there %d times", secret, n)
		}
	}
	other := full()
	other.Secrets[0].Value, other.Password = "another", "another"
	if d.hash() != other.hash() {
		t.Error("the tag of the template depends on the value of a secret")
	}
	if other.CPU = 3; d.hash() == other.hash() {
		t.Error("the tag of the template does not depend on the cores")
	}
	d.Username, d.Password, d.ByIdentity, d.Subnet = "", "", true, ""
	text, err = json.Marshal(d.body(m))
	if err != nil || !strings.Contains(string(text), `"imageRegistryCredentials":[{"identity":"/subscriptions/s/identity","server":"r.example"}]`) || !strings.Contains(string(text), `"type":"Public"`) {
		t.Errorf("%s, %v", text, err)
	}
}

// Tags that others add stay, and what was written is what is read.
func TestTagsComeBack(t *testing.T) {
	m := mark{owner: "weir", deployment: "m/a", template: "t", asked: time.UnixMilli(1_700_000_000_123).UTC(), draining: time.UnixMilli(1_700_000_001_000).UTC()}
	tags := m.tags()
	cost := "42"
	tags["cost-center"] = &cost
	back := markOf(tags)
	if back.owner != m.owner || back.deployment != m.deployment || back.template != m.template || !back.asked.Equal(m.asked) || !back.draining.Equal(m.draining) {
		t.Errorf("%+v", back)
	}
	back.draining = time.Time{}
	if tags = back.tags(); *tags["cost-center"] != cost || *tags[tagDraining] != "no" || len(tags) != 6 {
		t.Errorf("%v", tags)
	}
}

func TestSlotsAreNamesThatAzureTakes(t *testing.T) {
	long := full()
	long.Name = strings.Repeat("Ab/", 40)
	for _, d := range []Deployment{full(), long} {
		if s := d.slot(199); len(s) > nameLength || s != strings.ToLower(s) || strings.ContainsAny(s, "/ _") || !strings.HasPrefix(s, "weir-") {
			t.Errorf("%q", s)
		}
	}
	a, b := full(), full()
	if b.Owner = "staging"; a.slot(0) == b.slot(0) {
		t.Error("two owners have the same slots")
	}
}

func TestTheEndOfALogIsBoundedAndHasNoSecret(t *testing.T) {
	d := full()
	text := tail((&azure.Account{}).Redact(d.hide(strings.Repeat("x\n", 1000)+"key k-e-y, password=abc\nlast")), logText)
	if len([]rune(text)) > logText+3 || !strings.HasPrefix(text, "...") || !strings.HasSuffix(text, "key [hidden], [hidden] | last") {
		t.Errorf("%d characters: %s", len(text), text[len(text)-80:])
	}
}

func TestWhatIsWrongWithADeploymentIsSaid(t *testing.T) {
	f := func(change func(*Deployment), want string) {
		t.Helper()
		d := full()
		change(&d)
		if err := Valid(Options{Deployments: []Deployment{d}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(func(d *Deployment) { d.Image = "" }, "Image is missing")
	f(func(d *Deployment) { d.CPU = 0 }, "0 cores")
	f(func(d *Deployment) { d.HealthPath = "" }, "health path")
	f(func(*Deployment) {}, "names no subscription")
	if err := Valid(Options{Deployments: []Deployment{full(), full()}}); err == nil || !strings.Contains(err.Error(), "is there twice") {
		t.Error(err)
	}
}
