/**
 * Direct frames: what one member of a team says to one other, by no ratchet, since all others would have to step over it. They are closed to the relay,
 * not to other members, and forward secret by epoch. [P-15.7]
 */
import { concat, lengthPrefixed, usernameKey } from "../../protocol/index.ts";
import type { Primitives } from "../primitives.ts";
import type { NamedDevice } from "./commit-data.ts";

/** The label by which a group exports the secret of its direct frames, and how many bytes that has. */
export const DIRECT = "aimessage direct 1";
export const DIRECT_BYTES = 32;
const NONCE = 12;
const TAG = 16;
const SIGNATURE = 64;

/** What a frame is bound to, and what the relay says around it. */
export interface DirectPlace {
  /** The group's id in hex. */
  group: string;
  epoch: number;
  from: NamedDevice;
  to: NamedDevice;
  messageId: string;
}

/** The key of one direction between two members in one epoch. `secret` is what the group exports. */
export async function directKey(
  { kdf }: Primitives,
  secret: Uint8Array,
  { from, to }: { from: NamedDevice; to: NamedDevice },
): Promise<Uint8Array> {
  // No salt is as many zeros as the hash has bytes (RFC 5869, section 2.2).
  const material = await kdf.extract(new Uint8Array(kdf.size), secret);
  return kdf.expand(material, lengthPrefixed(usernameKey(from.name), usernameKey(to.name)), 32);
}

/** @param privateKey Of the sender's device. @param nonce Of 12 bytes, and never the same twice. */
export async function sealDirect(
  primitives: Primitives,
  plaintext: Uint8Array,
  place: DirectPlace,
  keys: { secret: Uint8Array; privateKey: Uint8Array; nonce?: Uint8Array },
): Promise<Uint8Array> {
  const { privateKey, nonce = primitives.rng.randomBytes(NONCE) } = keys;
  const key = await directKey(primitives, keys.secret, place);
  const ciphertext = await primitives.hpke.encryptAead(key, nonce, directData(place), plaintext);
  const signature = await primitives.signature.sign(privateKey, directSigned(place, nonce, ciphertext));
  return concat(nonce, ciphertext, signature);
}

/** The plaintext, or undefined if this is not what the member with that device key has sealed for that place. */
export async function openDirect(
  primitives: Primitives,
  sealed: Uint8Array,
  place: DirectPlace,
  keys: { secret: Uint8Array; deviceKey: Uint8Array },
): Promise<Uint8Array | undefined> {
  if (sealed.length < NONCE + TAG + SIGNATURE) return undefined;
  const [nonce, ciphertext] = [sealed.slice(0, NONCE), sealed.slice(NONCE, -SIGNATURE)];
  try {
    const signed = directSigned(place, nonce, ciphertext);
    if (!(await primitives.signature.verify(keys.deviceKey, signed, sealed.slice(-SIGNATURE)))) return undefined;
    const key = await directKey(primitives, keys.secret, place);
    return await primitives.hpke.decryptAead(key, nonce, directData(place), ciphertext);
  } catch {
    return undefined;
  }
}

function fieldsOfPlace({ group, epoch, from, to, messageId }: DirectPlace) {
  const names = [usernameKey(from.name), from.device, usernameKey(to.name), to.device];
  return [DIRECT, group, epoch, ...names, messageId];
}

/** The associated data. */
export function directData(place: DirectPlace): Uint8Array {
  return lengthPrefixed(...fieldsOfPlace(place));
}

/** What the sender's device key signs. `ciphertext` has its tag. */
export function directSigned(place: DirectPlace, nonce: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return lengthPrefixed(...fieldsOfPlace(place), nonce, ciphertext);
}
