/** How a key is made of a passphrase, the same in every runtime. */
import * as z from "zod/mini";
import { isBase64, toBase64 } from "../protocol/index.ts";

// scrypt (RFC 7914) as OWASP recommends it for passwords: 128 MiB, about half a second.
const COST = { N: 2 ** 17, r: 8, p: 1 };

/** Four times our own cost, so that it can be raised later: half a GiB and some seconds. */
const MOST_N = 4 * COST.N;

/** Bounds what a file of somebody else can make us compute. */
export const Kdf = z.object({
  name: z.literal("scrypt"),
  N: z.int().check(
    z.gte(2),
    z.lte(MOST_N),
    z.refine((N) => Number.isInteger(Math.log2(N))),
  ),
  r: z.literal(COST.r),
  p: z.literal(COST.p),
  salt: z.string().check(z.maxLength(64), z.refine(isBase64)),
});
export type Kdf = z.output<typeof Kdf>;

export function newKdf(): Kdf {
  return { name: "scrypt", ...COST, salt: toBase64(globalThis.crypto.getRandomValues(new Uint8Array(16))) };
}

/** Unicode has several spellings of one text; what is typed elsewhere shall be the same. */
export function spelled(passphrase: string): string {
  return passphrase.normalize("NFKC");
}

/** What a runtime has to seal with a passphrase: scrypt, and AES-256-GCM as nonce (12 bytes), ciphertext, tag (16 bytes). */
export interface Sealer {
  /** A key of 32 bytes. */
  keyOf(passphrase: string, kdf: Kdf): Promise<Uint8Array>;
  seal(key: Uint8Array, plaintext: Uint8Array, associated: string): Uint8Array | Promise<Uint8Array>;
  /** The plaintext; undefined if the key is another one, or anything was changed. */
  unseal(
    key: Uint8Array,
    sealed: Uint8Array,
    associated: string,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}
