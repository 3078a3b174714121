-- +goose Up
-- Usage is told apart by key and by gateway too: what was written before has
-- '' for both. SQLite cannot change a primary key, so the rows move.
CREATE TABLE usage_by_key (
    minute            INTEGER NOT NULL, -- minutes since the Unix epoch
    tenant            TEXT    NOT NULL,
    key               TEXT    NOT NULL, -- its name, never the key; '' when not known
    model             TEXT    NOT NULL,
    deployment        TEXT    NOT NULL,
    gateway           TEXT    NOT NULL, -- that wrote the row: no two wait for each other's
    requests          INTEGER NOT NULL,
    completed         INTEGER NOT NULL,
    refused           INTEGER NOT NULL,
    failed            INTEGER NOT NULL,
    estimated         INTEGER NOT NULL, -- of requests, those whose tokens were counted by the gateway
    prompt_tokens     INTEGER NOT NULL, -- cached ones included
    cached_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cost_microdollars INTEGER NOT NULL,
    PRIMARY KEY (minute, tenant, key, model, deployment, gateway)
) STRICT, WITHOUT ROWID;

INSERT INTO usage_by_key
SELECT minute, tenant, '', model, deployment, '', requests, completed, refused, failed, estimated,
       prompt_tokens, cached_tokens, completion_tokens, cost_microdollars
FROM usage_minute;

DROP TABLE usage_minute;
ALTER TABLE usage_by_key RENAME TO usage_minute;

-- The last batch kept of each writer: one that is not above it is there already.
CREATE TABLE usage_writer (
    writer TEXT    NOT NULL PRIMARY KEY,
    batch  INTEGER NOT NULL,
    wrote  INTEGER NOT NULL -- minutes since the Unix epoch
) STRICT, WITHOUT ROWID;
