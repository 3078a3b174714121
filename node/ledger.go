package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"weir/store"
)

// OpenLedger opens the database of a setup. A start waits for PostgreSQL and
// fails without it; a running node survives its loss.
func OpenLedger(s Store, log *slog.Logger) (*store.DB, error) {
	if s.Postgres == "" {
		db, err := store.Open(s.Path)
		if err != nil {
			return nil, fmt.Errorf("store.path: %w", err)
		}
		return db, nil
	}
	gateway, err := gatewayName(s)
	if err != nil {
		return nil, err
	}
	log.Info("opening the store", "gateway", gateway, "store", "postgres")
	db, err := store.OpenPostgres(context.Background(), store.PostgresOptions{URL: s.Postgres, Gateway: gateway})
	if err != nil {
		return nil, fmt.Errorf("store.postgres: %w", err)
	}
	return db, nil
}

// gatewayName is this gateway's name among those on one database.
func gatewayName(s Store) (string, error) {
	if s.Gateway != "" {
		return s.Gateway, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("store.gateway: this host has no name, give the gateway one: %w", err)
	}
	return host, nil
}

// retain deletes rows older than the setup's retention.
func (n *Node) retain(ctx context.Context) error {
	return n.ledger.Retain(ctx, n.setup.Load().Store.Retention, n.log)
}
