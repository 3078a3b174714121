-- +goose Up
-- What one key of a tenant used of one model on one deployment in one minute,
-- as one gateway saw it. Counts only grow: rows are added to, never replaced.
-- Money is in micro-dollars. Names are compared as bytes.
CREATE TABLE usage_minute (
    minute            bigint           NOT NULL, -- minutes since the Unix epoch
    tenant            text COLLATE "C" NOT NULL,
    key               text COLLATE "C" NOT NULL, -- its name, never the key; '' when not known
    model             text COLLATE "C" NOT NULL,
    deployment        text COLLATE "C" NOT NULL,
    gateway           text COLLATE "C" NOT NULL, -- that wrote the row: no two wait for each other's
    requests          bigint           NOT NULL,
    completed         bigint           NOT NULL,
    refused           bigint           NOT NULL,
    failed            bigint           NOT NULL,
    estimated         bigint           NOT NULL, -- of requests, those whose tokens were counted by the gateway
    prompt_tokens     bigint           NOT NULL, -- cached ones included
    cached_tokens     bigint           NOT NULL,
    completion_tokens bigint           NOT NULL,
    cost_microdollars bigint           NOT NULL,
    PRIMARY KEY (minute, tenant, key, model, deployment, gateway)
);

-- The last batch kept of each writer: one that is not above it is there already.
CREATE TABLE usage_writer (
    writer text COLLATE "C" NOT NULL PRIMARY KEY,
    batch  bigint           NOT NULL,
    wrote  bigint           NOT NULL -- minutes since the Unix epoch
);
