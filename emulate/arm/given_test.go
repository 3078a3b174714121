package arm

import (
	"strings"
	"testing"
)

func TestEndpointsThatAreThereFromTheStart(t *testing.T) {
	r := start(t, Options{Endpoints: []Endpoint{{Name: "chat", Concurrency: 4, Instances: 2, Seconds: 90}, {Name: "chat", Deployment: "green"}}})
	if resp, body := r.score("chat", "/score", r.key("chat"), chat); resp.StatusCode != 200 || resp.Header.Get(headerDeployment) != "blue" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if took, err := r.scale("chat", "green", 2); err != nil || took == 0 {
		t.Errorf("%v after %v", err, took)
	}
	for what, e := range map[string][]Endpoint{
		"not a known size": {{Name: "chat", Size: "Standard_X"}},
		"letters":          {{Name: "1"}},
		"two deployments":  {{Name: "chat"}, {Name: "chat"}},
		"Not enough quota": {{Name: "chat", Instances: 50}},
	} {
		if _, err := New(Options{Endpoints: e}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
