/**
 * Cryptography in name only, for tests of what stands on it: millions of commits in the time of thousands. Hashes are real ones, so that
 * trees and transcripts differ where they have to. All else only binds: whoever changes a byte of what was signed or sealed, or has another
 * key, is refused; whoever wants to forge or to open it can.
 */
import { hash } from "node:crypto";
import type { CryptoProvider, Hpke, HpkeKey, Primitives } from "../../src/crypto/primitives.ts";
import { concat, equal } from "../../src/protocol/index.ts";
import type { Random } from "../random.ts";

/** Bytes of hashes, keys and secrets. */
const SIZE = 32;
const TAG = 16;
const none = new Uint8Array();

interface StubKey extends HpkeKey {
  raw: Uint8Array;
}

const keyOf = (raw: Uint8Array): StubKey => ({ type: "stub", raw });
const rawOf = (key: HpkeKey): Uint8Array => (key as StubKey).raw;

/** Of a private key the public one, and the other way round: whoever sees a tree has the keys of all its members. */
export function otherKey(key: Uint8Array): Uint8Array {
  const other = new Uint8Array(key.length);
  for (let at = 0; at < key.length; at++) other[at] = key[at]! ^ 0xff;
  return other;
}

/** So many bytes of all parts, of 64 bits that hang on each: no hash, but another one for all that happens by itself. */
function mix(size: number, ...parts: Uint8Array[]): Uint8Array {
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (const part of parts) {
    for (let at = 0; at < part.length; at++) {
      a = Math.imul(a ^ part[at]!, 0x01000193);
      b = Math.imul(b ^ (b >>> 15) ^ a, 0x85ebca6b);
    }
    a = Math.imul(a ^ part.length, 0xc2b2ae35) ^ (b >>> 16);
  }
  const mixed = new Uint8Array(size);
  for (let at = 0; at < size; at++) {
    a = Math.imul(a ^ (b >>> 13) ^ at, 0x01000193);
    b = Math.imul(b ^ (a >>> 15), 0x85ebca6b);
    mixed[at] = (a ^ b) >>> 24;
  }
  return mixed;
}

function seal(plaintext: Uint8Array, ...bound: Uint8Array[]): Uint8Array {
  return concat(plaintext, mix(TAG, plaintext, ...bound));
}

function open(sealed: Uint8Array, ...bound: Uint8Array[]): Uint8Array {
  const plaintext = sealed.slice(0, -TAG);
  if (!equal(sealed, seal(plaintext, ...bound))) throw new Error("it does not open");
  return plaintext;
}

function pairOf(privateKey: Uint8Array): { privateKey: StubKey; publicKey: StubKey } {
  return { privateKey: keyOf(privateKey), publicKey: keyOf(otherKey(privateKey)) };
}

/** The primitives, of which a seed repeats the randomness. */
export function stubProvider(random: Random): CryptoProvider {
  const randomBytes = (count: number) => random.bytes(count);
  const hpke: Hpke = {
    keyLength: 16,
    nonceLength: 12,
    seal: async (key, plaintext, info, aad = none) => {
      const enc = randomBytes(8);
      return { enc, ct: seal(plaintext, rawOf(key), enc, info, aad) };
    },
    open: async (key, enc, ciphertext, info, aad = none) => open(ciphertext, otherKey(rawOf(key)), enc, info, aad),
    encryptAead: async (key, nonce, aad = none, plaintext) => seal(plaintext, key, nonce, aad),
    decryptAead: async (key, nonce, aad = none, ciphertext) => open(ciphertext, key, nonce, aad),
    importPrivateKey: async (raw) => keyOf(raw),
    importPublicKey: async (raw) => keyOf(raw),
    exportPrivateKey: async (key) => rawOf(key),
    exportPublicKey: async (key) => rawOf(key),
    deriveKeyPair: async (material) => pairOf(mix(SIZE, material)),
    generateKeyPair: async () => pairOf(randomBytes(SIZE)),
    exportSecret: () => Promise.reject(new Error("nobody joins from outside")),
    importSecret: () => Promise.reject(new Error("nobody joins from outside")),
  };
  const primitives: Omit<Primitives, "name"> = {
    hpke,
    rng: { randomBytes },
    hash: {
      digest: async (data) => new Uint8Array(hash("sha256", data, "buffer")),
      mac: async (key, data) => mix(SIZE, key, data),
      verifyMac: async (key, tag, data) => equal(tag, mix(SIZE, key, data)),
    },
    kdf: {
      size: SIZE,
      extract: async (salt, material) => mix(SIZE, salt, material),
      expand: async (key, info, length) => mix(length, key, info),
    },
    signature: {
      keygen: async () => {
        const signKey = randomBytes(SIZE);
        return { signKey, publicKey: otherKey(signKey) };
      },
      sign: async (key, message) => mix(SIZE, otherKey(key), message),
      verify: async (key, message, signature) => equal(signature, mix(SIZE, key, message)),
    },
  };
  return { getCiphersuiteImpl: async ({ name }) => ({ ...primitives, name }) };
}
