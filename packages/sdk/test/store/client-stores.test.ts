import { join } from "node:path";
import { describe, it } from "vitest";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { clientStoreCases } from "../../src/testing/index.ts";
import { newFolder, openStore, sealedBefore } from "./folder.ts";

describe("the SQLite store", () => {
  it.each(clientStoreCases)("$name", async ({ run }) => {
    await run(async () => {
      const folder = join(newFolder(), "alice");
      return { store: await openStore(folder), again: () => openStore(folder) };
    });
  });
});

describe("the SQLite store with a passphrase", () => {
  it.each(clientStoreCases)("$name", async ({ run }) => {
    await run(async () => {
      const folder = await sealedBefore("passphrase");
      return { store: await openStore(folder, "passphrase"), again: () => openStore(folder, "passphrase") };
    });
  });
});

describe("the memory store", () => {
  it.each(clientStoreCases)("$name", async ({ run }) => {
    await run(async () => {
      const folder = new MemoryFolder();
      return { store: new MemoryStore(folder), again: async () => new MemoryStore(folder) };
    });
  });
});
