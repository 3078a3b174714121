package quota

import "strings"

// Units are the capacity of an Azure OpenAI deployment: PTUs, or thousands of
// tokens a minute.
type Units struct {
	SKU            string // "GlobalProvisionedManaged"
	Model, Version string
	Location       string
}

// Provisioned says whether the units are PTUs.
func (u Units) Provisioned() bool { return strings.Contains(strings.ToLower(u.SKU), "provisioned") }

// Bound is the quota of the units: PTUs by kind of deployment, tokens a minute by
// kind and model.
func (b *Book) Bound(u Units) (Usage, bool) {
	names := []string{"OpenAI." + u.SKU + "." + u.Model}
	if u.Provisioned() {
		names = append(names, "OpenAI."+u.SKU)
	}
	q, ok := b.find(OpenAI, u.Location, "", names...)
	return q, ok && q.Bounded()
}

// Stock is how many units the region can add; false: it does not say.
func (b *Book) Stock(u Units) (int64, bool) {
	for _, c := range b.Capacities {
		if same(c.Location, u.Location) && strings.EqualFold(c.Model, u.Model) && strings.EqualFold(c.SKU, u.SKU) && (u.Version == "" || c.Version == u.Version) {
			return c.Available, true
		}
	}
	return 0, false
}

// AskUnits compares n units, of which have are deployed, with their quota.
func (b *Book) AskUnits(u Units, have, n int64) Ask {
	q, ok := b.Bound(u)
	if !ok {
		return Ask{}
	}
	return Ask{Needs: n, Free: q.Free() + have, Own: have, By: q, Known: true}
}

// Count compares n of what a service counts by a name of its own, such as container
// groups, with its quota. False: none that bounds them is known.
func (b *Book) Count(s Service, location, name string, n int64) (Ask, bool) {
	q, ok := b.find(s, location, "", name)
	if !ok || !q.Bounded() {
		return Ask{}, false
	}
	return Ask{Needs: n, Free: q.Free(), By: q, Known: true}, true
}
