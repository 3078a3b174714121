package quota

import (
	"fmt"
	"math"
	"strings"

	"weir/price"
)

// reserve is the share of instances by which Azure Machine Learning wants more
// quota than a managed endpoint uses, except for sizes it exempts.
const reserve = 1.2

// Size is a machine size in the terms of quotas.
type Size struct {
	Name     string
	VCPUs    int
	Families []string // the names its quota may have; the first is shown
	Reserve  float64  // vCPUs of quota for each one used by a managed endpoint: 1, or 1.2
}

// Size finds a size: in the catalogue, or among those Azure described. The first
// has the reserve by size; a size of unknown reserve has it.
func (b *Book) Size(prices *price.Catalogue, name string) (Size, error) {
	vm, err := prices.VM(name)
	s := Size{Name: vm.Name, VCPUs: vm.VCPUs, Reserve: reserve}
	if err == nil {
		if vm.MLQuotaFactor.Known() {
			s.Reserve = vm.MLQuotaFactor.Value()
		}
		s.Families = named(vm.Family, vm.MLFamily)
	}
	for _, k := range b.Kinds {
		if !sameSize(k.Name, name) {
			continue
		}
		if err != nil {
			s.Name, s.VCPUs, err = k.Name, k.VCPUs, nil
		}
		s.Families = append(s.Families, named(k.Family)...)
	}
	if err != nil {
		return Size{}, fmt.Errorf("size %s: its vCPUs and family are not known: %w", name, err)
	}
	return s, nil
}

func named(names ...string) (out []string) {
	for _, n := range names {
		if n != "" {
			out = append(out, n)
		}
	}
	return out
}

func sameSize(a, b string) bool {
	plain := func(s string) string { return strings.TrimPrefix(strings.ToLower(s), "standard_") }
	return plain(a) == plain(b)
}

// At is where instances run.
type At struct {
	Location  string
	Managed   bool   // by a managed endpoint of Azure Machine Learning
	Workspace string // of the endpoint; "": none, or not known
}

// Needs is how many vCPUs of quota n instances need there. Managed endpoints need
// the quota of whole instances: 1.2 n, rounded up.
func (s Size) Needs(n int, at At) int64 {
	if at.Managed && s.Reserve > 1 {
		n = int(math.Ceil(s.Reserve*float64(n) - 1e-9))
	}
	return int64(n) * int64(s.VCPUs)
}

// most is how many instances vcpus are enough for.
func (s Size) most(vcpus int64, at At) int {
	if s.VCPUs <= 0 {
		return 0
	}
	n := float64(vcpus / int64(s.VCPUs))
	if at.Managed && s.Reserve > 1 {
		n = math.Floor(n/s.Reserve + 1e-9)
	}
	return int(min(n, math.MaxInt32))
}

// Bounds are the quotas that instances of a size count against: their family's,
// the workspace's cap on it, and all cores of the region.
func (b *Book) Bounds(s Size, at At) (all []Usage) {
	service := Compute
	if at.Managed {
		service = ML
	}
	if u, ok := b.find(service, at.Location, "", s.Families...); ok && u.Bounded() {
		all = append(all, u)
	}
	if at.Managed {
		if u, ok := b.find(ML, at.Location, at.Workspace, s.Families...); at.Workspace != "" && ok && u.Bounded() {
			all = append(all, u)
		}
		return all
	}
	if u, ok := b.find(Compute, at.Location, "", "cores"); ok && u.Bounded() {
		all = append(all, u)
	}
	return all
}

// Most is how many instances can be there in all where have are there now, and the
// quota that sets it. False: no quota that bounds them is known.
func (b *Book) Most(s Size, at At, have int) (n int, by Usage, known bool) {
	for _, u := range b.Bounds(s, at) {
		// What is there is in use and stays, even above the limit.
		m := max(have, s.most(u.Free()+int64(have)*int64(s.VCPUs), at))
		if !known || m < n {
			n, by, known = m, u, true
		}
	}
	return n, by, known
}

// Ask is what a number of instances needs beside what there is.
type Ask struct {
	Needs int64 // of the quota, in all
	Free  int64 // for them: what is free, and what those that are there use
	Own   int64 // of Free: what those that are there use
	By    Usage // the quota
	Known bool  // false: no quota that bounds them is known
}

// Short is how much the limit must be raised; 0: there is enough.
func (a Ask) Short() int64 { return max(0, a.Needs-a.Free) }

// String says what is needed, what is free, and what to request.
func (a Ask) String() string {
	text := fmt.Sprintf("needs %d %s of %s; %d are free", a.Needs, a.By.Unit, a.By.Where(), a.Free-a.Own)
	if a.Own > 0 {
		text += fmt.Sprintf(" beside its own %d", a.Own)
	}
	if n := a.Short(); n > 0 {
		text += fmt.Sprintf(": request %d more, a limit of %d", n, a.By.Limit+n)
	}
	return text
}

// Ask compares n instances, of which have are there, with the quota that is
// shortest of them.
func (b *Book) Ask(s Size, at At, have, n int) (a Ask) {
	for _, u := range b.Bounds(s, at) {
		x := Ask{Needs: s.Needs(n, at), Free: u.Free() + int64(have)*int64(s.VCPUs), Own: int64(have) * int64(s.VCPUs), By: u, Known: true}
		if !a.Known || x.Needs-x.Free > a.Needs-a.Free {
			a = x
		}
	}
	return a
}
