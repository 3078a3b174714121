package azureml

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"weir/fleet"
)

const (
	statusForbidden = http.StatusForbidden
	statusConflict  = http.StatusConflict
)

// errDefinition: a definition does not let a deployment go or come back.
var errDefinition = errors.New("its definition")

// refused says whether Azure, or its definition, refused a write for what it is:
// the same one would be refused again. Anything else is trouble on the way.
func refused(err error) bool {
	s := status(err)
	return errors.Is(err, errDefinition) || s >= 400 && s < 500 && s != http.StatusTooManyRequests && s != http.StatusUnauthorized && s != statusForbidden
}

// words are those for the codes with which an operation ends (Microsoft,
// "Troubleshoot online endpoint deployment and scoring").
// Any other code is the provider's own failure.
var words = map[string]string{
	"OutOfCapacity":                    fleet.WhyStock,
	"OutOfQuota":                       fleet.WhyQuota,
	"QuotaExceeded":                    fleet.WhyQuota,
	"BadArgument":                      fleet.WhySetup,
	"ResourceNotFound":                 fleet.WhySetup,
	"SecretsInjectionError":            fleet.WhySetup,
	"WorkspaceManagedNetworkNotReady":  fleet.WhySetup,
	"ResourceNotReady":                 fleet.WhyCrash,
	"ImageBuildFailure":                fleet.WhyImage,
	"AuthorizationFailed":              fleet.WhyDenied,
	"RequestDisallowedByPolicy":        fleet.WhyDenied,
	"ContainerRegistryAccessForbidden": fleet.WhyImage,
}

// why is the word and the text for an operation that failed. For containers that
// did not start, the text ends with their log.
func (e *endpoint) why(ctx context.Context, t *target, err error) trouble {
	if errors.Is(err, errDefinition) {
		return trouble{fleet.WhySetup, err.Error()}
	}
	a := e.f.calls.account
	said, _ := a.Explain(err)
	out := trouble{words[said.Code], a.Reason(err)}
	switch {
	case out.why == "":
		out.why = fleet.WhyProvider
	case out.why == fleet.WhyQuota && strings.Contains(strings.ToLower(said.Message), "region-wide"):
		out.why = fleet.WhyStock // "Region-wide VM capacity" is no quota
	case out.why == fleet.WhyCrash:
		if log := e.f.calls.logs(ctx, e.at, t.name); log != "" {
			out.text += "; the end of its log: " + log
		}
	}
	return out
}
