package gateway

import (
	"fmt"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// Units that cost more than tokens. A deployment with priced tokens serves them only if
// they have a price too: otherwise they would be booked for less than they are billed.
var soundWord = []byte(`"audio"`) // in the requested modalities

// unpriced returns a failure if the request needs a unit without a price at the
// deployment; nil if it does not.
func (c *call) unpriced(t *target) *failure {
	a := &c.ask
	silent := t.Rates.PricesAudio() || !a.spoken && !c.sendsSound()
	if a.tier.Absent() && a.speed.Absent() && silent {
		return nil
	}
	refuse := func(param, what, remedy string) *failure {
		return &failure{problem: &problem{is: errUnpriced, param: param,
			message: fmt.Sprintf("%s has no price at the deployment %q, so its cost would be wrong: leave it out, or have price.%s set", what, t.Name, remedy)},
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
	case !silent:
		return refuse("modalities", "sound", "audio_prompt and audio_completion")
	}
	return nil
}

// sendsSound says whether a part of the prompt is sound.
func (c *call) sendsSound() bool {
	p := c.ask.prompt
	return !p.Absent() && c.body[p.From] == '[' && c.ask.words&soundParts != 0
}
