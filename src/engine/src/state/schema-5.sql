-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Version 5: what auto-update did, and what it is not to do.
CREATE TABLE updates (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order in which they began
    unit     TEXT NOT NULL,
    document TEXT NOT NULL                       -- update::Entry as JSON
) STRICT;
CREATE INDEX updates_of_unit ON updates (unit, id);
CREATE TABLE update_holds (
    unit     TEXT PRIMARY KEY,
    until    INTEGER                             -- nanoseconds since 1970; nothing: until it is released
) STRICT, WITHOUT ROWID;
