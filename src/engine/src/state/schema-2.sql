-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Version 2: volumes.

-- A volume, whose files are in `volumes/<name>/_data`. Whether a container uses it is in the containers' records.
CREATE TABLE volumes (
    name     TEXT PRIMARY KEY,
    created  INTEGER NOT NULL,
    record   TEXT NOT NULL      -- volume::Record as JSON
) STRICT, WITHOUT ROWID;
