import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { hasPostgres } from "../../../test/postgres.ts";
import type { Bug } from "./bugs.ts";
import { chaosOfCluster } from "./program.ts";

/** What each of them does to clients, and the faults by which it shows, where it needs any. */
const SIGNS: Record<Bug, { sign: RegExp; faults: string[] }> = {
  before: { sign: /a gap/, faults: ["cut"] },
  lock: { sign: /two messages at|a gap|for the first time, when/, faults: ["cut"] },
  fence: { sign: /doubled: /, faults: ["cut-late"] },
  async: { sign: /lost: |two messages at/, faults: ["failover"] },
};
/** As a rule each shows within seconds; the fence's needs a transaction that is cut in its middle. */
const SECONDS = "60";
const SEED = process.env["CHAOS_SEED"] ?? String(Math.floor(Math.random() * 2 ** 31));

test.runIf(hasPostgres).for(Object.keys(SIGNS) as Bug[])(
  `chaos of the cluster finds a planted bug (seed ${SEED}): %s`,
  { tags: ["long"], timeout: 600_000 },
  async (bug) => {
    const { sign, faults } = SIGNS[bug];
    const only = faults.flatMap((fault) => ["--fault", fault]);
    const { violations, folder } = await chaosOfCluster("--seconds", SECONDS, "--seed", SEED, "--bug", bug, ...only);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    expect(violations.join("\n")).toMatch(sign);
  },
);
