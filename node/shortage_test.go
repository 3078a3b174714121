package node

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/control"
	"weir/dispatch"
	"weir/scale"
)

// A shortage is what quota and stock-out take from a decision. It is told to
// the gateway at each decision, logged when it changes, and ends.
func TestAShortageIsToldUntilItEnds(t *testing.T) {
	var log bytes.Buffer
	var told []dispatch.Shortage
	var shown []string
	s := newShortages(func(_ string, d dispatch.Shortage) { told = append(told, d) }, slog.New(slog.NewTextHandler(&log, nil)))
	s.announce = func(deployment, why, text string) {
		shown = append(shown, strings.Join([]string{deployment, why, text}, "|"))
	}
	again := time.Unix(2000, 0)
	decided := func(at int64, b bound, rs ...scale.Reason) {
		e := control.Event{Deployment: "d", Decision: scale.Decision{Have: 1, Reasons: rs}, State: scale.State{Breaker: scale.Breaker{Until: weir.At(again)}}}
		e.Observation.Now = weir.At(time.Unix(at, 0))
		s.decided(e, b)
	}
	need := scale.Reason{Rule: scale.RuleBacklog, From: 1, To: 4}
	decided(1000, bound{most: 2, why: "unschedulable", text: "one node"}, need, scale.Reason{Rule: scale.RuleQuota, From: 4, To: 2, Note: "quota 2"})
	decided(1002, bound{most: 2, why: "unschedulable", text: "one node"}, need, scale.Reason{Rule: scale.RuleQuota, From: 4, To: 2, Note: "quota 2"})
	all := s.all()
	if len(all) != 1 || all[0].Missing != 2 || all[0].Why != "unschedulable" || all[0].Text != "one node" || all[0].Since != time.Unix(1000, 0).UTC() || all[0].Again != nil {
		t.Errorf("%+v", all)
	}
	if ls := s.levels(); len(ls) != 1 || ls[0].Missing != 2 || ls[0].Why != "unschedulable" {
		t.Errorf("%+v", ls)
	}
	// A place that says nothing of its bounds: the rule's own words.
	decided(1004, bound{}, need, scale.Reason{Rule: scale.RuleStockOut, From: 4, To: 1, Note: "none left"})
	if d := told[len(told)-1]; d.Why != "stock-out" || d.Text != "none left" || d.Again != weir.At(again) || !s.bounded("d") {
		t.Errorf("%+v", d)
	}
	decided(1010, bound{}, need)
	if len(s.all()) > 0 || s.bounded("d") || told[len(told)-1] != (dispatch.Shortage{}) || len(told) != 4 {
		t.Errorf("%+v, told %+v", s.all(), told)
	}
	decided(1012, bound{}) // nothing new: nothing is told
	if lines := strings.Count(log.String(), "replicas cannot come"); len(told) != 4 || lines != 2 {
		t.Errorf("told %+v, logged %d times:\n%s", told, lines, log.String())
	}
	if want := []string{"d|unschedulable|2 replicas that are needed cannot come: one node", "d|stock-out|3 replicas that are needed cannot come: none left",
		"d||after 10s replicas can come again, or are no longer needed"}; !slices.Equal(shown, want) {
		t.Errorf("the place is to show %q, want %q", shown, want)
	}
	decided(1014, bound{}, need, scale.Reason{Rule: scale.RuleQuota, From: 4, To: 1})
	s.forget(func(string) bool { return false })
	if len(s.all()) > 0 || told[len(told)-1] != (dispatch.Shortage{}) {
		t.Errorf("%+v after it was forgotten", s.all())
	}
}

// Callers of every gateway hear of a shortage that the leader alone has found. A
// gateway that leads itself goes by its own decisions.
func TestFollowersTellTheLeadersShortages(t *testing.T) {
	short := map[string]dispatch.Shortage{}
	newOne := func() *shortages {
		return newShortages(func(name string, d dispatch.Shortage) { short[name] = d }, slog.New(slog.DiscardHandler))
	}
	leader, follower := newOne(), newOne()
	leader.lead(true)
	e := control.Event{Deployment: "a", Decision: scale.Decision{Reasons: scale.Reasons{{Rule: scale.RuleQuota, From: 4, To: 2}}}}
	e.Observation.Now = weir.At(time.Unix(1000, 0))
	leader.decided(e, bound{most: 2, why: "quota", text: "quota gpus", again: time.Unix(1030, 0)})
	said := leader.bounds([]string{"a", "b", "c"}, func(name string) bool { return name != "c" }) // b: its own max
	clear(short)
	f := func(name, why string, full bool) {
		t.Helper()
		if short[name].Why != why || follower.full(name) != full {
			t.Errorf("%s: short of %+v, full %v; want %q, %v", name, short[name], follower.full(name), why, full)
		}
	}
	follower.follow(said)
	f("a", "quota", true)
	f("b", "", true)
	f("c", "", false)
	if have := short["a"]; have.Text != "quota gpus" || have.Again != weir.At(time.Unix(1030, 0)) {
		t.Errorf("%+v", have)
	}
	if len(follower.all()) > 0 {
		t.Errorf("%+v: the leader's metrics have it", follower.all())
	}
	follower.follow(nil)
	f("a", "", false)
	follower.follow(said)
	follower.lead(true)
	f("a", "", false)
	follower.follow(said) // a round that began before the term
	f("a", "", false)
	follower.lead(false)
	follower.follow(said)
	f("a", "quota", true)
}
