-- +goose Up
-- Requests answered without the model, and what they saved.
ALTER TABLE usage_minute ADD COLUMN stored             INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_minute ADD COLUMN saved_tokens       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_minute ADD COLUMN saved_microdollars INTEGER NOT NULL DEFAULT 0;
