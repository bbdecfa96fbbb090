import { AgentError, type ErrorCode } from "../errors.ts";
import { randomId } from "../protocol/index.ts";
import type { ClientStore, Value } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import { Fault } from "./fault.ts";
import type { Link } from "./link.ts";
import { type AnswerRecord, type AskRecord, get, parse, put, remove } from "./records.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** Requests older than this have nobody waiting for them. Milliseconds. */
const STALE_MS = 120_000;

/** Requests that any process may have the link make. */
export type AskType = AskRecord["type"];

/** Has the link, in whatever process, make a request to the relay. @throws AgentError refused, timeout, relay_unreachable */
export async function ask(
  store: ClientStore,
  link: Link,
  type: AskType,
  data: Record<string, unknown>,
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
  await store.write((tx) => remove(tx, "answer/", id));
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

/** Makes the requests that wait. @returns whether there were any */
export async function serveRequests(store: ClientStore, connection: Connection): Promise<boolean> {
  const waiting = await store.read((tx) => tx.list({ prefix: "ask/", limit: 100 }));
  for (const [key, value] of waiting) {
    const id = key.slice("ask/".length);
    const answer = await serve(connection, key, value);
    await store.write(async (tx) => {
      await remove(tx, "ask/", id);
      if (answer !== undefined) await put(tx, "answer/", id, answer);
    });
  }
  return waiting.length > 0;
}

const ANSWERS = { list_users: "user_list", lookup: "agent", info: "info", unregister: "ack" } as const;

async function serve(connection: Connection, key: string, value: Value): Promise<AnswerRecord | undefined> {
  try {
    const { type, data, at } = parse(key, value) as AskRecord;
    if (Date.now() - at > STALE_MS) return undefined;
    return { ok: await connection.request(type, data, ANSWERS[type]) };
  } catch (error) {
    // A request that was not asked to the end is asked on the next connection; one that cannot be asked at all is answered.
    const known = error instanceof AgentError ? error : new Fault(key, error);
    if (known.code === "relay_unreachable") throw known;
    const { code, message, hint, reason } = known;
    return {
      error: {
        code,
        message,
        ...(hint === undefined ? {} : { hint }),
        ...(reason === undefined ? {} : { reason }),
      },
    };
  }
}
