import { encodeRelayFrame } from "@aimessage/sdk/protocol";
import type { Body, Entry } from "../store/store.ts";

/** A frame of which the end is the same for many connections, so that each of these holds the same bytes of it. */
export interface SharedFrame {
  own: string;
  shared: Buffer;
}

/** What is shorter is joined: it takes less than to write twice. */
const LEAST_SHARED = 2 ** 14;

/** An entry as it is pushed: `message` if it is live, `offline_message` if it has waited. [P-5.2] */
export function deliveryFrame(entry: Entry, live: boolean): string | SharedFrame {
  const type = live ? "message" : "offline_message";
  const { body, seq, message } = entry;
  if (body !== undefined) {
    const fields = message === "" ? { seq } : { seq, message };
    const timestamp = Math.floor(Date.now() / 1000);
    const own = `{"type":"${type}","id":"seq-${seq}","timestamp":${timestamp},"data":{${inner(JSON.stringify(fields))},`;
    const shared = sharedEnd(entry, body);
    return typeof shared === "string" ? own + shared : { own, shared };
  }
  return encodeRelayFrame(type, `seq-${seq}`, undefined, { ...fieldsOf(entry), ...contentOf(entry), seq });
}

/** Of a message that has expired its digest stands in its place. */
function contentOf({ kind, message }: Entry): { message: string } | { sha256: string } {
  return kind === "stub" ? { sha256: message } : { message };
}

/** What frames of entries that share a body have in common is made once. */
const ends = new WeakMap<Body, string | Buffer>();

function sharedEnd(entry: Entry, body: Body): string | Buffer {
  let end = ends.get(body);
  if (end === undefined) {
    const text = `${inner(JSON.stringify(fieldsOf(entry)))},${inner(body.text)}}}`;
    ends.set(body, (end = text.length < LEAST_SHARED ? text : Buffer.from(text)));
  }
  return end;
}

/** The fields of an object that is written as JSON. */
function inner(object: string): string {
  return object.slice(1, -1);
}

/** All but what each entry has of its own. */
function fieldsOf(entry: Entry) {
  return {
    from: entry.from,
    // The codec's schema knows no undefined; JSON.stringify leaves such fields out.
    device: entry.device as string,
    kind: entry.kind,
    // An empty one is left out, as in the original.
    session_id: (entry.sessionId === "" ? undefined : entry.sessionId) as string,
    group_id: entry.groupId as string,
    epoch: entry.epoch as number,
    message_id: entry.messageId,
    expires_at: entry.expiresAt as number,
    timestamp: Math.floor(entry.storedAt / 1000),
    status: entry.status as NonNullable<Entry["status"]>,
    reason: entry.reason as string,
    pos: entry.pos as number,
  };
}
