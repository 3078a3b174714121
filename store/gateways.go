package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ScalerLease is the lease that makes a gateway the leader.
const ScalerLease = "scaler"

// Gateway is a gateway's last report.
type Gateway struct {
	Instance string // one run of it
	Name     string
	Host     string
	Age      time.Duration   // of the report, by the server's clock
	Load     json.RawMessage // the format is package peers'
}

// keepSilent is how long a gateway without reports stays in the table.
const keepSilent = time.Hour

// Tell stores a gateway's report in place of its last one.
func (d *DB) Tell(ctx context.Context, g Gateway) error {
	return d.exchange("tell", d.within(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, d.sql(`
INSERT INTO gateway (instance, name, host, reported, load) VALUES (?, ?, ?, clock_timestamp(), ?)
ON CONFLICT (instance) DO UPDATE SET reported = excluded.reported, load = excluded.load`), g.Instance, text(g.Name), text(g.Host), string(g.Load))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, d.sql("DELETE FROM gateway WHERE reported < clock_timestamp() - CAST(? AS interval)"), interval(keepSilent))
		return err
	}))
}

// Leave removes a stopping gateway from the others' sums.
func (d *DB) Leave(ctx context.Context, instance string) error {
	_, err := d.change(ctx, "DELETE FROM gateway WHERE instance = ?", instance)
	return d.exchange("leave", err)
}

// maxGateways bounds what Gateways returns.
const maxGateways = 1000

// Gateways returns the gateways that reported within the time given, by name
// and instance.
func (d *DB) Gateways(ctx context.Context, within time.Duration) (_ []Gateway, err error) {
	defer func() { err = d.exchange("read", err) }()
	rows, err := d.read.QueryContext(ctx, d.sql(`
SELECT instance, name, host, CAST(extract(epoch FROM clock_timestamp() - reported) * 1000000 AS bigint), load FROM gateway
WHERE reported > clock_timestamp() - CAST(? AS interval) ORDER BY name, instance LIMIT ?`), interval(within), maxGateways)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []Gateway
	for rows.Next() {
		var g Gateway
		var age int64
		var load []byte
		if err := rows.Scan(&g.Instance, &g.Name, &g.Host, &age, &load); err != nil {
			return nil, err
		}
		g.Age, g.Load = max(0, time.Duration(age)*time.Microsecond), load
		all = append(all, g)
	}
	return all, rows.Err()
}

// Deployment is the leader's report of the replicas of one deployment.
type Deployment struct {
	Name     string
	Token    int64 // of the term it was written in
	Version  int64 // rises with every change of the replicas, over all terms
	Host     string
	Replicas json.RawMessage // a list of weir.Replica
}

// Publish stores the replicas of a deployment and returns their version. It
// returns ErrNotLeader, and writes nothing, when t has ended and another
// gateway has become the leader.
func (d *DB) Publish(ctx context.Context, t Term, x Deployment) (version int64, err error) {
	err = d.asLeader(ctx, ScalerLease, t, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, d.sql(`
INSERT INTO deployment (name, token, version, host, replicas) VALUES (?, ?, 1, ?, ?)
ON CONFLICT (name) DO UPDATE SET token = excluded.token, version = deployment.version + 1, host = excluded.host, replicas = excluded.replicas
RETURNING version`), text(x.Name), t.Token, text(x.Host), string(x.Replicas)).Scan(&version)
	})
	return version, d.exchange("publish", err)
}

// maxDeployments bounds what Published and States return.
const maxDeployments = 10_000

// Published are the deployments last written, by name.
func (d *DB) Published(ctx context.Context) (_ []Deployment, err error) {
	defer func() { err = d.exchange("read", err) }()
	rows, err := d.read.QueryContext(ctx, d.sql("SELECT name, token, version, host, replicas FROM deployment ORDER BY name LIMIT ?"), maxDeployments)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []Deployment
	for rows.Next() {
		var x Deployment
		var replicas []byte
		if err := rows.Scan(&x.Name, &x.Token, &x.Version, &x.Host, &replicas); err != nil {
			return nil, err
		}
		x.Replicas = replicas
		all = append(all, x)
	}
	return all, rows.Err()
}

// SaveState stores a deployment's scaling state for the next leader. The
// deployment must have been published.
func (d *DB) SaveState(ctx context.Context, t Term, deployment string, state []byte) error {
	return d.exchange("save", d.asLeader(ctx, ScalerLease, t, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, d.sql("UPDATE deployment SET state = ? WHERE name = ?"), string(state), text(deployment))
		return err
	}))
}

// States are the scaling states last saved, by deployment.
func (d *DB) States(ctx context.Context) (_ map[string]json.RawMessage, err error) {
	defer func() { err = d.exchange("read", err) }()
	rows, err := d.read.QueryContext(ctx, d.sql("SELECT name, state FROM deployment WHERE state IS NOT NULL ORDER BY name LIMIT ?"), maxDeployments)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all := map[string]json.RawMessage{}
	for rows.Next() {
		var name string
		var state []byte
		if err := rows.Scan(&name, &state); err != nil {
			return nil, err
		}
		all[name] = state
	}
	return all, rows.Err()
}

// Decision is a decision that the place was asked to carry out.
type Decision struct {
	Term
	Deployment string
	At         time.Time       // when it was stored, by the server's clock
	Decision   json.RawMessage // of package scale
}

// keepDecisions is how long decisions are kept; the journals have all of them.
const keepDecisions = 7 * 24 * time.Hour

// Decided stores a decision and its author. Like Publish it refuses a gateway
// that is no longer the leader.
func (d *DB) Decided(ctx context.Context, t Term, deployment string, decision []byte) error {
	return d.exchange("write down", d.asLeader(ctx, ScalerLease, t, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, d.sql("INSERT INTO decision (decided, holder, token, deployment, decision) VALUES (clock_timestamp(), ?, ?, ?, ?)"),
			t.Holder, t.Token, text(deployment), string(decision))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, d.sql("DELETE FROM decision WHERE decided < clock_timestamp() - CAST(? AS interval)"), interval(keepDecisions))
		return err
	}))
}

// Decisions returns the latest decisions, at most limit, oldest first.
func (d *DB) Decisions(ctx context.Context, limit int) (_ []Decision, err error) {
	defer func() { err = d.exchange("read", err) }()
	rows, err := d.read.QueryContext(ctx, d.sql(`
SELECT decided, holder, token, deployment, decision FROM (SELECT * FROM decision ORDER BY id DESC LIMIT ?) AS latest ORDER BY id`), limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []Decision
	for rows.Next() {
		var x Decision
		var decision []byte
		if err := rows.Scan(&x.At, &x.Holder, &x.Token, &x.Deployment, &decision); err != nil {
			return nil, err
		}
		x.Decision = decision
		all = append(all, x)
	}
	return all, rows.Err()
}

// exchange wraps an error of the exchange between gateways.
func (d *DB) exchange(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store: %s, for the other gateways on %s: %w", what, d.name, err)
}
