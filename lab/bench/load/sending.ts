/** What an agent sends in a benchmark, in a process or in a page. */
import type { Agent, Sent } from "@aimessage/sdk";

/** Messages that are put into the outbox at once; the last but one such batch must have been received before the next. */
export const BATCH = 64;

/** Sends for so many seconds, at least one batch. @returns how many messages */
export async function sendFor(
  agent: Pick<Agent, "send">,
  { to, body, seconds }: { to: string; body: Uint8Array; seconds: number },
): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  let before: Sent | undefined;
  do {
    const batch = await Promise.all(Array.from({ length: BATCH }, () => agent.send(to, body)));
    count += batch.length;
    await before?.received();
    before = batch.at(-1);
  } while (performance.now() < end);
  return count;
}
