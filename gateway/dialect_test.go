package gateway

import "weir/upstream/dialects"

// The protocols that the tests' callers speak, in the order of weir serve.
var (
	protocols = surfaces(dialects.All())
	openAI    = dialects.Of("openai")
	azure     = dialects.Of("azureopenai")
	anthropic = dialects.Of("anthropic")
)
