-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Version 6: a container may be made from an image of an additional store, which is not in this database. That an image of ours has
-- containers keeps it all the same.
CREATE TABLE containers_of_any_image (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    image    TEXT NOT NULL,
    created  INTEGER NOT NULL,
    record   TEXT NOT NULL      -- container::Record as JSON
) STRICT;
INSERT INTO containers_of_any_image (rowid, id, name, image, created, record)
    SELECT rowid, id, name, image, created, record FROM containers;
DROP TABLE containers;
ALTER TABLE containers_of_any_image RENAME TO containers;
CREATE INDEX containers_by_image ON containers (image);
CREATE TRIGGER image_of_containers BEFORE DELETE ON images
    WHEN EXISTS (SELECT 1 FROM containers WHERE image = OLD.id)
    BEGIN SELECT RAISE(ABORT, 'containers are made from the image'); END;
