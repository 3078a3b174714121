-- +goose Up
-- Requests answered without the model, and what they saved.
ALTER TABLE usage_minute
    ADD COLUMN stored             bigint NOT NULL DEFAULT 0,
    ADD COLUMN saved_tokens       bigint NOT NULL DEFAULT 0,
    ADD COLUMN saved_microdollars bigint NOT NULL DEFAULT 0;
