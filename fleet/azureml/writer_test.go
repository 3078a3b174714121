package azureml_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
	mlfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
	monitorfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor/fake"

	"weir/azure"
	"weir/fleet/azureml"
)

// services are the SDKs' own fakes, each for its part of Resource Manager.
type services struct{ ml, monitor policy.Transporter }

func (s services) Do(r *http.Request) (*http.Response, error) {
	if strings.Contains(strings.ToLower(r.URL.Path), "/microsoft.insights/") {
		return s.monitor.Do(r)
	}
	return s.ml.Do(r)
}

// faked is an account whose deployment chat/blue is there, with an autoscale setting.
func faked(t *testing.T, target string, enabled bool, status int) *azure.Account {
	t.Helper()
	endpoints := mlfake.OnlineEndpointsServer{
		Get: func(context.Context, string, string, string, *ml.OnlineEndpointsClientGetOptions) (r azfake.Responder[ml.OnlineEndpointsClientGetResponse], e azfake.ErrorResponder) {
			r.SetResponse(http.StatusOK, ml.OnlineEndpointsClientGetResponse{OnlineEndpoint: ml.OnlineEndpoint{Properties: &ml.OnlineEndpointProperties{ScoringURI: to.Ptr("https://chat.x.inference.ml.azure.com/score")}}}, nil)
			return r, e
		},
	}
	deployments := mlfake.OnlineDeploymentsServer{
		Get: func(context.Context, string, string, string, string, *ml.OnlineDeploymentsClientGetOptions) (r azfake.Responder[ml.OnlineDeploymentsClientGetResponse], e azfake.ErrorResponder) {
			d := managed(2, 4)
			d.Properties.(*ml.ManagedOnlineDeployment).ProvisioningState = to.Ptr(ml.DeploymentProvisioningStateSucceeded)
			r.SetResponse(http.StatusOK, ml.OnlineDeploymentsClientGetResponse{OnlineDeployment: d}, nil)
			return r, e
		},
	}
	settings := monitorfake.AutoscaleSettingsServer{
		NewListByResourceGroupPager: func(string, *armmonitor.AutoscaleSettingsClientListByResourceGroupOptions) (r azfake.PagerResponder[armmonitor.AutoscaleSettingsClientListByResourceGroupResponse]) {
			if status != http.StatusOK {
				r.AddResponseError(status, "AuthorizationFailed")
				return r
			}
			r.AddPage(http.StatusOK, armmonitor.AutoscaleSettingsClientListByResourceGroupResponse{AutoscaleSettingResourceCollection: armmonitor.AutoscaleSettingResourceCollection{
				Value: []*armmonitor.AutoscaleSettingResource{{Location: to.Ptr("swedencentral"), Name: to.Ptr("nightly"), Properties: &armmonitor.AutoscaleSetting{
					Name: to.Ptr("nightly"), Enabled: &enabled, TargetResourceURI: &target, Profiles: []*armmonitor.AutoscaleProfile{},
				}}},
			}}, nil)
			return r
		},
	}
	a, err := azure.New(azure.Options{Subscription: subscription, Credential: &azfake.TokenCredential{}, Transport: services{
		ml:      mlfake.NewServerFactoryTransport(&mlfake.ServerFactory{OnlineEndpointsServer: endpoints, OnlineDeploymentsServer: deployments}),
		monitor: monitorfake.NewServerFactoryTransport(&monitorfake.ServerFactory{AutoscaleSettingsServer: settings}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// An enabled autoscale setting for the deployment is another writer, however its
// address is spelled; one that is off, or for another, is not. Where it may not be
// read, that is a doubt.
func TestAnAutoscaleSettingIsAnotherWriter(t *testing.T) {
	const blueID = "/subscriptions/" + subscription + "/resourceGroups/WEIR/providers/microsoft.machinelearningservices/workspaces/weir/onlineEndpoints/chat/deployments/blue"
	check := func(a *azure.Account) error {
		return azureml.Check(t.Context(), azureml.Options{Account: a, Deployments: []azureml.Deployment{blue()}})
	}
	if err := check(faked(t, blueID, true, http.StatusOK)); !errors.Is(err, azureml.ErrHeld) || !strings.Contains(err.Error(), "autoscale setting nightly") {
		t.Error(err)
	}
	if err := check(faked(t, blueID, false, http.StatusOK)); err != nil {
		t.Error(err)
	}
	if err := check(faked(t, strings.Replace(blueID, "blue", "green", 1), true, http.StatusOK)); err != nil {
		t.Error(err)
	}
	found, err := azureml.Examine(t.Context(), azureml.Options{Account: faked(t, blueID, true, http.StatusForbidden), Deployments: []azureml.Deployment{blue()}})
	if err != nil || len(found) != 1 || !found[0].Doubt || !strings.Contains(found[0].Err.Error(), "microsoft.insights/autoscalesettings/read") {
		t.Errorf("%+v, %v", found, err)
	}
}

// One that appears while Weir runs is found before the next write: nothing is
// written, and the setting is named.
func TestAnAutoscaleSettingStopsTheNextWrite(t *testing.T) {
	const blueID = "/subscriptions/" + subscription + "/resourceGroups/weir/providers/Microsoft.MachineLearningServices/workspaces/weir/onlineEndpoints/chat/deployments/blue"
	f, err := azureml.New(azureml.Options{Account: faked(t, blueID, true, http.StatusOK), Deployments: []azureml.Deployment{blue()}, Pace: azureml.Pace{Idle: quick.Idle, Busy: quick.Busy}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	// The fake has no writes: one would be an error that is not ErrHeld.
	var last error
	if !settle(func() bool {
		last = f.Scale(t.Context(), "chat/blue", 3, nil)
		return errors.Is(last, azureml.ErrHeld) && strings.Contains(last.Error(), "autoscale setting nightly")
	}) {
		t.Fatalf("at the end: %v", last)
	}
	if rs, err := f.Status(t.Context(), "chat/blue"); err != nil || len(rs) != 1 || rs[0].Size() != 2 || rs[0].Addr != "https://chat.x.inference.ml.azure.com" {
		t.Errorf("%+v, %v", rs, err)
	}
}
