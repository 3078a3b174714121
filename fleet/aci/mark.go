package aci

import (
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
)

// The tags of Weir's own groups.
const (
	tagOwner      = "weir-owner"
	tagDeployment = "weir-deployment"
	tagTemplate   = "weir-template"
	tagAsked      = "weir-asked"    // when, RFC 3339
	tagDraining   = "weir-draining" // since when; "no"
)

// mark is what the tags of a group say. Without an owner it is not Weir's.
type mark struct {
	owner, deployment, template string
	asked                       time.Time          // to the millisecond
	draining                    time.Time          // zero: it does not
	rest                        map[string]*string // all tags as they were read; they stay
}

const stamp = "2006-01-02T15:04:05.000Z"

func (m mark) tags() map[string]*string {
	draining := "no"
	if !m.draining.IsZero() {
		draining = m.draining.UTC().Format(stamp)
	}
	all := map[string]*string{
		tagOwner: to.Ptr(m.owner), tagDeployment: to.Ptr(m.deployment), tagTemplate: to.Ptr(m.template),
		tagAsked: to.Ptr(m.asked.UTC().Format(stamp)), tagDraining: to.Ptr(draining),
	}
	for name, value := range m.rest {
		if all[name] == nil {
			all[name] = value
		}
	}
	return all
}

func markOf(tags map[string]*string) (m mark) {
	m.rest = tags
	m.owner, m.deployment, m.template = deref(tags[tagOwner]), deref(tags[tagDeployment]), deref(tags[tagTemplate])
	if at, err := time.Parse(stamp, deref(tags[tagAsked])); err == nil {
		m.asked = at
	}
	if at, err := time.Parse(stamp, deref(tags[tagDraining])); err == nil {
		m.draining = at
	}
	return m
}

// of says whether a group is the deployment's own.
func (m mark) of(d *Deployment) bool {
	return m.owner == d.Owner && m.deployment == d.Name && !m.asked.IsZero()
}
