-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Version 3: which repositories have a blob that is known to be a layer of ours, so that it need not be sent to a registry that
-- has it. Only what was seen is noted: a blob that was unpacked to that layer, or made from it.
CREATE TABLE blob_places (
    blob        TEXT NOT NULL,
    repository  TEXT NOT NULL,     -- `registry/repository`
    diff_id     TEXT NOT NULL REFERENCES layers (diff_id) ON DELETE CASCADE,
    size        INTEGER NOT NULL,
    compression TEXT NOT NULL,     -- `none`, `gzip` or `zstd`
    PRIMARY KEY (blob, repository)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_places_by_layer ON blob_places (diff_id);
