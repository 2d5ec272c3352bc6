-- +goose Up
-- A row here: the ledger was moved elsewhere, and no service may start on it.
CREATE TABLE retired (
    at  BIGINT NOT NULL,
    why TEXT NOT NULL
);

-- +goose Down
DROP TABLE retired;
