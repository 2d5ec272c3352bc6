-- +goose Up
-- What was told once: that a key or certificate ends soon, for each stage.
CREATE TABLE notice (
    subject TEXT   NOT NULL,
    stage   BIGINT NOT NULL,
    at      BIGINT NOT NULL, -- Unix nanoseconds
    text    TEXT   NOT NULL,
    PRIMARY KEY (subject, stage)
);

-- +goose Down
DROP TABLE notice;
