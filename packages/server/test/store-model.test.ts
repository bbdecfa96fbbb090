import { randomInt } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { check } from "../src/admin/check.ts";
import { openMemoryStore, openSqliteStore } from "../src/index.ts";
import { defaultLimits } from "../src/config/limits.ts";
import type { StoreOptions } from "../src/store/options.ts";
import type { RelayStore } from "../src/store/store.ts";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { openPostgresStore } from "../src/store/postgres/postgres.ts";
import { folder } from "./folder.ts";
import type { Real } from "./store-model/command.ts";
import { pairs, type Stories, teams } from "./store-model/commands.ts";
import { Places } from "./store-model/places.ts";
import { limits, Model } from "./store-model/model.ts";
import { compareTables } from "./store-model/team-tables.ts";

const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
/** After the first one, stories may be left out, so that the suite stays fast where disks are slow. */
const AT_MOST_MS = 12_000;

/** A store, opened again as often as the commands say: the one in memory would be empty then. */
interface Kind {
  open: (options: StoreOptions) => () => RelayStore | Promise<RelayStore>;
  isKept: boolean;
}

/** Where the newest SQLite store lies, to be looked into. */
let path = "";
const kinds = {
  memory: { open: (options) => () => openMemoryStore(options), isKept: false },
  sqlite: {
    open(options) {
      const own = (path = folder());
      return () => openSqliteStore(own, options);
    },
    isKept: true,
  },
} satisfies Record<string, Kind>;

async function postgres(): Promise<Kind> {
  const url = await database();
  let stories = 0;
  return {
    open(options) {
      const schema = `story_${++stories}`;
      return () => openPostgresStore({ ...options, url, schema });
    },
    isKept: true,
  };
}

async function run(kind: Kind, numRuns: number, { prelude, commands }: Stories): Promise<void> {
  let until = Infinity;
  await fc.assert(
    fc.asyncProperty(fc.commands([commands], { size: "max", maxCommands: 60 }), async (story) => {
      if (performance.now() > until) return;
      until = Math.min(until, performance.now() + AT_MOST_MS);
      const model = new Model();
      const open = kind.open({ limits: { ...defaultLimits(), ...limits }, clock: () => model.now });
      const real: Real = {
        store: await open(),
        places: new Places(),
        claims: new Map(),
        async reopen() {
          if (!kind.isKept) return;
          await real.store[Symbol.asyncDispose]();
          real.store = await open();
          for (const mailbox of real.claims.keys()) real.claims.set(mailbox, (await real.store.listen(mailbox)).claim);
        },
        // Nothing is left of what has gone, and to each address is charged what it has here.
        look() {
          if (kind !== kinds.sqlite) return;
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
    { seed, numRuns },
  );
}

describe(`whatever is asked of a store, it does what a simple model does; SEED=${seed}`, () => {
  test("the memory store", () => run(kinds.memory, 30, pairs));
  test("the SQLite store, which is opened again meanwhile", () => run(kinds.sqlite, 10, pairs));
  test("the memory store, of teams", () => run(kinds.memory, 30, teams));
  test("the SQLite store, of teams, and what it leaves on the disk after each step", () =>
    run(kinds.sqlite, 10, teams));
  describe.runIf(hasPostgres)("the PostgreSQL store, which is opened again meanwhile", () => {
    test("of conversations of two", async () => run(await postgres(), 10, pairs));
    test("of teams", async () => run(await postgres(), 10, teams));
    test("of two, at length", { tags: ["long"] }, async () => run(await postgres(), 60, pairs));
    test("of teams, at length", { tags: ["long"] }, async () => run(await postgres(), 60, teams));
  });
  test("the memory store, at length", { tags: ["long"] }, () => run(kinds.memory, 300, pairs));
  test("the SQLite store, at length", { tags: ["long"] }, () => run(kinds.sqlite, 60, pairs));
  test("the memory store, of teams at length", { tags: ["long"] }, () => run(kinds.memory, 300, teams));
  test("the SQLite store, of teams at length", { tags: ["long"] }, () => run(kinds.sqlite, 60, teams));
});
