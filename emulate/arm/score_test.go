package arm

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

const chat = `{"model":"llama-3.1-8b","max_tokens":4,"messages":[{"role":"user","content":"hello"}]}`

func percent(v int32) *int32 { return &v }

func TestScoringFollowsTrafficAndHeader(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	key := r.key("chat")
	for _, name := range []string{"blue", "green"} {
		if _, err := r.put("chat", name, managed(gpu, 1, 4, "PT90S")); err != nil {
			t.Fatal(err)
		}
	}
	if resp, body := r.score("chat", "/score", key, chat); resp.StatusCode != 404 {
		t.Errorf("without traffic: %d %s", resp.StatusCode, body)
	}
	if resp, body := r.score("chat", "/score", key, chat, headerDeployment, "green"); resp.StatusCode != 200 || resp.Header.Get(headerDeployment) != "green" || !strings.Contains(body, `"choices"`) {
		t.Errorf("by header: %d %s", resp.StatusCode, body)
	}
	if err := r.traffic("chat", map[string]*int32{"blue": percent(90), "green": percent(10)}, nil); err != nil {
		t.Fatal(err)
	}
	went := map[string]int{}
	for range 100 {
		resp, _ := r.score("chat", "/score", key, `{"data":[1]}`)
		went[resp.Header.Get(headerDeployment)]++
	}
	if went["blue"] != 90 || went["green"] != 10 {
		t.Errorf("of 100: %v", went)
	}
	if resp, body := r.score("chat", "/score", key, `{"data":[1]}`); resp.StatusCode != 200 || body != `{"emulated":true,"input":{"data":[1]}}`+"\n" {
		t.Errorf("any JSON: %d %s", resp.StatusCode, body)
	}
	if resp, body := r.score("chat", "/v1/chat/completions", key, strings.Replace(chat, "{", `{"stream":true,`, 1)); resp.StatusCode != 200 || !strings.Contains(body, "data: [DONE]") {
		t.Errorf("a stream: %d %s", resp.StatusCode, body)
	}
	if resp, _ := r.score("chat", "/score", "wrong", chat); resp.StatusCode != 401 {
		t.Errorf("a wrong key: %d", resp.StatusCode)
	}
}

func TestMirroredRequestsAreCopies(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	for _, name := range []string{"blue", "green"} {
		if _, err := r.put("chat", name, managed(gpu, 1, 50, "PT90S")); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.traffic("chat", map[string]*int32{"blue": percent(100)}, map[string]*int32{"green": percent(25)}); err != nil {
		t.Fatal(err)
	}
	key := r.key("chat")
	for range 40 {
		if resp, _ := r.score("chat", "/score", key, `{"data":[1]}`); resp.StatusCode != 200 || resp.Header.Get(headerDeployment) != "blue" {
			t.Errorf("%d by %s", resp.StatusCode, resp.Header.Get(headerDeployment))
		}
	}
	green := r.cloud.ofType("microsoft.machinelearningservices/workspaces/onlineendpoints/deployments")[1].server
	for green.counts().Mirrored < 10 { // a copy has no other sign
		time.Sleep(time.Millisecond)
	}
	if n := green.counts(); n.Mirrored != 10 || n.Served != 0 {
		t.Errorf("%+v", n)
	}
}

// Two requests at once for each that an instance serves; the next is refused.
func TestTheWallIsTwiceTheConcurrency(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if _, err := r.put("chat", "blue", managed(gpu, 2, 3, "PT90S")); err != nil {
		t.Fatal(err)
	}
	p := r.cloud.ofType("microsoft.machinelearningservices/workspaces/onlineendpoints/deployments")[0].server
	var all sync.WaitGroup
	ctx, leave := context.WithCancel(context.Background())
	taken := make(chan error, 12)
	for range 12 {
		all.Go(func() { _, err := p.take(ctx); taken <- err })
	}
	for range 6 {
		if err := <-taken; err != nil {
			t.Fatal(err)
		}
	}
	for p.counts().InFlight < 12 { // those that wait have no other sign
		time.Sleep(time.Millisecond)
	}
	if resp, body := r.score("chat", "/score", r.key("chat"), chat, headerDeployment, "blue"); resp.StatusCode != 429 || body != "Too many pending requests" {
		t.Errorf("the thirteenth: %d %s", resp.StatusCode, body)
	}
	leave()
	all.Wait()
	if n := p.counts(); n.InFlight != 6 || n.Most != 12 || n.Pending != 1 {
		t.Errorf("%+v", n)
	}
	for _, i := range p.all {
		for range 3 {
			p.give(i)
		}
	}
	if resp, _ := r.score("chat", "/score", r.key("chat"), chat, headerDeployment, "blue"); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

func TestWhatAContainerSaysIsInA424(t *testing.T) {
	r := start(t, Options{})
	r.endpoint("chat", ml.EndpointAuthModeKey)
	for name, timeout := range map[string]string{"blue": "PT90S", "hasty": "PT0.05S"} {
		if _, err := r.put("chat", name, managed(gpu, 1, 1, timeout)); err != nil {
			t.Fatal(err)
		}
	}
	key := r.key("chat")
	r.inject(Fault{Kind: "container", Status: 503, Resource: "chat/deployments/blue", Times: 1})
	resp, _ := r.score("chat", "/score", key, chat, headerDeployment, "blue")
	if resp.StatusCode != http.StatusFailedDependency || resp.Header.Get(headerInner) != "503" {
		t.Errorf("a container's 503: %d %v", resp.StatusCode, resp.Header)
	}
	resp, _ = r.score("chat", "/score", key, `{"model":"other","messages":[{"role":"user","content":"x"}]}`, headerDeployment, "blue")
	if resp.StatusCode != http.StatusFailedDependency || resp.Header.Get(headerInner) != "404" {
		t.Errorf("a container's own 404: %d %v", resp.StatusCode, resp.Header)
	}
	long := `{"model":"llama-3.1-8b","max_tokens":4000,"ignore_eos":true,"messages":[{"role":"user","content":"hello"}]}`
	if resp, body := r.score("chat", "/score", key, long, headerDeployment, "hasty"); resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("longer than request_timeout: %d %s", resp.StatusCode, body)
	}
}

func TestTokensOpenWhatTheyAreFor(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	r.endpoint("aml", ml.EndpointAuthModeAMLToken)
	r.endpoint("entra", ml.EndpointAuthModeAADToken)
	for _, e := range []string{"aml", "entra"} {
		if _, err := r.put(e, "blue", managed(gpu, 1, 1, "PT90S")); err != nil {
			t.Fatal(err)
		}
	}
	own, err := r.endpoints().GetToken(ctx, "weir", "weir", "aml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if life := time.Until(time.Unix(*own.ExpiryTimeUTC, 0)); life < 59*time.Minute || *own.RefreshAfterTimeUTC >= *own.ExpiryTimeUTC {
		t.Errorf("it lives for %v, and is to be fetched again at %d of %d", life, *own.RefreshAfterTimeUTC, *own.ExpiryTimeUTC)
	}
	of := func(scope string) string {
		token, err := r.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		if err != nil {
			t.Fatal(err)
		}
		return token.Token
	}
	ask := func(what, endpoint, token string, want int) {
		t.Helper()
		if resp, body := r.score(endpoint, "/score", token, chat, headerDeployment, "blue"); resp.StatusCode != want {
			t.Errorf("%s: %d %s", what, resp.StatusCode, body)
		}
	}
	ask("the endpoint's own token", "aml", *own.AccessToken, 200)
	ask("that token elsewhere", "entra", *own.AccessToken, 401)
	ask("a token for scoring", "entra", of("https://ml.azure.com/.default"), 200)
	ask("a token for the control plane", "entra", of("https://management.azure.com/.default"), 401)
	if _, err := r.endpoints().ListKeys(ctx, "weir", "weir", "aml", nil); code(err) != "BadArgument" {
		t.Errorf("its keys: %v", err)
	}
	r.cloud.ExpireTokens()
	ask("a token that has expired", "aml", *own.AccessToken, 401)
	if _, err := r.endpoints().Get(ctx, "weir", "weir", "aml", nil); code(err) != "ExpiredAuthenticationToken" {
		t.Errorf("the control plane: %v", err)
	}
}
