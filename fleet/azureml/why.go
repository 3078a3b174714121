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
	statusThrottled = http.StatusTooManyRequests
)

// errDefinition: a definition does not let a deployment go or come back.
var errDefinition = errors.New("its definition")

// refused says whether Azure, or its definition, refused a write: for what it is, or
// because Weir has no right to it. The same one would be refused again. Anything else is
// trouble on the way.
func refused(err error) bool {
	return errors.Is(err, errDefinition) || final(err)
}

// forgotten says whether Azure will not say how an operation goes: it does not know
// it any more, or Weir may not ask.
func forgotten(err error) bool { return final(err) }

// final says whether the same request would have the same answer again.
func final(err error) bool {
	switch s := status(err); s {
	case http.StatusUnauthorized, http.StatusRequestTimeout, statusThrottled:
		return false
	default:
		return s >= 400 && s < 500
	}
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
