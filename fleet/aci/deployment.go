package aci

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Deployment is what its container groups are made of: a template, and how they are
// started and ended.
type Deployment struct {
	Name          string // Weir's own name for it
	ResourceGroup string
	Owner         string // tag that tells this Weir's groups from another's; "": weir

	Template
	Secrets []Variable // secure variables: Azure never shows them
	Registry

	MaxReplicas   int           // groups; 0: as many as a subscription may have in a region
	StartTimeout  time.Duration // after it a start is given up; 0: 10 min
	DrainDeadline time.Duration // for requests in flight at a group that goes; 0: 2 min
}

// Template is what a group is made from. A group of another one is replaced.
type Template struct {
	Location    string
	Image       string
	CPU         float64 // cores
	MemoryGB    float64
	Command     []string   // nil: the image's own
	Environment []Variable // in a fixed order
	Port        int
	HealthPath  string // 200: it serves
	Subnet      string // its resource's ID; "": an address on the internet
	Identity    string // user-assigned, its resource's ID; "": none
}

// Variable is one of the environment.
type Variable struct{ Name, Value string }

// Registry is who pulls the image; without a Server it is public.
type Registry struct {
	Server, Username, Password string
	ByIdentity                 bool // the group's identity pulls, without a password
}

// Limits of Azure (Microsoft, "Resource availability & quota limits for Azure
// Container Instances").
const (
	mostGroups = 100 // of a subscription in a region, unless it was raised
	nameLength = 63  // of a group
)

// filled are the deployments with their defaults. The error names all faults.
func filled(all []Deployment) ([]Deployment, error) {
	var faults []error
	names := map[string]bool{}
	out := make([]Deployment, 0, len(all))
	for _, d := range all {
		switch {
		case d.Name == "" || d.ResourceGroup == "" || d.Location == "" || d.Image == "":
			faults = append(faults, d.fault("Name, ResourceGroup, Location or Image is missing"))
		case d.CPU <= 0 || d.MemoryGB <= 0:
			faults = append(faults, d.fault("%v cores and %v GB: want more than 0", d.CPU, d.MemoryGB))
		case d.Port < 1 || d.Port > 65535 || !strings.HasPrefix(d.HealthPath, "/"):
			faults = append(faults, d.fault("port %d and health path %q: want 1 to 65535, and a path that begins with /", d.Port, d.HealthPath))
		case names[d.Name]:
			faults = append(faults, d.fault("is there twice"))
		}
		names[d.Name] = true
		if d.Owner == "" {
			d.Owner = "weir"
		}
		if d.MaxReplicas == 0 {
			d.MaxReplicas = mostGroups
		}
		if d.StartTimeout == 0 {
			d.StartTimeout = 10 * time.Minute
		}
		if d.DrainDeadline == 0 {
			d.DrainDeadline = 2 * time.Minute
		}
		out = append(out, d)
	}
	return out, errors.Join(faults...)
}

// home is where its groups are, and whose they are: a deployment with another one has
// no groups yet.
func (d *Deployment) home() [3]string { return [3]string{d.ResourceGroup, d.Owner, d.Location} }

// hash tells templates apart. The values of secrets are not in it: it is a tag that
// everyone may read who may read the group.
func (d *Deployment) hash() string {
	var named []string
	for _, v := range d.Secrets {
		named = append(named, v.Name)
	}
	b, err := json.Marshal([]any{d.Template, named, d.Server, d.Username, d.ByIdentity})
	if err != nil {
		panic(err) // texts and numbers
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// slot is the name of the n-th group at most.
func (d *Deployment) slot(n int) string {
	sum := sha256.Sum256([]byte(d.Owner + "\x00" + d.Name))
	end := fmt.Sprintf("-%s-%d", hex.EncodeToString(sum[:4]), n)
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(d.Name))
	word = "weir-" + word
	return strings.TrimRight(word[:min(len(word), nameLength-len(end))], "-") + end
}

// hide removes the deployment's own secrets from a text.
func (d *Deployment) hide(text string) string {
	values := []string{d.Password}
	for _, v := range d.Secrets {
		values = append(values, v.Value)
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) }) // one may be in another
	for _, v := range values {
		if v != "" {
			text = strings.ReplaceAll(text, v, "[hidden]")
		}
	}
	return text
}

func (d *Deployment) fault(format string, a ...any) error {
	return fmt.Errorf("aci deployment %q: "+format, append([]any{d.Name}, a...)...)
}
