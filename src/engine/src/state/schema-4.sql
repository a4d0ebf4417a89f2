-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Version 4: manifest lists that are made here, to be pushed.
CREATE TABLE manifest_lists (
    name     TEXT PRIMARY KEY,     -- `registry/repository:tag`
    document TEXT NOT NULL         -- image::ManifestList as JSON
) STRICT, WITHOUT ROWID;
