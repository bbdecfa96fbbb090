import * as z from "zod/mini";
import { clientFrames, type ClientFrame, type ClientFrameInput, type ClientFrameType } from "./client-frames.ts";
import type { WireReason } from "./errors.ts";
import { relayFrames, type RelayFrame, type RelayFrameType } from "./relay-frames.ts";

const EnvelopeId = z.string().check(z.maxLength(128));

/** `{"type", "id"?, "timestamp", "data"?}`; answers also carry `reply_to`. */
const Envelope = z.object({
  type: z.string(),
  id: z.exactOptional(EnvelopeId),
  reply_to: z.exactOptional(EnvelopeId),
  data: z.optional(z.unknown()),
});

/** A frame that could not be read: why, and what little of it was readable, so that the answer can name its request. */
export interface BadFrame {
  reason: WireReason;
  type: string | undefined;
  id: string | undefined;
}

/** Reads a client's frame: the one edge where its input is checked. */
export function decodeClientFrame(text: string): { frame: ClientFrame } | { bad: BadFrame } {
  const { value, envelope } = parseEnvelope(text);
  if (envelope === undefined) return { bad: { reason: "invalid_frame", type: undefined, id: idIn(value, "id") } };
  const { type, id } = envelope;
  if (!Object.hasOwn(clientFrames, type)) return { bad: { reason: "unknown_type", type, id } };
  const data = clientFrames[type as ClientFrameType].safeParse(envelope.data);
  if (!data.success) return { bad: { reason: "invalid_data", type, id } };
  return { frame: { type, id, data: data.data } as ClientFrame };
}

/** Reads a relay's frame. What cannot be read still names its request, if it was an answer. */
export function decodeRelayFrame(text: string): { frame: RelayFrame } | { bad: { replyTo: string | undefined } } {
  const { value, envelope } = parseEnvelope(text);
  const bad = { bad: { replyTo: idIn(value, "reply_to") } };
  if (envelope === undefined || !Object.hasOwn(relayFrames, envelope.type)) return bad;
  const data = relayFrames[envelope.type as RelayFrameType].safeParse(envelope.data);
  if (!data.success) return bad;
  return { frame: { type: envelope.type, replyTo: envelope.reply_to, data: data.data } as RelayFrame };
}

/** Writes a client's frame. `timestamp` is Unix seconds, as in the original. */
export function encodeClientFrame<T extends ClientFrameType>(
  type: T,
  id: string | undefined,
  data: ClientFrameInput<T>,
): string {
  return JSON.stringify({ type, id, timestamp: Math.floor(Date.now() / 1000), data });
}

/** Writes a relay's frame. */
export function encodeRelayFrame<T extends RelayFrameType>(
  type: T,
  id: string,
  replyTo: string | undefined,
  data: z.input<(typeof relayFrames)[T]>,
): string {
  return JSON.stringify({ type, id, timestamp: Math.floor(Date.now() / 1000), reply_to: replyTo, data });
}

function parseEnvelope(text: string): { value: unknown; envelope: z.output<typeof Envelope> | undefined } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { value: undefined, envelope: undefined };
  }
  const envelope = Envelope.safeParse(value);
  return { value, envelope: envelope.success ? envelope.data : undefined };
}

/** The id in what may be no frame otherwise: whoever waits for its answer is to be told all the same. [P-2.2] */
function idIn(value: unknown, name: "id" | "reply_to"): string | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const id = EnvelopeId.safeParse((value as Record<string, unknown>)[name]);
  return id.success ? id.data : undefined;
}
