import { randomInt } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { check } from "../src/admin/check.ts";
import { openMemoryStore, openSqliteStore } from "../src/index.ts";
import { defaultLimits } from "../src/config/limits.ts";
import type { StoreOptions } from "../src/store/options.ts";
import type { RelayStore } from "../src/store/store.ts";
import { folder } from "./folder.ts";
import type { Real } from "./store-model/command.ts";
import { pairs, type Stories, teams } from "./store-model/commands.ts";
import { Places } from "./store-model/places.ts";
import { limits, Model } from "./store-model/model.ts";
import { compareTables } from "./store-model/team-tables.ts";

const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
/** Runs may end early, so that the suite stays fast where disks are slow. */
const AT_MOST_MS = 12_000;

/** A store, opened again as often as the commands say: the one in memory would be empty then. */
function stores(
  kind: "sqlite" | "memory",
): (options: StoreOptions) => { open: () => RelayStore | Promise<RelayStore>; path: string | undefined } {
  if (kind === "memory") return (options) => ({ open: () => openMemoryStore(options), path: undefined });
  return (options) => {
    const path = folder();
    return { open: () => openSqliteStore(path, options), path };
  };
}

async function run(kind: "sqlite" | "memory", numRuns: number, { prelude, commands }: Stories): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands([commands], { size: "max", maxCommands: 60 }), async (story) => {
      const model = new Model();
      const { open, path } = stores(kind)({ limits: { ...defaultLimits(), ...limits }, clock: () => model.now });
      const real: Real = {
        store: await open(),
        places: new Places(),
        claims: new Map(),
        async reopen() {
          if (path === undefined) return;
          await real.store[Symbol.asyncDispose]();
          real.store = await open();
          for (const mailbox of real.claims.keys()) real.claims.set(mailbox, (await real.store.listen(mailbox)).claim);
        },
        // Nothing is left of what has gone, and to each address is charged what it has here.
        look() {
          if (path === undefined) return;
          const { problems } = check(path, 0);
          // The bytes of files lie elsewhere: here are none.
          expect(problems.filter(({ problem }) => problem !== "blobs_without_file")).toEqual([]);
          compareTables(path, model.teams);
        },
      };
      try {
        for (const command of prelude) await command.run(model, real);
        await fc.asyncModelRun(() => ({ model, real }), story);
      } finally {
        await real.store[Symbol.asyncDispose]();
      }
      real.look();
    }),
    { seed, numRuns, interruptAfterTimeLimit: AT_MOST_MS, markInterruptAsFailure: false },
  );
}

describe(`whatever is asked of a store, it does what a simple model does; SEED=${seed}`, () => {
  test("the memory store", () => run("memory", 30, pairs));
  test("the SQLite store, which is opened again meanwhile", () => run("sqlite", 10, pairs));
  test("the memory store, of teams", () => run("memory", 30, teams));
  test("the SQLite store, of teams, and what it leaves on the disk after each step", () => run("sqlite", 10, teams));
  test("the memory store, at length", { tags: ["long"] }, () => run("memory", 300, pairs));
  test("the SQLite store, at length", { tags: ["long"] }, () => run("sqlite", 60, pairs));
  test("the memory store, of teams at length", { tags: ["long"] }, () => run("memory", 300, teams));
  test("the SQLite store, of teams at length", { tags: ["long"] }, () => run("sqlite", 60, teams));
});
