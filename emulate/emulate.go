// Package emulate is a server that behaves as an inference server does and has
// neither GPU nor model: the OpenAI API with streams, vLLM's metrics, and the
// timing of continuous batching on a named GPU, by package engine. It is for
// demos and tests, and says so wherever it can: in the Server header, as the
// owner of its model, in its metrics, its log and its answers.
//
// It reproduces the behaviour that a gateway and a scaler see: when tokens
// arrive, how requests share a replica, how it queues, preempts and runs out of
// KV room, how it fails. Its answers are words drawn from the prompt's hash, or
// values for a tool or a schema; n, stop and logprobs are honoured, other
// sampling parameters are accepted and have no effect. Answers of the Responses
// API are kept. The tokens of a text are a quarter of its bytes, rounded up;
// token ids are counted exactly.
//
// Azure is an Azure OpenAI resource with its deployments, limits and errors,
// instead of one replica: see azure.go.
package emulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"weir/engine"
)

// Name is the emulator's name: Server header and owner of the model.
const Name = "weir-emulate"

// Options describe the emulated server. Model is required, and GPU unless Spec
// is given; zero values mean the defaults beside them.
type Options struct {
	Listen string // address Run serves at; "": none, the owner serves Handler

	Model string // in package price's catalogue; also the name it is served under, unless Served is another
	GPU   string // in package price's catalogue
	TP    int    // GPUs the model is spread over; default 1
	DType string // weights and KV cache; default the model's own

	Load    time.Duration // until it is ready; 0: the catalogue's estimate for model and GPU
	Speed   float64       // time factor over the GPU, loading included; default 1
	Seed    uint64        // of its words and its faults
	MaxSeqs int           // requests in one batch; 0: the engine's default

	KVTokens     int // room of the KV cache; 0: the GPU's
	MaxWaiting   int // requests queued inside; one more is answered 503; default 4096
	EmbeddingDim int // default 384
	Context      int // longest prompt and answer together, in tokens; default 8192

	Kind   Kind   // kind of server; "": one that speaks everything
	Served string // name of the model in requests; default Model
	Key    string // required key; "": none
	Task   Task   // the model's task; "": everything

	// Spec replaces the catalogue's figures for GPU, Model, TP and DType.
	Spec *engine.Spec

	Log *slog.Logger // nil: silent
}

// Server is one emulated replica.
type Server struct {
	o      Options
	spec   engine.Spec
	loop   *loop
	faults *faults
	kept   kept
	mux    http.Handler
}

// New checks the options and looks up the GPU and the model.
func New(o Options) (*Server, error) {
	spec, err := o.fill()
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, spec: spec, faults: newFaults(o.Seed), loop: newLoop(spec, o.Speed, o.MaxWaiting)}
	s.mux = s.routes()
	return s, nil
}

func (o *Options) fill() (engine.Spec, error) {
	if o.Model == "" {
		return engine.Spec{}, errors.New("emulate: Model is empty: name the model to emulate")
	}
	for _, n := range []struct {
		name string
		have *int
		def  int
	}{
		{"tensor parallel", &o.TP, 1}, {"max sequences", &o.MaxSeqs, 0}, {"KV tokens", &o.KVTokens, 0},
		{"max waiting", &o.MaxWaiting, 4096}, {"embedding dimension", &o.EmbeddingDim, 384}, {"context", &o.Context, 8192},
	} {
		if *n.have < 0 {
			return engine.Spec{}, fmt.Errorf("emulate: %s is %d: want it above zero", n.name, *n.have)
		}
		if *n.have == 0 {
			*n.have = n.def
		}
	}
	if o.Served == "" {
		o.Served = o.Model
	}
	if err := o.Kind.check(o.Task); err != nil {
		return engine.Spec{}, err
	}
	if o.EmbeddingDim > maxDimensions {
		return engine.Spec{}, fmt.Errorf("emulate: embedding dimension is %d: want at most %d", o.EmbeddingDim, maxDimensions)
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if !(o.Speed > 0 && o.Speed <= maxSpeed) || o.Load < 0 {
		return engine.Spec{}, fmt.Errorf("emulate: speed %v, load %v: want a speed above 0 and at most %d, and no negative load time", o.Speed, o.Load, maxSpeed)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o.lookup()
}

// maxSpeed keeps emulated time, in nanoseconds, within an int64 for years.
const maxSpeed = 1000

func (o *Options) lookup() (engine.Spec, error) {
	var spec engine.Spec
	if o.Spec != nil {
		spec = *o.Spec
	} else {
		var err error
		if spec, err = engine.Lookup(o.GPU, o.Model, o.TP, o.DType); err != nil {
			return engine.Spec{}, fmt.Errorf("emulate: %w", err)
		}
	}
	if o.MaxSeqs > 0 {
		spec.MaxSeqs = o.MaxSeqs
	}
	if spec.MaxSeqs == 0 {
		spec.MaxSeqs = 256 // the engine's own default, made explicit for display
	}
	if spec.BlockTokens == 0 {
		spec.BlockTokens = 16
	}
	spec.PrefixTokens = spec.BlockTokens
	if o.KVTokens > 0 {
		spec.KVTokens = o.KVTokens
	}
	if o.Load > 0 {
		spec.Load = o.Load
	}
	if spec.KVTokens < spec.BlockTokens || spec.Speed == nil {
		return engine.Spec{}, fmt.Errorf("emulate: the KV cache holds %d tokens: want at least a block of %d, and a speed", spec.KVTokens, spec.BlockTokens)
	}
	return spec, nil
}

// Handler serves the emulated replica. It answers 503 until Run has been
// going for the load time.
func (s *Server) Handler() http.Handler { return s.mux }

// Ready says why the replica accepts no requests; nil if it does.
func (s *Server) Ready() error { return s.loop.ready() }

// Run waits for the load time and then advances the replica until ctx ends;
// then it serves requests in flight for a moment and returns. With
// Options.Listen it also listens.
func (s *Server) Run(ctx context.Context) error {
	if s.o.Listen == "" {
		s.announce("")
		s.loop.run(ctx)
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.o.Listen)
	if err != nil {
		return fmt.Errorf("emulate: %w", err)
	}
	s.announce(l.Addr().String())
	return s.serve(ctx, l)
}

// Serve is Run with an existing listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error { return s.serve(ctx, l) }

func (s *Server) serve(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, s.mux, s.o.Log, s.loop.run)
}

func (s *Server) announce(addr string) {
	s.o.Log.Warn("EMULATING an inference server: no GPU, no model, made-up answers", "addr", addr, "model", s.o.Model,
		"gpu", s.o.GPU, "tensor_parallel", s.o.TP, "speed", s.o.Speed, "load", s.loop.load(), "max_seqs", s.spec.MaxSeqs, "kv_tokens", s.spec.KVTokens)
}

// stopGrace is how long requests in flight may go on after ctx has ended.
const stopGrace = 5 * time.Second

// serve answers at l until ctx ends; run advances the replica for a moment
// longer.
func serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger, run func(context.Context)) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)

	moving, stopMoving := context.WithCancel(context.WithoutCancel(ctx))
	ended, served := make(chan struct{}), make(chan error, 1)
	go func() { defer close(ended); run(moving) }()
	go func() { served <- srv.Serve(l) }()
	var err error
	select {
	case err = <-served: // the listener failed
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		if srv.Shutdown(grace) != nil {
			_ = srv.Close() // the rest is cut off: its handlers see their clients go
		}
		cancel()
		<-served
	}
	stopMoving()
	<-ended
	return err
}
