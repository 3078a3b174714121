// Package keda answers KEDA's questions to an external scaler: whether the
// workload is active, and the number of replicas. Weir decides, KEDA acts.
//
// The metric is the number of replicas itself, with a target of one each:
// KEDA's HorizontalPodAutoscaler arrives at that number. The package owns the
// protocol. It refuses to know how the number is decided, and it writes
// nothing.
package keda

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"weir/keda/scalerpb"
)

// Options are the sources of the answers.
type Options struct {
	// Want is the deployment's number of replicas, and whether it is active;
	// known is false if there is none of that name. Required.
	Want func(deployment string) (replicas int, active, known bool)

	// Changed returns a channel that receives after a possible change of Want
	// for the deployment, until ctx ends. Several changes may come as one.
	// Required.
	Changed func(ctx context.Context, deployment string) <-chan struct{}
}

// Metric is the name of the metric KEDA scales by.
const Metric = "weir_replicas"

// Key of a trigger's metadata that names the deployment; the default is the
// ScaledObject's name.
const Key = "deployment"

const service = "/externalscaler.ExternalScaler/"

// Handler answers gRPC, and the same as JSON over plain HTTP.
func Handler(o Options) http.Handler {
	s := &scaler{o}
	mux := http.NewServeMux()
	small := connect.WithReadMaxBytes(64 << 10) // a trigger's metadata
	mux.Handle(service+"IsActive", connect.NewUnaryHandler(service+"IsActive", s.isActive, small))
	mux.Handle(service+"StreamIsActive", connect.NewServerStreamHandler(service+"StreamIsActive", s.streamIsActive, small))
	mux.Handle(service+"GetMetricSpec", connect.NewUnaryHandler(service+"GetMetricSpec", s.metricSpec, small))
	mux.Handle(service+"GetMetrics", connect.NewUnaryHandler(service+"GetMetrics", s.metrics, small))
	return mux
}

type scaler struct{ o Options }

// want is the answer for the deployment that ref names.
func (s *scaler) want(ref *scalerpb.ScaledObjectRef) (replicas int, active bool, err error) {
	name := deployment(ref)
	replicas, active, known := s.o.Want(name)
	if !known {
		return 0, false, connect.NewError(connect.CodeNotFound, fmt.Errorf(
			"no deployment %q, which ScaledObject %s/%s asks for, or its pods are not known yet: in weir.yaml it has scaled_by: keda, and the trigger's metadata name it as %s",
			name, ref.GetNamespace(), ref.GetName(), Key))
	}
	return replicas, active, nil
}

func deployment(ref *scalerpb.ScaledObjectRef) string {
	if name := ref.GetScalerMetadata()[Key]; name != "" {
		return name
	}
	return ref.GetName()
}

func (s *scaler) isActive(_ context.Context, r *connect.Request[scalerpb.ScaledObjectRef]) (*connect.Response[scalerpb.IsActiveResponse], error) {
	_, active, err := s.want(r.Msg)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&scalerpb.IsActiveResponse{Result: active}), nil
}

// streamIsActive sends the activity at once, and then at every change.
func (s *scaler) streamIsActive(ctx context.Context, r *connect.Request[scalerpb.ScaledObjectRef], out *connect.ServerStream[scalerpb.IsActiveResponse]) error {
	changed := s.o.Changed(ctx, deployment(r.Msg)) // before the first look: no change is missed
	for first, last := true, false; ; {
		_, active, err := s.want(r.Msg)
		if err != nil {
			return err
		}
		if first || active != last {
			first, last = false, active
			if err := out.Send(&scalerpb.IsActiveResponse{Result: active}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func (s *scaler) metricSpec(_ context.Context, r *connect.Request[scalerpb.ScaledObjectRef]) (*connect.Response[scalerpb.GetMetricSpecResponse], error) {
	if _, _, err := s.want(r.Msg); err != nil {
		return nil, err
	}
	return connect.NewResponse(&scalerpb.GetMetricSpecResponse{MetricSpecs: []*scalerpb.MetricSpec{
		{MetricName: Metric, TargetSize: 1, TargetSizeFloat: 1}}}), nil
}

func (s *scaler) metrics(_ context.Context, r *connect.Request[scalerpb.GetMetricsRequest]) (*connect.Response[scalerpb.GetMetricsResponse], error) {
	n, _, err := s.want(r.Msg.GetScaledObjectRef())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&scalerpb.GetMetricsResponse{MetricValues: []*scalerpb.MetricValue{
		{MetricName: Metric, MetricValue: int64(n), MetricValueFloat: float64(n)}}}), nil
}

// maxStreams bounds the streams of one connection. KEDA opens one for each of its
// ScaledObjects on a single connection, and its polls wait where there is no more.
const maxStreams = 5000

// stopTime is how long calls may go on when Serve ends; streams end at once.
const stopTime = 2 * time.Second

// Serve answers on l until ctx ends: with TLS if l is a TLS listener with "h2"
// among its protocols, else HTTP/2 in the clear.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Handler: Handler(o), Protocols: &protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams}, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		err := s.Shutdown(end)
		if err != nil {
			err = s.Close()
		}
		stopped <- err
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("keda: %w", err)
	}
	return <-stopped
}
