package gateway

import "weir/upstream/dialects"

// The protocols that the tests' callers speak, as weir serve has them.
var (
	protocols = surfaces(dialects.All())
	openAI    = dialects.Of("openai")
	azure     = dialects.Of("azureopenai")
	anthropic = dialects.Of("anthropic")
)
