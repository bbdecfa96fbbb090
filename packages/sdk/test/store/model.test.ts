import { join } from "node:path";
import * as fc from "fast-check";
import { describe, it } from "vitest";
import { SqliteStore } from "../../src/node/sqlite-store.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import type { ClientStore } from "../../src/store/store.ts";
import { seed } from "../random.ts";
import { newFolder } from "./folder.ts";
import { commands, type Model, type Real } from "./model/commands.ts";

/** Runs may end early, so that the suite stays fast where disks are slow. */
const AT_MOST_MS = 12_000;

async function run(folder: () => () => Promise<ClientStore>, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands([commands], { size: "max", maxCommands: 40 }), async (story) => {
      const open = folder();
      const views = [await open(), await open()];
      const model: Model = { records: new Map() };
      const real: Real = {
        views,
        async reopen(view) {
          await views[view]?.close();
          views[view] = await open();
        },
      };
      try {
        await fc.asyncModelRun(() => ({ model, real }), story);
      } finally {
        for (const view of views) await view.close();
      }
    }),
    { seed, numRuns, interruptAfterTimeLimit: AT_MOST_MS, markInterruptAsFailure: false },
  );
}

describe(`whatever is asked of a client's store, it does what a map does; SEED=${seed}`, () => {
  it("the memory store", { timeout: 60_000 }, () =>
    run(() => {
      const folder = new MemoryFolder();
      return async () => new MemoryStore(folder);
    }, 500),
  );

  it("the SQLite store", { timeout: 60_000 }, () =>
    run(() => {
      const folder = join(newFolder(), "alice");
      return () => SqliteStore.open(folder);
    }, 60),
  );
});
