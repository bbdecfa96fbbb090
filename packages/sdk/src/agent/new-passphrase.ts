import { spelled } from "../crypto/passphrase.ts";
import { AgentError } from "../errors.ts";
import { toBase32 } from "../protocol/index.ts";

/** Characters that a new passphrase has at least. */
const SHORTEST = 8;
/** Of a passphrase that is made: 120 bits, which nobody guesses. */
const MADE_BYTES = 15;

/**
 * Of a passphrase that something shall be sealed with from now on. What was sealed with any other opens by it still.
 * @throws AgentError weak_passphrase
 */
export function checkNewPassphrase(passphrase: string): void {
  const length = Array.from(spelled(passphrase).trim()).length;
  const hint = `choose one of ${SHORTEST} characters or more, or have one made: seal --generate FILE, backup --generate FILE`;
  // Another encoding leaves this of any character at all.
  if (passphrase.includes("\u{fffd}"))
    throw new AgentError("weak_passphrase", "the passphrase is no UTF-8 text", { hint });
  if (length < SHORTEST)
    throw new AgentError("weak_passphrase", `the passphrase has ${length === 0 ? "no" : `only ${length}`} characters`, {
      hint,
    });
}

/** A passphrase that nobody guesses and that can be typed: six groups of four lower-case letters and digits. */
export function newPassphrase(): string {
  const letters = toBase32(globalThis.crypto.getRandomValues(new Uint8Array(MADE_BYTES))).toLowerCase();
  return letters.match(/.{4}/g)?.join("-") ?? letters;
}
