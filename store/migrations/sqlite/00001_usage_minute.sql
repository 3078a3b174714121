-- +goose Up
-- What one tenant used of one model on one deployment in one minute. Counts
-- only grow: rows are added to, never replaced. Money is in micro-dollars.
CREATE TABLE usage_minute (
    minute            INTEGER NOT NULL, -- minutes since the Unix epoch
    tenant            TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    deployment        TEXT    NOT NULL,
    requests          INTEGER NOT NULL,
    completed         INTEGER NOT NULL,
    refused           INTEGER NOT NULL,
    failed            INTEGER NOT NULL,
    estimated         INTEGER NOT NULL, -- of requests, those whose tokens were counted by the gateway
    prompt_tokens     INTEGER NOT NULL, -- cached ones included
    cached_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cost_microdollars INTEGER NOT NULL,
    PRIMARY KEY (minute, tenant, model, deployment)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE usage_minute;
