import { expect, test } from "vitest";
import { hasPostgres } from "../../../test/postgres.ts";
import { faults } from "./plan.ts";
import { chaosOfCluster } from "./program.ts";

const SEED = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const SECONDS = Number(process.env["CHAOS_CLUSTER_SECONDS"] ?? 60);

test.runIf(hasPostgres)(
  `whatever fails of relays, PostgreSQL, and what is between them: every promise is kept (seed ${SEED})`,
  { tags: ["long"], timeout: SECONDS * 1000 + 600_000 },
  async () => {
    const result = await chaosOfCluster("--seconds", String(SECONDS), "--seed", String(SEED));
    expect(result.violations, `the logs are in ${result.folder}`).toEqual([]);
    expect(Object.keys(result.faults).toSorted()).toEqual(faults.toSorted());
    expect(result.counts.acknowledged).toBeGreaterThan(0);
  },
);
