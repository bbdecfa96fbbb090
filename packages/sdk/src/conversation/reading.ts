/** What was encrypted, compared with what the relay says around it. */
import { type Content, decodeContent, isFrameIdOf } from "../crypto/content.ts";
import { GroupError } from "../crypto/mls/seam.ts";
import { type Delivery, fromBase64, isBase64 } from "../protocol/index.ts";
import type { Turn } from "../turn/turn.ts";

/** The costs of trying to decrypt, and of one step of a ratchet: ms of an ordinary core. See `Waste`. */
export const ATTEMPT = 0.5;
const STEP = 0.02;
/** Counters of a member that were not read, at most. */
export const MISSING_AT_MOST = 400;

/** A message as it was decrypted. */
export interface Decrypted<S> {
  plaintext: Uint8Array;
  consumed: Uint8Array[];
  /** Whether what was authenticated with it is what the relay says of it. */
  isBound: boolean;
  /** Who has signed it, in lower case. */
  signer: string;
  sender: S;
}

/**
 * Reads a message. Undefined if it is not readable, or not what the relay says it is.
 * @param from whose message it is: of what leads to nothing this one has the blame
 */
export async function readMessage<S>(
  turn: Turn,
  { from, delivery }: { from: string; delivery: Delivery },
  decrypt: (bytes: Uint8Array) => Promise<Decrypted<S> | undefined>,
): Promise<{ content: Content; sender: S } | undefined> {
  const bytes = isBase64(delivery.message) ? fromBase64(delivery.message) : new Uint8Array();
  const { waste } = turn.cache;
  if (waste.remembers && waste.hasFailed(await turn.crypto.digest(bytes))) return undefined;
  try {
    const decrypted = await decrypt(bytes);
    if (decrypted === undefined) return undefined;
    turn.consumed.push(...decrypted.consumed);
    const content = decodeContent(decrypted.plaintext);
    if (content !== undefined && decrypted.isBound && isFrameIdOf(delivery.message_id, content.header.id))
      return { content, sender: decrypted.sender };
    turn.wasted(from, ATTEMPT);
    if (content !== undefined)
      await turn.alert(
        "relay_mismatch",
        decrypted.signer,
        `a message from ${decrypted.signer} came with other names, ids, epoch or expiry than its sender gave it`,
      );
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    // Without any it is of another group or epoch, which is seen at a glance.
    if (error.steps === undefined) return undefined;
    waste.remember(await turn.crypto.digest(bytes));
    turn.wasted(from, ATTEMPT + error.steps * STEP);
  }
  return undefined;
}
