import { expect, test } from "vitest";
import { chaos } from "../program.ts";

const SEED = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const CYCLES = Number(process.env["CHAOS_GROUP_CYCLES"] ?? 6);

test(
  `whatever fails while groups are written to and changed: their members agree, and all of them have what was for them (seed ${SEED})`,
  { tags: ["long"], timeout: 3_600_000 },
  async () => {
    const { violations, folder } = await chaos("--groups", "--cycles", String(CYCLES), "--seed", String(SEED));
    expect(violations, `the logs are in ${folder}`).toEqual([]);
  },
);
