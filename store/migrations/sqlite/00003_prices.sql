-- +goose Up
-- Every cost keeps the prices it was made of, and tokens that may have a price of
-- their own are counted. SQLite cannot change a primary key, so the rows move.
CREATE TABLE usage_by_price (
    minute            INTEGER NOT NULL, -- minutes since the Unix epoch
    tenant            TEXT    NOT NULL,
    key               TEXT    NOT NULL, -- its name, never the key; '' when not known
    model             TEXT    NOT NULL,
    deployment        TEXT    NOT NULL,
    price             TEXT    NOT NULL, -- the prices and where they are from; '' before they were kept
    gateway           TEXT    NOT NULL, -- that wrote the row: no two wait for each other's
    requests          INTEGER NOT NULL,
    completed         INTEGER NOT NULL,
    refused           INTEGER NOT NULL,
    failed            INTEGER NOT NULL,
    estimated         INTEGER NOT NULL, -- of requests, those whose tokens were counted by the gateway
    prompt_tokens     INTEGER NOT NULL, -- cached, written and audio ones included
    cached_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, -- reasoning and audio ones included
    cost_microdollars INTEGER NOT NULL,
    written_tokens          INTEGER NOT NULL, -- of the prompt, written to the upstream's cache
    written_hour_tokens     INTEGER NOT NULL, -- of the prompt, written there for an hour
    audio_prompt_tokens     INTEGER NOT NULL,
    reasoning_tokens        INTEGER NOT NULL,
    audio_completion_tokens INTEGER NOT NULL,
    PRIMARY KEY (minute, tenant, key, model, deployment, price, gateway)
) STRICT, WITHOUT ROWID;

INSERT INTO usage_by_price
SELECT minute, tenant, key, model, deployment, '', gateway, requests, completed, refused, failed, estimated,
       prompt_tokens, cached_tokens, completion_tokens, cost_microdollars, 0, 0, 0, 0, 0
FROM usage_minute;

DROP TABLE usage_minute;
ALTER TABLE usage_by_price RENAME TO usage_minute;
