package gateway

import (
	"fmt"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// Units that cost more than tokens do. A deployment whose tokens cost something
// serves them only where they have a price: otherwise they would be booked for
// less than they are billed at.
var (
	soundWord = []byte(`"audio"`)       // among the modalities asked for
	soundPart = []byte(`"input_audio"`) // a part of a message
)

// unpriced says what the request asks for that has no price at a deployment, as
// the failure of an attempt there; nil: nothing.
func (c *call) unpriced(t *target) *failure {
	a := &c.ask
	if a.tier.absent() && a.speed.absent() && !a.spoken {
		return nil
	}
	refuse := func(param, what, remedy string) *failure {
		return &failure{problem: &problem{is: errUnpriced, param: param,
			message: fmt.Sprintf("%s has no price at the deployment %q, and would be billed at another than is booked: leave it out, or have price.%s set", what, t.Name, remedy)},
			result: dispatch.Rejected, retry: true}
	}
	word := quotedText(c.body, a.tier)
	switch tier := upstream.TierOf([]byte(word)); {
	case !t.Rates.Prices(tier):
		remedy := tier.String()
		if tier == weir.OtherTier {
			remedy = "priority or flex, and one of them asked for,"
		}
		return refuse("service_tier", fmt.Sprintf("service_tier %q", shortened(word)), remedy)
	case quotedText(c.body, a.speed) == "fast" && !t.Rates.Prices(weir.OtherTier):
		return refuse("speed", `speed "fast"`, "catalogue or prompt as it is for that model, on a deployment of its own,")
	case a.spoken && !t.Rates.PricesAudio():
		return refuse("modalities", "sound", "audio_prompt and audio_completion")
	}
	return nil
}
