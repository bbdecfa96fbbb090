import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { measureGroup } from "../../../packages/cli/src/bench/group.ts";
import { median } from "../../shared/percentiles.ts";
import { startRelay } from "../../shared/relay.ts";
import type { Plan, Result } from "../compare.ts";

const ROUNDS = 3;
/** Members of a group, and milliseconds in which one of them should be founded. */
const SIZES = [
  [50, 700],
  [250, 2_500],
  [400, 4_000],
  [1_000, 15_000],
] as const;
/** Of which a message is looked at, in how many milliseconds it should be stored, and pushed to all. */
const TALKS = { members: 400, stored: 50, pushed: 150 };

/** Groups, whose members are accounts that listen and read nothing: until the relay has all of a group on its disk; and messages to it. */
export async function groups({ folder, progress }: Plan): Promise<Result[]> {
  await using relay = await startRelay(join(folder, "relay"));
  const server = `ws://localhost:${relay.port}/ws`;
  const results: Result[] = [];
  for (const [members, under] of SIZES) {
    const found: Awaited<ReturnType<typeof measureGroup>>[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      progress(`group of ${members}: round ${round} of ${ROUNDS}`);
      await using founder = await Agent.open({ home: folder, username: `founder-${members}-${round}`, server });
      found.push(await measureGroup({ server, founder, members, note: () => undefined }));
    }
    const row = (
      title: string,
      aim: number,
      value: (of: (typeof found)[0]) => number,
      floor: typeof value,
    ): Result => ({
      figure: "groups",
      title,
      unit: " ms",
      value: median(found.map(value)),
      floor: median(found.map(floor)),
      ratio: median(found.map((one) => value(one) / floor(one))),
      aim: { under: aim },
    });
    results.push(
      row(
        `group of ${members}, founded`,
        under,
        (of) => of.founded,
        (of) => of.sealed,
      ),
    );
    if (members !== TALKS.members) continue;
    results.push(
      row(
        `message to ${members}, stored`,
        TALKS.stored,
        (of) => of.stored,
        (of) => of.bare,
      ),
    );
    results.push(
      row(
        `message to ${members}, pushed to all`,
        TALKS.pushed,
        (of) => of.pushed,
        (of) => of.bare,
      ),
    );
  }
  return results;
}
