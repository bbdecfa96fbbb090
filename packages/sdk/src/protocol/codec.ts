import type * as z from "zod/mini";
import { clientObjection, relayObjection } from "./bounds.ts";
import { clientFrames, type ClientFrame, type ClientFrameInput, type ClientFrameType } from "./client-frames.ts";
import type { WireReason } from "./errors.ts";
import { LONGEST_ID, lookAt } from "./look.ts";
import { relayFrames, type RelayFrame, type RelayFrameType } from "./relay-frames.ts";

/** `{"type", "id"?, "timestamp", "data"?}`; answers also carry `reply_to`. */
interface Envelope {
  type: string;
  id?: string;
  reply_to?: string;
  data?: unknown;
}

/** A frame that could not be read: why, and what little of it was readable, so that the answer can name its request. */
export interface BadFrame {
  reason: WireReason;
  type: string | undefined;
  id: string | undefined;
}

/** Reads a client's frame: the one edge where its input is checked. `look` is what {@link lookAt} has shown of it. */
export function decodeClientFrame(text: string, look = lookAt(text)): { frame: ClientFrame } | { bad: BadFrame } {
  const { type, id } = look;
  const bad = (reason: WireReason): { bad: BadFrame } => ({
    bad: { reason, type: reason === "invalid_frame" ? undefined : type, id },
  });
  const isKnown = type !== undefined && Object.hasOwn(clientFrames, type);
  const objection = clientObjection(look);
  if (objection !== undefined) return bad(isKnown ? objection : type === undefined ? "invalid_frame" : "unknown_type");
  const envelope = parseEnvelope(text);
  // A frame that was bounded by its type must be of that type.
  if (envelope === undefined || envelope.type !== type) return bad("invalid_frame");
  if (!isKnown) return bad("unknown_type");
  const data = clientFrames[type as ClientFrameType].safeParse(envelope.data);
  if (!data.success) return bad("invalid_data");
  return { frame: { type, id: envelope.id, data: data.data } as ClientFrame };
}

/**
 * Reads a relay's frame. What cannot be read still names its request, if it was an answer. `look` is what {@link lookAt}
 * has shown of it.
 */
export function decodeRelayFrame(
  text: string,
  look = lookAt(text),
): { frame: RelayFrame } | { bad: { replyTo: string | undefined } } {
  const { type } = look;
  const bad = { bad: { replyTo: look.reply_to } };
  if (type === undefined || !Object.hasOwn(relayFrames, type) || relayObjection(look) !== undefined) return bad;
  const envelope = parseEnvelope(text);
  if (envelope === undefined || envelope.type !== type) return bad;
  const data = relayFrames[type as RelayFrameType].safeParse(envelope.data);
  if (!data.success) return bad;
  return { frame: { type, replyTo: envelope.reply_to, data: data.data } as RelayFrame };
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

function parseEnvelope(text: string): Envelope | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isEnvelope(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** By hand: it is checked for each frame, and a schema of its four fields takes as long as that of the data. */
function isEnvelope(parsed: unknown): parsed is Envelope {
  if (typeof parsed !== "object" || parsed === null) return false;
  const { type, id, reply_to } = parsed as Record<keyof Envelope, unknown>;
  return typeof type === "string" && isIdOrMissing(id) && isIdOrMissing(reply_to);
}

function isIdOrMissing(id: unknown): id is string | undefined {
  return id === undefined || (typeof id === "string" && id.length <= LONGEST_ID);
}
