// Package azureopenai is the capacity of Azure OpenAI deployments: what Azure has,
// read from the deployment itself, and changed where that is allowed.
//
// It owns the object: its size, its limits, where Azure itself spills over. It
// refuses to know how much is needed (its caller says it) and what a request costs.
package azureopenai
