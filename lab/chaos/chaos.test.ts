import { expect, test } from "vitest";
import { chaos } from "./program.ts";

const SEED = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const CYCLES = Number(process.env["CHAOS_CYCLES"] ?? 50);

test(
  `whatever fails of relay, agents, network, disks and clocks: every promise is kept (seed ${SEED})`,
  { tags: ["long"], timeout: 3_600_000 },
  async () => {
    const { violations, folder, messages } = await chaos("--cycles", String(CYCLES), "--seed", String(SEED));
    expect(violations, `the logs are in ${folder}`).toEqual([]);
    expect(messages).toBe(12 * CYCLES);
  },
);
