import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { type GroupFigures, measureGroup } from "../../../packages/cli/src/bench/group.ts";
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
    const found: GroupFigures[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      progress(`group of ${members}: round ${round} of ${ROUNDS}`);
      await using founder = await Agent.open({ home: folder, username: `founder-${members}-${round}`, server });
      found.push(await measureGroup({ server, founder, members, note: () => undefined }));
    }
    results.push(row(found, { title: `group of ${members}, founded`, under }, ["founded", "sealed"]));
    if (members !== TALKS.members) continue;
    results.push(row(found, { title: `message to ${members}, stored`, under: TALKS.stored }, ["stored", "bare"]));
    results.push(
      row(found, { title: `message to ${members}, pushed to all`, under: TALKS.pushed }, ["pushed", "bare"]),
    );
  }
  return results;
}

function row(
  found: GroupFigures[],
  { title, under }: { title: string; under: number },
  [value, floor]: [keyof GroupFigures, keyof GroupFigures],
): Result {
  return {
    figure: "groups",
    title,
    unit: " ms",
    value: median(found.map((one) => one[value])),
    floor: median(found.map((one) => one[floor])),
    ratio: median(found.map((one) => one[value] / one[floor])),
    aim: { under },
  };
}
