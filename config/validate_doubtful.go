package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// This file warns of allowed but hardly ever intended settings, and collects
// placeholders still to be filled in.

// doubtful looks at one model and its deployments.
func (v *validator) doubtful(m *Model, path string) {
	if wait, ttft := m.SpillAfter, m.SLO.TTFT; wait > 0 && ttft > 0 && wait >= ttft {
		v.warn(path+".spill_after", fmt.Sprintf("%s of waiting for a preferred tier uses up slo.ttft, which is %s", short(wait), short(ttft)), "give less than slo.ttft, or remove it: then requests wait as long as slo.ttft allows")
	}
	seen := taken{}
	for k := range m.Deployments {
		d, at := &m.Deployments[k], fmt.Sprintf("%s.deployments[%d]", path, k)
		v.tokenPrices(&d.Price, at+".price")
		switch {
		case d.AzureOpenAI != nil:
			v.azureDoubts(d, at, seen)
		case d.External != nil:
			v.externalDoubts(d.External, at+".external", seen)
		case d.Process != nil:
			v.commandDoubts(d.Process, at+".process")
		}
	}
}

// tiers warns of a tier that takes no requests beside others that do.
func (v *validator) tiers(m *Model, path string) {
	sums, first := map[int]int{}, map[int]int{}
	for k, d := range m.Deployments {
		if d.Mirror != nil || d.Canary != nil {
			continue
		}
		if v.faulty[fmt.Sprintf("%s.deployments[%d].weight", path, k)] {
			return
		}
		if _, ok := sums[d.Tier]; !ok {
			first[d.Tier] = k
		}
		sums[d.Tier] += d.Weight
	}
	for k, d := range m.Deployments {
		if at, ok := first[d.Tier]; ok && at == k && sums[d.Tier] == 0 {
			v.warn(fmt.Sprintf("%s.deployments[%d].weight", path, k), fmt.Sprintf("every deployment of tier %d has weight 0: the tier gets no requests", d.Tier), "give one of them a weight of at least 1, or remove the tier")
		}
	}
}

// provisionedName finds the usual names of provisioned deployments.
var provisionedName = regexp.MustCompile(`(?i)(^|[^a-z])(ptu|ptum|provisioned)([^a-z]|$)`)

func (v *validator) azureDoubts(d *Deployment, path string, seen taken) {
	a, at := d.AzureOpenAI, path+".azureopenai"
	v.claimOne(seen, a.Endpoint+" "+a.Deployment, at, "deployment "+a.Deployment+" of that resource")
	_, burst := v.at[at+".burst"]
	unlimited := a.PTU == 0 && a.TokensPerMinute == 0 && a.RequestsPerMinute == 0 && !v.faulty[at+".ptu"] && !v.faulty[at+".tokens_per_minute"]
	switch {
	case unlimited && (provisionedName.MatchString(d.Name) || provisionedName.MatchString(a.Deployment)):
		v.warn(at, "is named like a provisioned deployment, but ptu is missing: Weir only learns from a 429 that it is full, and prices its tokens as pay-as-you-go", "add ptu, or tokens_per_minute if it is a standard deployment")
	case unlimited && burst:
		v.warn(at+".burst", "has no effect without ptu, tokens_per_minute or requests_per_minute", "give the units or tokens of the deployment, or remove it")
	}
	if host := hostOf(a.Endpoint); host == "api.openai.com" || host == "api.anthropic.com" {
		v.warn(at+".endpoint", host+" is not an Azure OpenAI resource", "write external: {urls: [https://"+host+"]} in place of azureopenai")
	}
}

func (v *validator) externalDoubts(x *External, at string, seen taken) {
	for i, text := range x.URLs {
		here := fmt.Sprintf("%s.urls[%d]", at, i)
		v.claimOne(seen, text, here, "server "+text)
		host := hostOf(text)
		switch {
		case strings.HasSuffix(host, ".openai.azure.com"):
			v.warn(here, host+" is an Azure OpenAI resource, which has other paths and headers", "write azureopenai: with endpoint: https://"+host)
		case host == "api.anthropic.com" && x.Protocol != "anthropic":
			v.warn(here, host+" uses the Messages API, but protocol is openai", "add protocol: anthropic")
		case (host == "api.openai.com" || host == "api.anthropic.com") && !x.APIKey.Set():
			v.warn(here, host+" needs a key, but api_key is missing", "add api_key: env:NAME")
		case strings.HasPrefix(text, "http://") && x.APIKey.Set() && !nearby(host):
			v.warn(here, "the key is sent unencrypted to "+host, "write https://")
		}
	}
}

// commandDoubts faults a command written as one text.
func (v *validator) commandDoubts(p *Process, at string) {
	if len(p.Command) == 1 && strings.ContainsAny(p.Command[0], " ") {
		v.blame(at+".command[0]", quote(p.Command[0])+" is one string with spaces, and no shell splits it", "write each word as a separate entry: [vllm, serve, ..., --port, \"{port}\"]")
	}
}

// tokenPrices warns of prices that are one half, or a thousand times, a price.
func (v *validator) tokenPrices(p *Price, at string) {
	const high = TokenPrice(1000 * 1_000_000) // $1,000 per 1M tokens
	_, cached := v.at[at+".cached"]
	for _, x := range [...]struct {
		key  string
		cost TokenPrice
	}{{"prompt", p.Prompt}, {"completion", p.Completion}, {"cache_write", p.CacheWrite}, {"cache_write_hour", p.CacheWriteHour}, {"reasoning", p.Reasoning},
		{"audio_prompt", p.AudioPrompt}, {"audio_completion", p.AudioCompletion}} {
		if x.cost >= high {
			v.warn(at+"."+x.key, fmt.Sprintf("%v is about a thousand times the usual price of tokens", x.cost), "check whether the price is per 1K or per 1M tokens")
		}
	}
	if cached && p.Cached != nil && *p.Cached > p.Prompt && (p.Prompt > 0 || p.Catalogue == "") {
		v.warn(at+".cached", fmt.Sprintf("%v is more than prompt, which is %v", *p.Cached, p.Prompt), "cached tokens do not cost more than other prompt tokens")
	}
}

// claimOne warns of a duplicate in one model.
func (v *validator) claimOne(seen taken, name, path, what string) {
	if first, ok := seen[name]; ok && !v.faulty[path] {
		v.warn(path, fmt.Sprintf("%s is also %s: its capacity is counted twice", what, first), "remove one; use weight to share traffic")
		return
	}
	seen[name] = path
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// nearby says whether a host is reached without the public network: an address
// of this machine or of a private network, or a name without a public ending.
func nearby(host string) bool {
	if loopback(host+":0") || !strings.Contains(host, ".") {
		return true
	}
	return isPrivate(host) || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".svc")
}

// placeholder finds the placeholders of `weir plan --yaml`, and those of other
// tools and guides: <resource>, ${NAME}, YOUR-RESOURCE and change-me.
var placeholder = regexp.MustCompile(`\bCHANGE\b|(?i:<[^>]*>|\$?\{[^}]*\}|\b(change|replace)[-_]?me\b|\byour[-_](resource|deployment|endpoint|server|host|name|model|azure|openai|region)([-_](name|host|resource))?\b)`)

// unfinished collects the placeholders: they are no fault of a file that is
// only emulated.
func (v *validator) unfinished() {
	note := func(path, problem, remedy string) {
		v.c.Unfinished = append(v.c.Unfinished, v.newFault(v.at.of(path), path, problem, remedy))
	}
	for i, t := range v.c.Tenants {
		for k, key := range t.Keys {
			path := fmt.Sprintf("tenants[%d].keys[%d].hash", i, k)
			if _, given := v.at[path]; given && key.Hash == (KeyHash{}) && !v.faulty[path] && v.file != DefaultName {
				note(path, "is all zeros: no key has this hash", "make a key and its hash with `weir key new`")
			}
			if key.Hash == HashKey("") || key.Hash == HashKey("\n") {
				v.blame(path, "is the hash of an empty string: the command that made it got no key", "make a key and its hash with `weir key new`")
			}
		}
	}
	for i := range v.c.Models {
		for k, d := range v.c.Models[i].Deployments {
			path := fmt.Sprintf("models[%d].deployments[%d].", i, k)
			if a := d.AzureOpenAI; a != nil && placeholder.MatchString(a.Endpoint) {
				note(path+"azureopenai.endpoint", quote(a.Endpoint)+" still contains "+placeholder.FindString(a.Endpoint), "insert the name of your resource")
			}
			if a := d.AzureOpenAI; a != nil && placeholder.MatchString(a.Deployment) {
				note(path+"azureopenai.deployment", quote(a.Deployment)+" still contains "+placeholder.FindString(a.Deployment), "insert the name of your deployment")
			}
			if d.External == nil {
				continue
			}
			for n, u := range d.External.URLs {
				if placeholder.MatchString(u) {
					note(fmt.Sprintf("%sexternal.urls[%d]", path, n), quote(u)+" still contains "+placeholder.FindString(u), "insert the address of your server")
				}
			}
		}
	}
}
