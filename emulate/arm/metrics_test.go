package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azmetrics"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

func TestMetricsSayWhatIsThere(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	r.endpoint("chat", ml.EndpointAuthModeKey)
	if _, err := r.put("chat", "blue", managed(gpu, 2, 1, "PT5S")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.deployments().BeginUpdate(ctx, "weir", "weir", "chat", "blue", ml.PartialMinimalTrackedResourceWithSKU{SKU: &ml.PartialSKU{Capacity: to.Ptr[int32](5)}}, nil); err != nil {
		t.Fatal(err)
	}
	d, err := r.deployments().Get(ctx, "weir", "weir", "chat", "blue", nil)
	if err != nil {
		t.Fatal(err)
	}
	o := r.client()
	o.Cloud.Services[azmetrics.ServiceName] = cloud.ServiceConfiguration{Audience: "https://metrics.monitor.azure.com"}
	client, err := azmetrics.NewClient(r.url, r.cred, &azmetrics.ClientOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.QueryResources(ctx, r.cloud.o.Subscription, "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
		[]string{"DeploymentCapacity"}, azmetrics.ResourceIDList{ResourceIDs: []string{*d.ID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]float64{}
	for _, s := range got.Values[0].Values[0].TimeSeries {
		by[*s.MetadataValues[0].Value] = *s.Data[0].Average
	}
	if by["Ready"] != 2 || by["Creating"] != 3 {
		t.Errorf("instances by state: %v", by)
	}
	if err := r.capacityAfter(20*time.Minute, "ptu", "GlobalProvisionedManaged", "gpt-4o", 15); err != nil {
		t.Fatal(err)
	}
	account := r.cloud.addressOf("Microsoft.CognitiveServices/accounts", "weir-openai")
	got, err = client.QueryResources(ctx, r.cloud.o.Subscription, "Microsoft.CognitiveServices/accounts", []string{"AzureOpenAIProvisionedManagedUtilizationV2"}, azmetrics.ResourceIDList{ResourceIDs: []string{account}}, nil)
	if err != nil || len(got.Values[0].Values[0].TimeSeries) != 1 || *got.Values[0].Values[0].TimeSeries[0].MetadataValues[0].Value != "ptu" {
		t.Errorf("utilisation: %v %v", got.Values, err)
	}
}

func (r *rig) capacityAfter(d time.Duration, name, sku, model string, n int32) error {
	r.advance(d)
	return r.capacity(name, sku, model, n, "")
}

func TestABatchJobIsFollowedToItsEnd(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	endpoints, err := ml.NewBatchEndpointsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	deployments, err := ml.NewBatchDeploymentsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := ml.NewJobsClient(r.cloud.o.Subscription, r.cred, r.arm())
	if err != nil {
		t.Fatal(err)
	}
	e := ml.BatchEndpoint{Location: to.Ptr("swedencentral"), Properties: &ml.BatchEndpointProperties{AuthMode: to.Ptr(ml.EndpointAuthModeAADToken)}}
	p, err := endpoints.BeginCreateOrUpdate(ctx, "weir", "weir", "nightly", e, nil)
	if _, _, err = wait(r, p, err); err != nil {
		t.Fatal(err)
	}
	d, err := deployments.BeginCreateOrUpdate(ctx, "weir", "weir", "nightly", "one", ml.BatchDeployment{Location: to.Ptr("swedencentral"), Properties: &ml.BatchDeploymentProperties{Compute: to.Ptr("cluster")}}, nil)
	if _, _, err = wait(r, d, err); err != nil {
		t.Fatal(err)
	}
	e.Properties.Defaults = &ml.BatchEndpointDefaults{DeploymentName: to.Ptr("one")}
	p, err = endpoints.BeginCreateOrUpdate(ctx, "weir", "weir", "nightly", e, nil)
	made, _, err := wait(r, p, err)
	if err != nil {
		t.Fatal(err)
	}
	token, err := r.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://ml.azure.com/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	invoke := func() string {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, *made.Properties.ScoringURI, bytes.NewReader([]byte(
			`{"properties":{"InputData":{"in":{"JobInputType":"UriFolder","Uri":"https://a/b"}},"OutputData":{"score":{"JobOutputType":"UriFile","Uri":"azureml://x/y.csv"}}}}`)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token.Token)
		resp, err := r.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		var v struct{ Name string }
		if err != nil || resp.StatusCode != http.StatusCreated || json.Unmarshal(b, &v) != nil {
			t.Fatalf("%d %s %v", resp.StatusCode, b, err)
		}
		return v.Name
	}
	status := func(name string) ml.JobStatus {
		t.Helper()
		j, err := jobs.Get(ctx, "weir", "weir", name, nil)
		if err != nil {
			t.Fatal(err)
		}
		job := j.Properties.(*ml.PipelineJob)
		if out, ok := job.Outputs["score"].(*ml.URIFileJobOutput); !ok || *out.URI != "azureml://x/y.csv" {
			t.Errorf("its output: %+v", job.Outputs)
		}
		return *job.Status
	}
	one := invoke()
	var seen []ml.JobStatus
	for range 14 {
		if s := status(one); len(seen) == 0 || seen[len(seen)-1] != s {
			seen = append(seen, s)
		}
		r.advance(time.Minute)
	}
	if want := []ml.JobStatus{ml.JobStatusNotStarted, ml.JobStatusQueued, ml.JobStatusRunning, ml.JobStatusCompleted}; len(seen) != 4 || seen[1] != want[1] || seen[3] != want[3] {
		t.Errorf("it was %v", seen)
	}
	two := invoke()
	r.advance(5 * time.Minute)
	stop, err := jobs.BeginCancel(ctx, "weir", "weir", two, nil)
	if _, _, err = wait(r, stop, err); err != nil || status(two) != ml.JobStatusCancelRequested {
		t.Errorf("cancelled: %s %v", status(two), err)
	}
	r.advance(time.Minute)
	if status(two) != ml.JobStatusCanceled {
		t.Errorf("a minute later: %s", status(two))
	}
}
