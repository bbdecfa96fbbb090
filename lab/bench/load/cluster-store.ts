/** Load on the store of a cluster alone: messages between random mailboxes, each with an id, stored, announced and deleted again. */
import { BlockedGroups } from "../../../packages/server/src/store/blocked-groups.ts";
import { randomInt } from "node:crypto";
import { defaultLimits } from "../../../packages/server/src/config/limits.ts";
import { openPostgresStore } from "../../../packages/server/src/store/postgres/postgres.ts";
import type { RelayStore } from "../../../packages/server/src/store/store.ts";
import { serve } from "../../shared/serve.ts";

const OUTSTANDING = 800;
const MESSAGE = "x".repeat(128);
const NOTHING = { sessionId: undefined, groupId: undefined, epoch: undefined, expiresAt: undefined };

let store: RelayStore | undefined;
let sent = 0;

serve({ open, run });

async function open({ url, schema }: { url: string; schema: string }): Promise<void> {
  store = await openPostgresStore({ url, schema, limits: defaultLimits(true) });
  store.watch((entries) => {
    for (const { mailbox, seq } of entries) store?.receivedSoon(mailbox, seq, () => {});
  });
}

/** @param mailboxes Those of `user1` and so on, by number @returns messages a second */
async function run({ mailboxes, seconds }: { mailboxes: number; seconds: number }): Promise<number> {
  const opened = store;
  if (opened === undefined) throw new Error("No store is open");
  const started = performance.now();
  const end = started + seconds * 1000;
  let done = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      const [sender, to] = [1 + randomInt(mailboxes), 1 + randomInt(mailboxes)];
      const request = { sender, to: `user${to}`, message: MESSAGE, messageId: `bench-${++sent}`, ...NOTHING };
      const result = await opened.send(request, new BlockedGroups());
      if ("refused" in result) throw new Error(result.refused);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: OUTSTANDING }, one));
  return done / ((performance.now() - started) / 1000);
}
