package wire

import (
	"reflect"
	"testing"
	"time"

	"weir"
	"weir/cheaper"
	"weir/config"
	"weir/gateway"
)

func TestCheaperIsTakenOverWhole(t *testing.T) {
	batch := weir.Batch
	have := cheaperOf(&config.Cheaper{Model: "s", Cascade: config.Cascade{MinConfidence: 80, Phrases: []string{"no"}, Within: time.Second},
		Rules: []config.CheaperRule{{How: "move", Share: 25, Class: "batch", Tag: "a", MaxPrompt: 7, Tools: true}, {How: "cascade", Share: 100}}})
	want := &gateway.Cheaper{Model: "s", Within: time.Second, Policy: cheaper.Policy{
		Rules:   []cheaper.Rule{{How: cheaper.Moved, Share: 0.25, Class: &batch, Tag: "a", MaxPrompt: 7, Tools: true}, {Share: 1}},
		Cascade: cheaper.Cascade{MinConfidence: 0.8, Phrases: []string{"no"}}}}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("%+v, want %+v", have, want)
	}
	if cheaperOf(nil) != nil {
		t.Error("without the key")
	}
	if g := gatewayTenant(&config.Tenant{}); !g.NotCheaper {
		t.Error("cheaper: false")
	}
}
