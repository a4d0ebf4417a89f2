-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- The database of what should be, as version 1 has it. A change is a further file and a further version (state/mod.rs),
-- never an edit of this one once it is released.
--
-- Times are seconds since 1970 in `images` (as the image says) and nanoseconds in `containers`; sizes are bytes; digests
-- are written `sha256:…`, an image's id among them; a container's id is 64 hexadecimal digits.

-- An image that is here whole. Its id is the digest of its configuration.
CREATE TABLE images (
    id       TEXT PRIMARY KEY,
    digest   TEXT NOT NULL,     -- of its manifest
    config   BLOB NOT NULL,     -- the configuration's bytes
    manifest BLOB NOT NULL,     -- the manifest's bytes
    created  INTEGER NOT NULL,
    size     INTEGER NOT NULL
) STRICT;

-- A layer that is here whole, known by its diffID: the digest of its uncompressed tar.
CREATE TABLE layers (
    diff_id  TEXT PRIMARY KEY,
    size     INTEGER NOT NULL,  -- of its files
    tar_size INTEGER NOT NULL,
    entries  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which layers an image consists of; position 0 is the lowest.
CREATE TABLE image_layers (
    image    TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    layer    TEXT NOT NULL REFERENCES layers (diff_id),
    PRIMARY KEY (image, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layers_by_layer ON image_layers (layer);

-- What an image is called: `registry/repository:tag`, or `registry/repository@digest` when it was fetched by digest. The
-- row ids tell which name is the newest.
CREATE TABLE image_names (
    name     TEXT PRIMARY KEY,
    image    TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX image_names_by_image ON image_names (image);

-- The digests of the manifests, and of the indexes above them, through which an image came: what may stand after `@`.
CREATE TABLE image_digests (
    digest   TEXT NOT NULL,
    image    TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (digest, image)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_digests_by_image ON image_digests (image);

-- A container. That an image is used by one keeps the image.
CREATE TABLE containers (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    image    TEXT NOT NULL REFERENCES images (id),
    created  INTEGER NOT NULL,
    record   TEXT NOT NULL      -- container::Record as JSON
) STRICT;
CREATE INDEX containers_by_image ON containers (image);
