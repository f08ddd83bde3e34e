-- A point whose vector or payload changes gets a new row, and its old row is recorded in `removed`. So a
-- reader's cache catches up with the changes by reading `row > last row` and `number > last number`. Old
-- removals are deleted. A reader that has not seen the removals up to `horizon` reads everything again. The
-- vectors have their own table, so that loading them does not read payloads. So have their checksums, because
-- catalogues of earlier versions have none.
CREATE TABLE state (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO state VALUES ('revision', 0), ('manifest', NULL), ('active', NULL), ('holder', NULL),
    ('horizon', 0);
CREATE TABLE collections (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL
);
CREATE TABLE categories (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE points (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL, id TEXT NOT NULL, category INTEGER NOT NULL, payload TEXT NOT NULL
);
CREATE UNIQUE INDEX points_by_id ON points (collection, id);
CREATE INDEX points_by_category ON points (collection, category);
CREATE TABLE vectors (
    row INTEGER PRIMARY KEY, collection INTEGER NOT NULL, category INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE TABLE removed (
    number INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, row INTEGER NOT NULL
);
