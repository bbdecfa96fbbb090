import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { check } from "../src/admin/check.ts";
import { moveIn } from "../src/admin/move/move-in.ts";
import { moveOut } from "../src/admin/move/move-out.ts";
import { defaultLimits } from "../src/config/limits.ts";
import { openSqliteStore } from "../src/index.ts";
import { checkTables } from "../src/store/postgres/check.ts";
import { openPostgresStore, SCHEMA } from "../src/store/postgres/postgres.ts";
import type { RelayStore } from "../src/store/store.ts";
import { folder } from "./folder.ts";
import type { Real } from "./store-model/command.ts";
import { pairs, type Stories, teams } from "./store-model/commands.ts";
import { limits, Model } from "./store-model/model.ts";
import { Places } from "./store-model/places.ts";

const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
/** So many stories: each of them moves several times, which takes a while. */
const STORIES = { short: 2, long: 40 };

/** A store that moves into a cluster, or back, each time it is opened. */
class MovingStore {
  readonly #db = folder();
  readonly #store: string;
  readonly #options;
  #isInCluster = true;
  #hasBegun = false;
  moves = 0;

  constructor(store: string, clock: () => number) {
    this.#store = store;
    this.#options = { limits: { ...defaultLimits(), ...limits }, clock };
  }

  async open(): Promise<RelayStore> {
    const flags = { db: this.#db, store: this.#store, files: { folder: join(this.#db, "blobs") } };
    this.#isInCluster = !this.#isInCluster;
    if (this.#isInCluster) await moveIn(flags);
    else if (this.#hasBegun) {
      for (const ending of ["", "-wal", "-shm"]) rmSync(join(this.#db, `relay.db${ending}`), { force: true });
      await moveOut(flags);
    }
    if (this.#hasBegun) this.moves += 1;
    this.#hasBegun = true;
    return this.#isInCluster
      ? openPostgresStore({ ...this.#options, url: this.#store })
      : openSqliteStore(this.#db, this.#options);
  }

  async problems(): Promise<string[]> {
    const found = this.#isInCluster ? await checkTables(this.#store, SCHEMA) : check(this.#db, 0).problems;
    // The bytes of files lie elsewhere: here are none.
    return found.flatMap(({ problem, about }) =>
      /^blobs_(without|elsewhere)/.test(problem) ? [] : [`${problem}: ${about}`],
    );
  }
}

async function run({ prelude, commands }: Stories, length: keyof typeof STORIES): Promise<void> {
  let moves = 0;
  await fc.assert(
    fc.asyncProperty(fc.commands([commands], { size: "max", maxCommands: 60 }), async (story) => {
      const model = new Model();
      const moving = new MovingStore(await database(), () => model.now);
      const real: Real = {
        store: await moving.open(),
        places: new Places(),
        claims: new Map(),
        async reopen() {
          await real.store[Symbol.asyncDispose]();
          real.store = await moving.open();
          for (const mailbox of real.claims.keys()) real.claims.set(mailbox, (await real.store.listen(mailbox)).claim);
          expect(await moving.problems()).toEqual([]);
        },
        look() {},
      };
      try {
        for (const command of prelude) await command.run(model, real);
        await fc.asyncModelRun(() => ({ model, real }), story);
        await real.reopen();
        await real.reopen();
        await real.store[Symbol.asyncDispose]();
      } catch (error) {
        // It may be closed already.
        await Promise.resolve(real.store[Symbol.asyncDispose]()).catch(() => {});
        throw error;
      }
      moves += moving.moves;
    }),
    { seed, numRuns: STORIES[length] },
  );
  expect(moves).toBeGreaterThan(1);
}

describe.runIf(hasPostgres)(
  `a store that moves into a cluster and back does what a simple model does; SEED=${seed}`,
  () => {
    test("of conversations of two", () => run(pairs, "short"));
    test("of teams", () => run(teams, "short"));
    test("of two, at length", { tags: ["long"], timeout: 600_000 }, () => run(pairs, "long"));
    test("of teams, at length", { tags: ["long"], timeout: 600_000 }, () => run(teams, "long"));
  },
);
