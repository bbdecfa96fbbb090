import { AgentError, type ErrorCode } from "../errors.ts";
import { randomId } from "../protocol/index.ts";
import type { ClientStore } from "../store/store.ts";
import type { Link } from "../link/link.ts";
import { get, put, remove } from "../records/records.ts";
import type { AskRecord } from "../records/tables.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** Requests that any process may have the link make. */
export type AskType = AskRecord["type"];

/** Has the link, in whatever process, make a request to the relay. @throws AgentError refused, timeout, relay_unreachable */
export async function ask(
  store: ClientStore,
  link: Link,
  { type, data = {} }: { type: AskType; data?: Record<string, unknown> },
  wait?: Wait,
): Promise<Record<string, unknown>> {
  await link.begin();
  const id = await leaveRequest(store, type, data);
  try {
    return await waitFor(store, link, `the relay's answer to ${type}`, () => takeAnswer(store, id), wait);
  } catch (error) {
    await dropRequest(store, id).catch(() => undefined);
    throw error;
  }
}

/** Leaves a request for whoever holds the link. */
async function leaveRequest(store: ClientStore, type: AskType, data: Record<string, unknown>): Promise<string> {
  const id = randomId();
  await store.write((tx) => put(tx, "ask/", id, { id, type, data, at: Date.now() }));
  return id;
}

/** The answer to a request, once; undefined while there is none. @throws AgentError what the link was refused */
async function takeAnswer(store: ClientStore, id: string): Promise<Record<string, unknown> | undefined> {
  const answer = await store.read((tx) => get(tx, "answer/", id));
  if (answer === undefined) return undefined;
  // It is the answer, whatever the disk says now; what is left goes in a day.
  await store.write((tx) => remove(tx, "answer/", id)).catch(() => undefined);
  if ("ok" in answer) return answer.ok;
  const { code, message, ...more } = answer.error;
  throw new AgentError(code as ErrorCode, message, more);
}

/** Withdraws a request that nobody waits for any more. */
async function dropRequest(store: ClientStore, id: string): Promise<void> {
  await store.write(async (tx) => {
    await remove(tx, "ask/", id);
    await remove(tx, "answer/", id);
  });
}
