-- +goose Up
-- Every cost keeps the prices it was made of, and tokens that may have a price of
-- their own are counted: of the prompt what was written to the upstream's cache,
-- and there for an hour, and sound; of the answer reasoning and sound.
ALTER TABLE usage_minute
    ADD COLUMN price                   text COLLATE "C" NOT NULL DEFAULT '', -- the prices and where they are from; '' before they were kept
    ADD COLUMN written_tokens          bigint NOT NULL DEFAULT 0,
    ADD COLUMN written_hour_tokens     bigint NOT NULL DEFAULT 0,
    ADD COLUMN audio_prompt_tokens     bigint NOT NULL DEFAULT 0,
    ADD COLUMN reasoning_tokens        bigint NOT NULL DEFAULT 0,
    ADD COLUMN audio_completion_tokens bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT usage_minute_pkey,
    ADD PRIMARY KEY (minute, tenant, key, model, deployment, price, gateway);
