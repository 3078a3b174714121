package kubernetes_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"weir/keda"
	"weir/keda/scalerpb"
)

// TestKEDAsOwnClientLibraryIsAnswered: KEDA dials with grpc-go, and keeps the
// stream while it polls.
func TestKEDAsOwnClientLibraryIsAnswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	changed := make(chan struct{}, 1)
	var wanted atomic.Int64
	go func() {
		ended <- keda.Serve(ctx, l, keda.Options{
			Want: func(string) (int, bool, bool) {
				n := int(wanted.Load())
				return n, n > 0, true
			},
			Changed: func(context.Context, string) <-chan struct{} { return changed },
		})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ref := &scalerpb.ScaledObjectRef{Name: "llama", Namespace: "models"}
	const service = "/externalscaler.ExternalScaler/"

	var spec scalerpb.GetMetricSpecResponse
	if err := c.Invoke(ctx, service+"GetMetricSpec", ref, &spec); err != nil || len(spec.GetMetricSpecs()) != 1 {
		t.Fatalf("specification %v, %v", &spec, err)
	}
	stream, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, service+"StreamIsActive")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(ref); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{0, 3} {
		wanted.Store(n)
		changed <- struct{}{}
		var active scalerpb.IsActiveResponse
		if err := stream.RecvMsg(&active); err != nil || active.GetResult() != (n > 0) {
			t.Fatalf("pushed %v, %v with %d wanted", &active, err, n)
		}
		var values scalerpb.GetMetricsResponse
		if err := c.Invoke(ctx, service+"GetMetrics", &scalerpb.GetMetricsRequest{ScaledObjectRef: ref}, &values); err != nil ||
			len(values.GetMetricValues()) != 1 || values.GetMetricValues()[0].GetMetricValueFloat() != float64(n) {
			t.Fatalf("values %v, %v with %d wanted", &values, err, n)
		}
	}
}
