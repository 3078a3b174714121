package emulated

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"weir/config"
	"weir/emulate"
)

// unlimited is the quota of a standard deployment whose quota the file omits.
const unlimited = 1_000_000_000

// resource is one Azure OpenAI resource: the deployments at one endpoint.
type resource struct {
	endpoint    string
	deployments []emulate.AzureDeployment
	users       []*config.AzureOpenAI
}

// resources emulates every Azure OpenAI resource the file names, as `weir
// emulate --azure` would.
func (s *stand) resources() error {
	all, err := s.described()
	if err != nil {
		return err
	}
	for _, r := range all {
		if err := s.place(r); err != nil {
			return fmt.Errorf("resource %s: %w", r.endpoint, err)
		}
	}
	return nil
}

// described are the resources in the file, with their deployments.
func (s *stand) described() (all []*resource, err error) {
	for i := range s.c.Models {
		m := &s.c.Models[i]
		for k := range m.Deployments {
			d := &m.Deployments[k]
			if d.AzureOpenAI == nil {
				continue
			}
			r := resourceOf(&all, d.AzureOpenAI.Endpoint)
			if err := s.deployment(r, m, d); err != nil {
				return nil, fmt.Errorf("deployment %q: %w", d.Name, err)
			}
		}
	}
	return all, nil
}

func resourceOf(all *[]*resource, endpoint string) *resource {
	host := strings.ToLower(endpoint)
	if u, err := url.Parse(endpoint); err == nil {
		host = strings.ToLower(u.Host)
	}
	for _, r := range *all {
		if r.endpoint == host {
			return r
		}
	}
	r := &resource{endpoint: host}
	*all = append(*all, r)
	return r
}

// deployment adds a deployment and its spillover target to the resource.
func (s *stand) deployment(r *resource, m *config.Model, d *config.Deployment) error {
	a := d.AzureOpenAI
	e := emulate.AzureDeployment{Name: cmp.Or(a.Deployment, m.Name), Model: s.azureModel(m, d), SKU: "GlobalStandard", Context: d.MaxContext}
	if a.PTU > 0 {
		e.Model, e.SKU, e.PTU = cmp.Or(a.PTUModel, m.Name), "ProvisionedManaged", a.PTU
		if err := sizePTU(&e, s.prices); err != nil {
			return err
		}
		s.said.Deployments[d.Name] = fmt.Sprintf("Azure OpenAI, %d PTU of %s", a.PTU, e.Model)
	} else {
		e.TPM, e.RPM = a.TokensPerMinute, a.RequestsPerMinute
		s.said.Deployments[d.Name] = "Azure OpenAI, standard" + s.quota(&e, d.Name)
	}
	if a.Entra != "" {
		s.said.not("Entra ID: a key is sent instead")
	}
	s.said.not("Azure's content filter, except for prompts that contain %s or %s", emulate.MarkPromptFiltered, emulate.MarkAnswerFiltered)
	s.add(r, e, d.Name)
	r.users = append(r.users, a)
	if a.Spillover != nil && a.Spillover.Deployment != "" {
		s.target(r, a.Spillover.Deployment, e.Model)
	} else if a.PTU > 0 {
		s.said.not("spillover that is configured only in Azure: %s spills over as the file says", d.Name)
	}
	return nil
}

// azureModel is the model a deployment runs. The file may have only names: the
// first one that the catalogue knows, or that mentions embeddings, counts.
func (s *stand) azureModel(m *config.Model, d *config.Deployment) string {
	names := append([]string{d.Serves, m.Name, d.AzureOpenAI.Deployment}, m.Aliases...)
	for _, name := range names {
		if _, err := s.prices.Tokens(name, "GlobalStandard", ""); err == nil {
			return name
		}
	}
	for _, name := range names {
		if strings.Contains(name, "embedding") {
			return name
		}
	}
	return m.Name
}

// quota fills in the missing quota of a standard deployment, and describes the
// quota in words.
func (s *stand) quota(e *emulate.AzureDeployment, name string) string {
	switch {
	case e.TPM == 0 && e.RPM == 0:
		e.TPM, e.RPM = unlimited, unlimited
		s.said.not("the quota of %s, which the file does not give (tokens_per_minute): it is never throttled", name)
		return ", no quota said"
	case e.TPM == 0:
		e.TPM = unlimited
		return fmt.Sprintf(", %d requests/min", e.RPM)
	}
	return fmt.Sprintf(", %d tokens/min", e.TPM)
}

// add is idempotent: several deployments of the file may be the same one at
// Azure.
func (s *stand) add(r *resource, e emulate.AzureDeployment, name string) {
	for i, have := range r.deployments {
		if have.Name != e.Name {
			continue
		}
		switch {
		case have.TPM == unlimited && e.TPM != unlimited: // added earlier as a spillover target
			r.deployments[i] = e
		case have != e && e.TPM != unlimited:
			s.said.not("%s as the file says it here: deployment %s of %s is in the file twice, and the first counts", name, e.Name, r.endpoint)
		}
		return
	}
	r.deployments = append(r.deployments, e)
}

// target adds the standard deployment that a provisioned one spills to, if the
// file does not describe it.
func (s *stand) target(r *resource, name, model string) {
	s.add(r, emulate.AzureDeployment{Name: name, Model: model, SKU: "GlobalStandard", TPM: unlimited, RPM: unlimited}, name)
}

// place starts a resource and points its deployments at it.
func (s *stand) place(r *resource) error {
	o := emulate.AzureOptions{Deployments: r.deployments, Keys: []string{s.key}, Seed: 1}
	addr, err := s.servers.url(fmt.Sprintf("azure %s %+v", r.endpoint, o), func() (emulator, error) { return emulate.NewAzure(o) })
	if err != nil {
		return err
	}
	for _, a := range r.users {
		a.Endpoint, a.APIKey, a.Entra, a.ClientID = addr, config.Known("the emulated server's", s.key), "", ""
	}
	return nil
}
