import { describe, test } from "vitest";
import { openMemoryStore, openSqliteStore } from "../src/index.ts";
import { type OpenStore, relayStoreCases } from "../src/testing/index.ts";
import { folder } from "./folder.ts";

const stores: Record<string, OpenStore> = {
  "the SQLite store": (options) => openSqliteStore(folder(), options),
  "the memory store": (options) => openMemoryStore(options),
};

for (const [name, open] of Object.entries(stores))
  describe(name, () => {
    for (const { name: sentence, run } of relayStoreCases) test(sentence, () => run(open));
  });
