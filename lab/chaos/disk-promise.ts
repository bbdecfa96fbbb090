import { hasReceived, isQueued } from "./stores.ts";
import type { World } from "./world.ts";

/**
 * What a recipient whose store was put back has at the relay is dropped when its new device comes, and sent again by its
 * sender. Until then, and for as long as that may take.
 */
const AFTER_PUT_BACK_MS = 60_000;

/**
 * While the relay is down, or one of several is: everything that was acknowledged must be stored, or on its recipient's disk. Senders would
 * mend most of what was lost, so that the end alone does not tell.
 */
export async function checkStored(world: World): Promise<void> {
  const backAt = (agent: string) => world.agents.find(({ name }) => name === agent)?.backAt ?? 0;
  const acknowledged = [...world.ledger.entries.values()].filter(
    ({ storedAt, got, letter, excused, ended, from }) =>
      storedAt !== undefined &&
      got.length === 0 &&
      ended === undefined &&
      letter.expiresIn === undefined &&
      excused.size === 0 &&
      Date.now() - Math.max(backAt(letter.to), backAt(from)) > AFTER_PUT_BACK_MS,
  );
  if (acknowledged.length === 0) return;
  const stored = await world.relays.stored();
  const folderOf = (agent: string) => world.agents.find(({ name }) => name === agent)?.folder ?? "";
  for (const { letter, got, from } of acknowledged) {
    if (stored.has(letter.id) || got.length > 0) continue;
    // Its sender has heard that it was not readable, or that its recipient has a new device, and is about to send it again.
    if (await isQueued(folderOf(from), letter.id)) continue;
    if (!(await hasReceived(folderOf(letter.to), letter.id)) && got.length === 0)
      world.ledger.violation(
        `lost: ${letter.id} to ${letter.to} was acknowledged, and neither the relay nor its recipient has it`,
      );
  }
}
