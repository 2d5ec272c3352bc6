-- +goose Up
ALTER TABLE delivery ADD COLUMN leased_by    TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN leased_until INTEGER; -- Unix nanoseconds; NULL: no lease
-- Claims walk this one in the order of due times, past no row that is not theirs.
CREATE INDEX delivery_work   ON delivery (due, id) WHERE state IN ('taken', 'drafted', 'routed', 'received', 'opened', 'handing');
CREATE INDEX delivery_leased ON delivery (leased_by) WHERE leased_by <> '';

-- UNB 0020 as a number, for what comes before what.
ALTER TABLE delivery ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
UPDATE delivery SET seq = CAST(reference AS INTEGER) WHERE reference GLOB '[0-9]*';
DROP INDEX delivery_pair;
CREATE INDEX delivery_pair   ON delivery (sender, recipient, mode, seq) WHERE direction = 'out' AND kind = 'file';
CREATE INDEX delivery_unread ON delivery (account) WHERE state = 'taken';

-- What one node does at a time: sending to a partner, collecting, an outbox, the schedules.
CREATE TABLE turn (
    name  TEXT    NOT NULL PRIMARY KEY,
    node  TEXT    NOT NULL,
    until INTEGER NOT NULL
);

-- +goose Down
DROP TABLE turn;
DROP INDEX delivery_unread;
DROP INDEX delivery_pair;
CREATE INDEX delivery_pair ON delivery (sender, recipient, mode, state) WHERE direction = 'out';
ALTER TABLE delivery DROP COLUMN seq;
DROP INDEX delivery_leased;
DROP INDEX delivery_work;
ALTER TABLE delivery DROP COLUMN leased_until;
ALTER TABLE delivery DROP COLUMN leased_by;
