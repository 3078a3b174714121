package azureopenai

import (
	"fmt"
	"slices"
	"time"

	"weir"
	"weir/quota"
)

// Deployment is one whose object is read, and changed where Resize allows it.
type Deployment struct {
	Name string // in weir.yaml
	Ref  Ref

	Resize      Resize
	Provisioned bool       // units are PTUs; else thousands of tokens a minute
	Units       int64      // outside of the schedules; 0: as it is
	Schedules   []Schedule // the highest of those that apply counts
	Zone        *time.Location
	Budget      weir.Money // of an hour; 0: no bound

	// Steps are the least number of units and the step, for a kind of deployment; 0:
	// not known.
	Steps func(sku string) (least, step int64)
	// Price is that of one unit for one hour; 0: not by the hour, or not known.
	Price func(sku, location string) weir.Money
}

// Resize says which changes are made, and which are proposed to a person.
type Resize string

const (
	Never Resize = ""     // the object is only read
	Up    Resize = "up"   // grows; a smaller size is proposed
	Both  Resize = "both" // grows and shrinks
	Ask   Resize = "ask"  // each change is proposed
)

// Schedule is a size for some hours of the week.
type Schedule struct {
	Days     []time.Weekday // on which it starts; none: every day
	From, To time.Duration  // since midnight; To at or below From: on the next day
	Units    int64
}

// applies says whether the schedule covers a local time.
func (s *Schedule) applies(now time.Time) bool {
	starts := func(day time.Weekday) bool { return len(s.Days) == 0 || slices.Contains(s.Days, day) }
	clock := time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute())*time.Minute + time.Duration(now.Second())*time.Second
	if s.To > s.From {
		return starts(now.Weekday()) && clock >= s.From && clock < s.To
	}
	return starts(now.Weekday()) && clock >= s.From || starts((now.Weekday()+6)%7) && clock < s.To
}

// Wish is the size wanted now, and why; of several bounds the last that applied.
type Wish struct {
	Units int64
	Asked int64 // before the bounds
	Why   string
	Unfit bool // the configuration counts other units than the deployment has
}

// wish is the size for an hour, as far as steps, money, quota and stock allow it.
// Bounds only stop growth: what is deployed stays.
func (d *Deployment) wish(o Object, b *quota.Book, now time.Time) Wish {
	w := Wish{Units: o.Capacity, Why: "as it is"}
	if d.Provisioned != o.Provisioned() {
		return Wish{Units: o.Capacity, Asked: o.Capacity, Unfit: true, Why: Unfit(d.Provisioned, o.SKU)}
	}
	if d.Units > 0 {
		w = Wish{Units: d.Units, Why: "its size outside of the schedules"}
	}
	if d.Zone != nil {
		now = now.In(d.Zone)
	}
	first := true
	for i := range d.Schedules {
		if s := &d.Schedules[i]; s.applies(now) && (first || s.Units > w.Units) {
			w, first = Wish{Units: s.Units, Why: fmt.Sprintf("schedules[%d]", i)}, false
		}
	}
	least, step := int64(0), int64(0)
	if d.Steps != nil {
		least, step = d.Steps(o.SKU)
	}
	if n := stepped(w.Units, least, step); n != w.Units {
		w = Wish{Units: n, Why: fmt.Sprintf("%s, and %s has from %d in steps of %d", w.Why, o.SKU, least, step)}
	}
	w.Asked = w.Units
	if w.Units <= o.Capacity {
		return w
	}
	bound := func(most int64, why string) {
		if most = under(most, least, step); most < w.Units {
			w.Units, w.Why = max(most, o.Capacity), why
		}
	}
	if d.Budget > 0 {
		if each := d.price(o); each > 0 {
			bound(int64(d.Budget/each), fmt.Sprintf("%d are wanted; %v an hour pay for %d at %v each", w.Units, d.Budget, d.Budget/each, each))
		} else {
			bound(o.Capacity, fmt.Sprintf("%d are wanted; no price of %s in %s is known to keep %v an hour", w.Units, o.SKU, o.Location, d.Budget))
		}
	}
	if a := b.AskUnits(o.Units, o.Capacity, w.Units); a.Known {
		bound(a.Free, "quota: "+a.String())
	}
	if n, known := b.Stock(o.Units); known {
		bound(o.Capacity+n, fmt.Sprintf("stock: %d are wanted, and %s has %d more than the %d there are", w.Units, o.Location, n, o.Capacity))
	}
	return w
}

// price is that of one unit for an hour; 0: not known.
func (d *Deployment) price(o Object) weir.Money {
	if d.Price == nil {
		return 0
	}
	return d.Price(o.SKU, o.Location)
}

// Unfit says that a configuration counts other units than a kind of deployment has.
func Unfit(provisioned bool, sku string) string {
	if provisioned {
		return "the file counts PTUs, and Azure has " + sku + ", which has none: write tokens_per_minute in place of ptu"
	}
	return "the file counts tokens_per_minute, and Azure has " + sku + ", whose units are PTUs: write ptu"
}

// stepped is the next valid size at or above n; under the last at or below it.
func stepped(n, least, step int64) int64 {
	if step <= 0 {
		return n
	}
	return least + (max(n, least)-least+step-1)/step*step
}

func under(n, least, step int64) int64 {
	if step <= 0 {
		return n
	}
	if n < least {
		return 0
	}
	return least + (n-least)/step*step
}

// does says whether a change of that kind is made without asking.
func (r Resize) does(from, to int64) bool {
	return r == Both || r == Up && to > from
}
