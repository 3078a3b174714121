package aci

import (
	"net/http"
	"strings"

	"weir/azure"
	"weir/fleet"
)

// trouble is why a group did not come: a word of package fleet, and a text for people.
type trouble struct{ why, text string }

// words are those for the codes with which Azure refuses a group or gives it up; those for images, rights and capacity are not checked against Microsoft's documents
// (decision 49). Any other code of a refusal is a fault of the description, and
// any other of a failure the provider's own.
var words = map[string]string{
	"ContainerGroupQuotaReached":      fleet.WhyQuota,
	"QuotaExceeded":                   fleet.WhyQuota,
	"ServiceUnavailable":              fleet.WhyStock,
	"InsufficientCapacity":            fleet.WhyStock,
	"InaccessibleImage":               fleet.WhyImage,
	"RegistryErrorResponse":           fleet.WhyImage,
	"InvalidImage":                    fleet.WhyImage,
	"AuthorizationFailed":             fleet.WhyDenied,
	"LinkedAuthorizationFailed":       fleet.WhyDenied,
	"RequestDisallowedByPolicy":       fleet.WhyDenied,
	"InvalidContainerGroup":           fleet.WhySetup,
	"ResourceRequestsExceedLimit":     fleet.WhySetup,
	"ContainerGroupDeploymentTimeout": fleet.WhySlowStart,
}

// transition is the code of a group that Azure still works on: it is waited for.
const transition = "ContainerGroupTransitioning"

// why is the word and the text for a creation that failed.
func why(a *azure.Account, d *Deployment, err error) trouble {
	said, _ := a.Explain(err)
	out := trouble{words[said.Code], d.hide(a.Reason(err))}
	switch {
	case out.why != "":
	case strings.Contains(strings.ToLower(said.Code), "quota"):
		out.why = fleet.WhyQuota
	case said.Status == http.StatusForbidden:
		out.why = fleet.WhyDenied
	case said.Status == http.StatusBadRequest:
		out.why = fleet.WhySetup
	default:
		out.why = fleet.WhyProvider
	}
	return out
}

// refused says whether Azure refused a group for what it is or for what there is: the
// same request would be refused again. Anything else is trouble on the way.
func refused(a *azure.Account, err error) bool {
	said, ok := a.Explain(err)
	return ok && (words[said.Code] != "" || said.Status >= 400 && said.Status < 500 && said.Status != http.StatusTooManyRequests && said.Status != http.StatusUnauthorized)
}

// inTransition says whether Azure still works on a group and takes no other request.
func inTransition(a *azure.Account, err error) bool {
	said, ok := a.Explain(err)
	return ok && said.Status == http.StatusConflict && said.Code == transition
}
