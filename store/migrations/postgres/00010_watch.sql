-- +goose Up
CREATE INDEX delivery_taken    ON delivery (taken_at);
CREATE INDEX delivery_sent     ON delivery (partner, delivered_at) WHERE delivered_at IS NOT NULL;
CREATE INDEX delivery_account  ON delivery (account, taken_at);
CREATE INDEX delivery_replaced ON delivery (replaces) WHERE replaces <> 0;
CREATE INDEX event_first       ON event (delivery) WHERE from_state = '';

-- The last successful look at each partner's folder.
CREATE TABLE collected (
    partner TEXT    NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL
);

-- What is wrong and lasts, and who was told.
CREATE TABLE alarm (
    kind            TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    count           BIGINT NOT NULL,
    since           BIGINT,
    raised          BIGINT NOT NULL,
    cleared         BIGINT,
    acknowledged    BIGINT,
    acknowledged_by TEXT    NOT NULL DEFAULT '',
    seen_weight     BIGINT NOT NULL DEFAULT 0,
    told            TEXT    NOT NULL DEFAULT '{}', -- JSON: sender to when, how bad, and whether that it is over
    PRIMARY KEY (kind, subject)
);

-- +goose Down
DROP TABLE alarm;
DROP TABLE collected;
DROP INDEX event_first;
DROP INDEX delivery_replaced;
DROP INDEX delivery_account;
DROP INDEX delivery_sent;
DROP INDEX delivery_taken;
