import { expect, test } from "vitest";
import { hasPostgres } from "../../../test/postgres.ts";
import { chaos } from "../program.ts";

const SEED = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const CYCLES = Number(process.env["CHAOS_CLUSTER_CYCLES"] ?? 15);

test.runIf(hasPostgres)(
  `whatever fails of three relays, their engine, and the agents that are moved about between them: every promise is kept (seed ${SEED})`,
  { tags: ["long"], timeout: 3_600_000 },
  async () => {
    const args = ["--relays", "3", "--cycles", String(CYCLES), "--seed", String(SEED)];
    const { violations, folder, messages } = await chaos(...args);
    expect(violations, `the logs are in ${folder}`).toEqual([]);
    expect(messages).toBe(12 * CYCLES);
  },
);
