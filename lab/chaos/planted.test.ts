import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bugs } from "./bugs.ts";
import { chaos } from "./program.ts";

/** Schedules in which each of them shows within a few cycles, as a rule: when it strikes depends on the machine, too. */
const BUG_SEEDS = ["56", "57", "58"];

// Minutes, and on a slow machine many: a run that is stuck waits long before it says so.
describe.skipIf(process.env["CHAOS_BUGS"] === undefined)("the checks of chaos", () => {
  test.for(bugs)("finds a planted bug: %s", { tags: ["long"], timeout: 600_000 }, async (bug) => {
    // What is lost shows where it was promised, or in what waits for it without end.
    const signs = bug === "no-dedup" ? ["doubled: "] : ["lost: ", "for ever on its way: "];
    const all: string[] = [];
    for (const seed of BUG_SEEDS) {
      const { violations, folder } = await chaos("--cycles", "40", "--seed", seed, "--bug", bug);
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      all.push(...violations);
      if (all.some((violation) => signs.some((sign) => violation.startsWith(sign)))) return;
    }
    expect.unreachable(`${signs.join("or ")}was never seen, but: ${all.join("; ")}`);
  });
});
