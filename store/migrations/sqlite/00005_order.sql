-- +goose Up
ALTER TABLE delivery ADD COLUMN order_since INTEGER; -- waits since then for a predecessor that does not come by itself
ALTER TABLE delivery ADD COLUMN overtakes INTEGER NOT NULL DEFAULT 0;    -- may be published before its predecessor
ALTER TABLE delivery ADD COLUMN repeats   INTEGER NOT NULL DEFAULT 0;    -- may be sent although the same was sent before
DROP INDEX delivery_lane;
CREATE INDEX delivery_lane    ON delivery (partner, state, due, id);
CREATE INDEX delivery_content ON delivery (partner, sha256) WHERE direction = 'out' AND kind = 'file';
CREATE INDEX delivery_pair_in ON delivery (sender, recipient, mode, seq) WHERE direction = 'in';

-- +goose Down
DROP INDEX delivery_pair_in;
DROP INDEX delivery_content;
DROP INDEX delivery_lane;
CREATE INDEX delivery_lane ON delivery (partner, state, id);
ALTER TABLE delivery DROP COLUMN repeats;
ALTER TABLE delivery DROP COLUMN overtakes;
ALTER TABLE delivery DROP COLUMN order_since;
