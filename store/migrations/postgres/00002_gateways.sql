-- +goose Up
-- What gateways on one database report to each other. All of it is of the
-- moment: gateways start without it.

-- The leader of what one gateway alone may do, until when, by this server's
-- clock. The token rises with every term; a write with an older one is refused.
CREATE TABLE lease (
    name    text COLLATE "C" NOT NULL PRIMARY KEY,
    holder  text COLLATE "C" NOT NULL,
    token   bigint           NOT NULL,
    expires timestamptz      NOT NULL
);

-- What each running gateway last said of its load.
CREATE TABLE gateway (
    instance text COLLATE "C" NOT NULL PRIMARY KEY, -- one run of a gateway
    name     text COLLATE "C" NOT NULL,
    host     text COLLATE "C" NOT NULL,
    reported timestamptz      NOT NULL,
    load     jsonb            NOT NULL
);

-- The replicas of each deployment, and the state of its scaling, as the
-- leader last wrote them.
CREATE TABLE deployment (
    name     text COLLATE "C" NOT NULL PRIMARY KEY,
    token    bigint           NOT NULL,
    version  bigint           NOT NULL, -- rises with every change of the replicas
    host     text COLLATE "C" NOT NULL, -- that they run on
    replicas jsonb            NOT NULL,
    state    jsonb                      -- of package scale; NULL: none yet
);

-- Every decision that the place was asked to carry out.
CREATE TABLE decision (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decided    timestamptz      NOT NULL,
    holder     text COLLATE "C" NOT NULL,
    token      bigint           NOT NULL,
    deployment text COLLATE "C" NOT NULL,
    decision   jsonb            NOT NULL
);
CREATE INDEX decision_decided ON decision (decided);
