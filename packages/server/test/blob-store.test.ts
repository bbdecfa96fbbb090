import { describe, test } from "vitest";
import { FolderBlobs } from "../src/blobs/folder-blobs.ts";
import { MemoryBlobs } from "../src/blobs/memory-blobs.ts";
import { blobStoreCases, type OpenBlobStore } from "../src/testing/index.ts";
import { folder } from "./folder.ts";

const stores: Record<string, OpenBlobStore> = {
  "files in a folder": () => new FolderBlobs(folder()),
  "files in memory": () => new MemoryBlobs(),
};

for (const [name, open] of Object.entries(stores))
  describe(name, () => {
    for (const { name: sentence, run } of blobStoreCases) test(sentence, () => run(open));
  });
