/** The link's half of requests to the relay that any process may leave. */
import { AgentError } from "../errors.ts";
import type { ClientStore, Value } from "../store/store.ts";
import type { Connection } from "../wire/connection.ts";
import { Fault } from "../records/fault.ts";
import { parse, put, remove } from "../records/records.ts";
import type { AnswerRecord, AskRecord } from "../records/tables.ts";

/** Requests older than this have nobody waiting for them. Milliseconds. */
const STALE_MS = 120_000;

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
    return { at: Date.now(), ok: await connection.request(type, data, ANSWERS[type]) };
  } catch (error) {
    // A request that was not asked to the end is asked on the next connection; one that cannot be asked at all is answered.
    const known = error instanceof AgentError ? error : new Fault(key, error);
    if (known.code === "relay_unreachable") throw known;
    const { code, message, hint, reason } = known;
    return {
      at: Date.now(),
      error: {
        code,
        message,
        ...(hint === undefined ? {} : { hint }),
        ...(reason === undefined ? {} : { reason }),
      },
    };
  }
}
