package arm

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"weir/emulate"
)

// operator asks one of the paths that Azure does not have.
func (r *rig) operator(method, path, body string) int {
	r.Helper()
	req, err := http.NewRequest(method, r.url+"/emulator/"+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// A fault that could never strike, or never go away, is refused.
func TestFaultsThatMakeNoSense(t *testing.T) {
	r := start(t, Options{})
	for _, f := range []string{
		`{"kind":"throttle","location":"swedencentral"}`, `{"kind":"throttle","sku":"S0"}`, `{"kind":"throttle","retry_after":"0s"}`, `{"kind":"throttle","retry_after":"-5s"}`,
		`{"kind":"region","method":"GET"}`, `{"kind":"region","resource":"chat"}`, `{"kind":"hang","times":1}`, `{"kind":"fail","times":-1}`, `{"kind":"fail","status":200}`, `{"kind":"fail","colour":"red"}`,
	} {
		if status := r.operator("PUT", "faults", "["+f+"]"); status != 400 {
			t.Errorf("%s: %d", f, status)
		}
	}
}

// The clock never goes back and limits stay within their number.
func TestTheOperatorsBounds(t *testing.T) {
	r := start(t, Options{})
	began := r.cloud.clock.now()
	for range 3 {
		if status := r.operator("POST", "clock", `{"advance":"800000h"}`); status != 204 {
			t.Error(status)
		}
		if now := r.cloud.clock.now(); now.Before(began) || now.Sub(began) > maxAhead {
			t.Errorf("it is %v", now)
		}
	}
	if status := r.operator("POST", "clock", `{"advance":"2000000h"}`); status != 400 {
		t.Error(status)
	}
	if status := r.operator("PUT", "quota", `{"cores":-1}`); status != 400 {
		t.Error(status)
	}
	var b strings.Builder
	for i := range maxLimits {
		fmt.Fprintf(&b, `,"a%d":1`, i)
	}
	many := "{" + b.String()[1:] + "}"
	if first, second := r.operator("PUT", "quota", many), r.operator("PUT", "quota", `{"one more":1}`); first != 204 || second != 400 {
		t.Errorf("%d %d", first, second)
	}
	r.cloud.limits = map[string]int{}
	update := "/subscriptions/" + r.cloud.o.Subscription + "/providers/Microsoft.MachineLearningServices/locations/swedencentral/updateQuotas?api-version=1"
	for id, want := range map[string]string{
		"/workspaces/none/quotas/StandardNCADSA100v4Family": `"Failure"`, "/workspaces/weir/quotas/none": `"InvalidVMFamilyName"`, "/workspaces/weir/quotas/standardNCADSA100v4family": `"Success"`,
	} {
		if _, _, body := r.rest("POST", update, `{"value":[{"id":"`+id+`","limit":24}]}`); !strings.Contains(body, want) {
			t.Errorf("%s: %s", id, body)
		}
	}
	if len(r.cloud.limits) != 1 {
		t.Error(r.cloud.limits)
	}
}

// At the highest speed the clock stands at its end.
func TestTheClockEnds(t *testing.T) {
	c := newClock(Options{Speed: maxSpeed * 1e12})
	if now := c.now(); now.Before(time.Now()) || time.Until(now) > maxAhead {
		t.Error(now)
	}
}

func TestAResourceStaysWithinTheSizeOfABody(t *testing.T) {
	r := start(t, Options{Endpoints: []Endpoint{{Name: "chat"}}})
	big := func(name string) string {
		return `{"tags":{"` + name + `":"` + strings.Repeat("x", maxBody*2/3) + `"}}`
	}
	path := "/onlineEndpoints/chat/deployments/blue?api-version=1"
	if status, _, _ := r.raw("PATCH", path, big("a")); status != 202 {
		t.Error(status)
	}
	r.advance(time.Hour)
	if status, _, _ := r.raw("PATCH", path, big("b")); status != 413 {
		t.Error(status)
	}
}

// A lost region is that of the resource, wherever it is, and of its operations.
func TestALostRegionIsThatOfTheResource(t *testing.T) {
	r := start(t, Options{})
	group := func(location string) string {
		return `{"location":"` + location + `","properties":{"osType":"Linux","containers":[{"name":"c","properties":{"image":"i","resources":{"requests":{"cpu":1,"memoryInGB":1}}}}]}}`
	}
	r.below("PUT", groupType, "here", group("swedencentral"))
	r.below("PUT", groupType, "west", group("West Europe"))
	r.advance(time.Hour)
	_, h, _ := r.rest("DELETE", r.cloud.addressOf(groupType, "west")+"?api-version=1", "")
	at, err := url.Parse(h.Get("Azure-Asyncoperation"))
	if err != nil || !strings.Contains(at.Path, "/locations/westeurope/") {
		t.Error(at, err)
	}
	for lost, want := range map[string][3]int{"westeurope": {200, 503, 503}, "swedencentral": {503, 200, 200}} {
		r.inject(Fault{Kind: "region", Location: lost})
		here, _ := r.below("GET", groupType, "here", "")
		west, _ := r.below("GET", groupType, "west", "")
		op, _, _ := r.rest("GET", at.RequestURI(), "")
		if [3]int{here, west, op} != want {
			t.Errorf("%s is lost: here %d, in the west %d, its operation %d", lost, here, west, op)
		}
	}
}

// What is not ready has no keys and takes nothing below it.
func TestNothingOfWhatIsNotReady(t *testing.T) {
	r := start(t, Options{})
	for _, action := range []string{"listKeys", "regenerateKeys", "token"} {
		r.raw("PUT", "/onlineEndpoints/chat?api-version=1", `{"properties":{"authMode":"Key"}}`)
		if status, _, body := r.raw("POST", "/onlineEndpoints/chat/"+action+"?api-version=1", `{"keyType":"Primary"}`); status != 409 {
			t.Errorf("%s: %d %s", action, status, body)
		}
	}
	r.inject(Fault{Kind: "fail", Times: 1})
	const accounts = "Microsoft.CognitiveServices/accounts"
	r.below("PUT", accounts, "other", `{"location":"swedencentral","kind":"OpenAI","sku":{"name":"S0"}}`)
	r.advance(time.Hour)
	for _, path := range []string{"other/listKeys", "other/deployments/d"} {
		method := "POST"
		if strings.Contains(path, "deployments") {
			method = "PUT"
		}
		if status, body := r.below(method, accounts, path, `{"sku":{"name":"Standard","capacity":1},"properties":{"model":{"format":"OpenAI","name":"gpt-4o"}}}`); status != 409 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := r.below("DELETE", accounts, "other", ""); status != 202 {
		t.Errorf("%d %s", status, body)
	}
	r.advance(time.Hour)
	if status, _ := r.below("GET", accounts, "other", ""); status != 404 {
		t.Error(status)
	}
}

// The tokens of an endpoint come from the endpoint only, and carry no key.
func TestEntraHandsOutNoTokensOfEndpoints(t *testing.T) {
	r := start(t, Options{})
	scope := ownTokens + lower(r.cloud.addressOf("Microsoft.MachineLearningServices/workspaces", "weir")) + "/onlineendpoints/chat"
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"x"}, "scope": {scope + "/.default"}}
	resp, err := r.http.PostForm(r.url+"/"+r.cloud.o.Tenant+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != 400 {
		t.Error(resp.StatusCode)
	}
	req, _ := http.NewRequest(http.MethodGet, r.url+"/msi/token?resource="+url.QueryEscape(scope), nil)
	req.Header.Set("X-Identity-Header", "x")
	if resp, err = r.http.Do(req); err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != 400 {
		t.Error(resp.StatusCode)
	}
}

// A stock-out of Azure OpenAI is matched as any fault is, and used up.
func TestAStockOutOfOpenAIIsUsedUp(t *testing.T) {
	r := start(t, Options{})
	r.inject(Fault{Kind: "stockout", Resource: "/deployments/one", Times: 1})
	if err := r.capacity("two", "GlobalStandard", "gpt-4o", 10, ""); err != nil {
		t.Error(err)
	}
	if err := r.capacity("one", "GlobalStandard", "gpt-4o", 10, ""); code(err) != "InsufficientCapacity" {
		t.Error(err)
	}
	if err := r.capacity("one", "GlobalStandard", "gpt-4o", 10, ""); err != nil {
		t.Error(err)
	}
	if err := r.capacity("three", "ProvisionedManaged", "llama-3.3-70b", 100, ""); code(err) != "DeploymentModelNotSupported" {
		t.Errorf("a SKU that the model has not: %v", err)
	}
	r.inject(Fault{Kind: "stockout", SKU: "GlobalProvisionedManaged"})
	if err := r.capacity("one", "GlobalProvisionedManaged", "gpt-4o", 15, ""); code(err) != "InsufficientCapacity" {
		t.Errorf("fewer units of another SKU: %v", err)
	}
}

// The rate limits that are shown are those that are admitted.
func TestRateLimitsAreThoseOfTheDataPlane(t *testing.T) {
	a, err := emulate.NewAzure(emulate.AzureOptions{Grows: true, Deployments: []emulate.AzureDeployment{{Name: "std", Model: "gpt-4o", SKU: "GlobalStandard", TPM: 450_500, RPM: 600}}})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, Options{OpenAI: a})
	d, err := r.openAI().Get(context.Background(), "weir", "weir-openai", "std", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range d.Properties.RateLimits {
		if want := map[string]float32{"request": 100, "token": 450_500}[*l.Key]; *l.Count != want {
			t.Errorf("%s: %v, want %v", *l.Key, *l.Count, want)
		}
	}
	if err := r.resize("std", "GlobalStandard", 500); err != nil {
		t.Fatal(err)
	}
	if status, _ := r.below("DELETE", "Microsoft.CognitiveServices/accounts", "weir-openai", ""); status != 202 {
		t.Error(status)
	}
	r.advance(time.Hour)
	r.below("GET", "Microsoft.CognitiveServices/accounts", "weir-openai", "")
	if n := len(a.Deployments()); n != 0 {
		t.Errorf("%d deployments of an account that is gone", n)
	}
}

// The states of an Azure OpenAI deployment are those of its SDK, which has no
// Updating.
func TestAResizeIsAccepted(t *testing.T) {
	r := start(t, Options{})
	if err := r.capacity("one", "GlobalStandard", "gpt-4o", 1, ""); err != nil {
		t.Fatal(err)
	}
	if _, tpm := r.perSecond("one"); tpm != 1000 {
		t.Errorf("%d tokens a minute", tpm)
	}
	if _, body := r.below("PATCH", "Microsoft.CognitiveServices/accounts", "weir-openai/deployments/one", `{"sku":{"name":"GlobalStandard","capacity":20}}`); !strings.Contains(body, `"provisioningState":"Accepted"`) {
		t.Error(body)
	}
}
