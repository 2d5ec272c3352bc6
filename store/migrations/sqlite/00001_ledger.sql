-- +goose Up
CREATE TABLE delivery (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    intake          TEXT    NOT NULL UNIQUE,
    direction       TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    cause           TEXT    NOT NULL DEFAULT '',
    reason          TEXT    NOT NULL DEFAULT '',
    due             INTEGER,             -- Unix nanoseconds; NULL: nothing is due
    attempt         INTEGER NOT NULL DEFAULT 0,
    taken_at        INTEGER NOT NULL,
    changed         INTEGER NOT NULL,
    account         TEXT    NOT NULL DEFAULT '',
    name            TEXT    NOT NULL DEFAULT '',
    fingerprint     TEXT    NOT NULL DEFAULT '',
    size            INTEGER NOT NULL DEFAULT 0,
    sha256          TEXT    NOT NULL DEFAULT '',
    mode            TEXT    NOT NULL DEFAULT '',
    sender          TEXT    NOT NULL DEFAULT '',
    recipient       TEXT    NOT NULL DEFAULT '',
    reference       TEXT    NOT NULL DEFAULT '',
    application_ref TEXT    NOT NULL DEFAULT '',
    types           TEXT    NOT NULL DEFAULT '',
    messages        INTEGER NOT NULL DEFAULT 0,
    owner           TEXT    NOT NULL DEFAULT '',
    physical        TEXT    NOT NULL DEFAULT '',
    partner         TEXT    NOT NULL DEFAULT '',
    kostentraeger   TEXT    NOT NULL DEFAULT '',
    encrypt_to      TEXT    NOT NULL DEFAULT '',
    send_to         TEXT    NOT NULL DEFAULT '',
    transfer_number INTEGER NOT NULL DEFAULT 0,
    transfer_name   TEXT    NOT NULL DEFAULT '',
    created         TEXT    NOT NULL DEFAULT '',
    published       INTEGER NOT NULL DEFAULT 0,
    sealed_size     INTEGER NOT NULL DEFAULT 0,
    sealed_sha256   TEXT    NOT NULL DEFAULT '',
    sealed_for      INTEGER,
    plain_size      INTEGER NOT NULL DEFAULT 0,
    signer          TEXT    NOT NULL DEFAULT '',
    received_at     INTEGER,
    delivered_at    INTEGER,
    answer_by       INTEGER,
    proof           TEXT    NOT NULL DEFAULT '',
    answer          TEXT    NOT NULL DEFAULT '',
    answers         INTEGER NOT NULL DEFAULT 0,
    replaces        INTEGER NOT NULL DEFAULT 0,
    draft           BLOB
);
CREATE INDEX delivery_due        ON delivery (state, due);
CREATE INDEX delivery_next       ON delivery (due);
CREATE INDEX delivery_lane       ON delivery (partner, state, id);
CREATE INDEX delivery_pair       ON delivery (sender, recipient, mode, state) WHERE direction = 'out';
CREATE INDEX delivery_named      ON delivery (application_ref, direction);
CREATE INDEX delivery_transfer   ON delivery (partner, mode, state) WHERE transfer_name <> '';
CREATE INDEX delivery_identity   ON delivery (owner, created, direction);
CREATE INDEX delivery_print      ON delivery (account, fingerprint) WHERE fingerprint <> '';
CREATE INDEX delivery_name       ON delivery (name);

CREATE TABLE event (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery   INTEGER NOT NULL REFERENCES delivery (id),
    at         INTEGER NOT NULL,
    what       TEXT    NOT NULL,
    from_state TEXT    NOT NULL,
    to_state   TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    cause      TEXT    NOT NULL DEFAULT '',
    text       TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX event_delivery ON event (delivery, id);

-- One counter for each directly connected pair, TEST and ECHT apart.
CREATE TABLE transfer_counter (
    physical TEXT    NOT NULL,
    partner  TEXT    NOT NULL,
    mode     TEXT    NOT NULL,
    next     INTEGER NOT NULL,
    PRIMARY KEY (physical, partner, mode)
);

-- The last DATUM_ERSTELLUNG allotted for an owner and Verfahren.
CREATE TABLE creation_time (
    owner     TEXT NOT NULL,
    verfahren TEXT NOT NULL,
    last      TEXT NOT NULL,
    PRIMARY KEY (owner, verfahren)
);

-- UNB 0020 of the interchanges that we write ourselves.
CREATE TABLE interchange_counter (
    sender    TEXT    NOT NULL,
    recipient TEXT    NOT NULL,
    mode      TEXT    NOT NULL,
    next      INTEGER NOT NULL,
    PRIMARY KEY (sender, recipient, mode)
);

-- Files stored here whose original still stands at the partner.
CREATE TABLE fetched (
    partner  TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    size     INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    sha256   TEXT    NOT NULL,
    delivery INTEGER NOT NULL,
    PRIMARY KEY (partner, name, size, modified)
);

-- Partners that are not called until an operator or a changed credential releases them.
CREATE TABLE partner_stop (
    partner    TEXT    NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    cause      TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    credential TEXT    NOT NULL
);

-- +goose Down
DROP TABLE partner_stop;
DROP TABLE fetched;
DROP TABLE interchange_counter;
DROP TABLE creation_time;
DROP TABLE transfer_counter;
DROP TABLE event;
DROP TABLE delivery;
