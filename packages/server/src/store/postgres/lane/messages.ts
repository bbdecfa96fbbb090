import { relayFrames } from "@aimessage/sdk/protocol";
import * as z from "zod/mini";

const Count = z.int().check(z.nonnegative());

const Frame = z.discriminatedUnion("type", [
  z.object({ type: z.literal("keys_low"), data: relayFrames.keys_low }),
  z.object({ type: z.literal("key_request"), data: relayFrames.key_request }),
  z.object({ type: z.literal("key_response"), data: relayFrames.key_response }),
  z.object({ type: z.literal("statement"), data: relayFrames.statement }),
]);

const Message = z.discriminatedUnion("type", [
  /** Something was stored in these mailboxes. */
  z.object({ type: z.literal("wake"), mailboxes: z.array(Count) }),
  /** Another relay has taken the mailbox over, by the claim of that number. */
  z.object({ type: z.literal("superseded"), mailbox: Count, claim: Count }),
  /** Nobody may use the mailbox any more. */
  z.object({
    type: z.literal("evict"),
    mailbox: Count,
    username: z.string(),
    why: z.enum(["removed", "disabled", "replaced"]),
  }),
  /** Nobody listens to the mailbox any more. */
  z.object({ type: z.literal("freed"), mailbox: Count }),
  /** What a member has signed waits for another one to commit it. */
  z.object({ type: z.literal("signed") }),
  /** A frame for whoever listens to the mailbox; `relay` wants to know whether somebody has taken it. */
  z.object({ type: z.literal("hand"), id: z.string(), relay: Count, mailbox: Count, frame: Frame }),
  z.object({ type: z.literal("handed"), id: z.string(), taken: z.boolean() }),
  /** Look at everything: something was missed. */
  z.object({ type: z.literal("all") }),
  /** A message that was too long: it lies in the table of parcels. */
  z.object({ type: z.literal("parcel"), id: Count }),
]);

/** What one relay tells another. */
export type Message = z.output<typeof Message>;

/** Longest payload of a notification, in bytes; the engine's own limit is 7,999. */
export const PAYLOAD_BYTES = 7900;
/** So many numbers of mailboxes fit into a payload, whatever they are. */
const WAKE_MAILBOXES = 400;

/** As JSON; several where one would be too long. */
export function encodeMessage(message: Message): string[] {
  if (message.type !== "wake") return [JSON.stringify(message)];
  const { mailboxes } = message;
  return Array.from({ length: Math.ceil(mailboxes.length / WAKE_MAILBOXES) }, (_, i) =>
    JSON.stringify({ type: "wake", mailboxes: mailboxes.slice(i * WAKE_MAILBOXES, (i + 1) * WAKE_MAILBOXES) }),
  );
}

/** Undefined if it is garbled, or of a later version. */
export function decodeMessage(text: string): Message | undefined {
  try {
    return Message.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/**
 * Of the channels on which relays listen, which end with their numbers.
 * @param schema The engine's word for a namespace: the relays of one store
 * @throws TypeError if the engine would need quotes for it, or cut it
 */
export function channelPrefix(schema: string): string {
  if (!/^[a-z_][a-z0-9_]{0,31}$/.test(schema)) throw new TypeError(`${schema} cannot be the name of a schema`);
  return `relay_${schema}_`;
}
