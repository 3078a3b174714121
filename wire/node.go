package wire

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"weir/cache/memory"
	"weir/config"
	"weir/control"
	"weir/gateway"
	"weir/limits"
	"weir/node"
	"weir/observe"
	"weir/price"
	"weir/upstream"
)

// Node is a node of a configuration. load reads the configuration again, for a
// reload; prices is called each time, since prices may have been updated. The
// node keeps its state besides ledger and journal in stateDir.
func Node(c *config.Config, load func() (*config.Config, error), prices func() (*price.Catalogue, error), stateDir string) (node.Options, error) {
	account := &subscription{prices: prices}
	places := newPlaces(stateDir, account)
	setup := func(c *config.Config, err error) (node.Setup, error) {
		if err != nil {
			return node.Setup{}, faultsOf(err)
		}
		catalogue, err := prices()
		if err != nil {
			return node.Setup{}, err
		}
		s, err := Setup(c, catalogue)
		s.Changes = places.changes(c)
		if c.Azure != nil {
			s.Changes = append(s.Changes, account.change(c))
		}
		return s, err
	}
	s, err := setup(c, nil)
	return node.Options{
		Setup: s, Load: func() (node.Setup, error) { return setup(load()) },
		Places: places.of(c), Account: account.account(c), Canaries: filepath.Join(stateDir, "canaries.json"), Nearest: config.Nearest,
	}, err
}

// faultsOf gives the faults of a configuration to the node one by one.
func faultsOf(err error) error {
	var all config.Faults
	if !errors.As(err, &all) {
		return err
	}
	return &node.Faults{Err: err, All: remarks(all)}
}

func frontOf(name string) gateway.Front {
	if name == "own" {
		return gateway.OwnFront
	}
	return gateway.StandardFront
}

func remarks(all config.Faults) (rs []node.Remark) {
	for _, f := range all {
		rs = append(rs, node.Remark{At: strings.TrimSuffix(f.Place(), ":"), Text: f.Message()})
	}
	return rs
}

// Setup is the setup of a node for a configuration.
func Setup(c *config.Config, prices *price.Catalogue) (s node.Setup, err error) {
	s = node.Setup{
		Hash: c.Hash, Remarks: remarks(c.Warnings), Fixed: fixed(c),
		Log: node.Log{Level: levelOf(c.Log.Level), Format: observe.Format(c.Log.Format), Access: c.Log.Access},
		Server: node.Server{Drain: c.Server.DrainTimeout, Listen: gateway.Listen{
			Addr: c.Server.Listen, HeaderTimeout: c.Server.HeaderTimeout, IdleTimeout: c.Server.IdleTimeout,
			MaxHeaderBytes: int(c.Server.MaxHeader), Front: frontOf(c.Server.Front),
		}},
		Admin:   node.Admin{Listen: c.Admin.Listen, Token: c.Admin.Token.Reveal(), Hosts: c.Admin.Hosts},
		Store:   Store(c.Store),
		Journal: control.JournalOptions{Path: c.Journal.Path, MaxBytes: int64(c.Journal.MaxSize)},
		Cache:   memory.Options{Bytes: int64(c.Cache.Memory), MostBody: int(c.Cache.MaxAnswer)},
		Indexes: indexes(c), Vectors: vectorOptions(c), MeaningMemory: int(c.Cache.SemanticMemory),
		KEDA: kedaOf(c.KEDA), ShareCache: c.Cache.Redis,
	}
	if s.Sharing, err = sharing(c.Redis); err != nil {
		return s, err
	}
	if t := c.Server.TLS; t != nil {
		s.Server.Listen.CertFile, s.Server.Listen.KeyFile = t.Cert, t.Key
	}
	if s.Gateway, err = Gateway(c, AzureCredential); err != nil {
		return s, err
	}
	s.Deployments, err = deployments(c, prices)
	return s, err
}

// Store is where a node keeps its ledger.
func Store(s config.Store) node.Store {
	return node.Store{
		Path: s.Path, Postgres: s.Postgres.Reveal(), Gateway: s.Gateway, Lease: s.Lease,
		FlushEvery: s.FlushEvery, Retention: s.Retention,
	}
}

func sharing(r *config.Redis) (_ *node.Sharing, err error) {
	if r == nil {
		return nil, nil
	}
	s := &node.Sharing{Gateways: r.Gateways, Redis: limits.Options{
		Addrs: r.Addresses, Username: r.Username, Password: r.Password.Reveal(), Prefix: r.Prefix, Lease: r.Lease,
	}}
	if t := r.TLS; t != nil {
		s.Redis.TLS = &limits.TLS{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
	}
	if r.Entra != "" {
		s.Redis.Credentials, err = upstream.RedisCredentials(upstream.EntraOptions{Identity: r.Entra, ClientID: r.ClientID}, r.Username)
	}
	return s, err
}

// fixed are the parts of a configuration that only a restart can change.
func fixed(c *config.Config) []node.Fixed {
	return []node.Fixed{
		{Path: "server.listen", Value: c.Server.Listen},
		{Path: "server.front", Value: c.Server.Front},
		{Path: "server.tls", Value: c.Server.TLS},
		{Path: "server.max_header", Value: c.Server.MaxHeader},
		{Path: "server.header_timeout", Value: c.Server.HeaderTimeout},
		{Path: "server.idle_timeout", Value: c.Server.IdleTimeout},
		{Path: "server.drain_timeout", Value: c.Server.DrainTimeout},
		{Path: "admin", Value: [2]string{c.Admin.Listen, c.Admin.Token.Reveal()}},
		{Path: "machine", Value: [4]any{slices.Concat(c.Machine.GPUs, []string{""}), c.Machine.FirstPort, c.Machine.LastPort, c.Machine.Keep}},
		{Path: "log.format", Value: c.Log.Format},
		{Path: "store", Value: c.Store},
		{Path: "cache", Value: c.Cache},
		{Path: "embeddings", Value: c.Embeddings},
		{Path: "vector_stores", Value: c.VectorStores},
		{Path: "redis", Value: c.Redis},
		{Path: "kubernetes", Value: access(c)},
		{Path: "azure", Value: c.Azure},
		{Path: "keda", Value: c.KEDA},
		{Path: "journal", Value: c.Journal},
	}
}

// kedaOf is the address at which KEDA asks.
func kedaOf(k *config.KEDA) *node.KEDA {
	if k == nil {
		return nil
	}
	o := &node.KEDA{Listen: k.Listen}
	if k.TLS != nil {
		o.CertFile, o.KeyFile = k.TLS.Cert, k.TLS.Key
	}
	return o
}

// access is the access to the cluster, without a pointer.
func access(c *config.Config) config.Cluster {
	if c.Kubernetes == nil {
		return config.Cluster{Lease: leaseName}
	}
	return *c.Kubernetes
}

func levelOf(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo // config allows nothing else
	}
	return l
}
