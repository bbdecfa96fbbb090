/** Teams in which anything happens: thousands of random steps with real cryptography. `SEED=…` runs them again, `TEAM_STEPS=…` says how many. */
import { expect, test } from "vitest";
import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { Random, seed } from "../random.ts";
import { Churn, counts } from "./team-churn.ts";
import { cryptoOf, quickProvider } from "./team.ts";

const STEPS = Number(process.env["TEAM_STEPS"] ?? 1_000);

/** Teams one after the other, each for so many steps. */
async function churn(random: Random, provider: CryptoProvider, life: { steps: number; most: number }): Promise<void> {
  const world = new Churn(await cryptoOf(provider), random);
  await world.found(life.most > 12 ? life.most - 3 : 3 + random.int(5));
  for (let step = 0; step < life.steps; step++) await world.step(life.most);
}

test(
  `after each of 80 steps all members agree, nobody is refused, and nobody reads what is not theirs (seed ${seed})`,
  { timeout: 180_000 },
  async () => {
    const random = new Random();
    for (let team = 0; team < 2; team++) await churn(random, quickProvider, { steps: 40, most: 6 });
    expect(counts["joins"]).toBeGreaterThan(20);
  },
);

test(
  `the same of ${STEPS}, with up to 12 members, now and then 40, and now and then the protocol's own suite (seed ${seed})`,
  { tags: ["long"], timeout: 4 * 3_600_000 },
  async () => {
    const random = new Random();
    for (let [done, team] = [0, 0]; done < STEPS; team++) {
      const isLarge = team % 12 === 11;
      const steps = Math.min(STEPS - done, isLarge ? 20 : 50);
      await churn(random, team % 20 === 3 ? nodeCryptoProvider : quickProvider, { steps, most: isLarge ? 40 : 12 });
      done += steps;
    }
    process.stderr.write(`${JSON.stringify(counts)}\n`);
  },
);
