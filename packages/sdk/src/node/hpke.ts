/** HPKE (RFC 9180) in its base mode, a message for each context: X-Wing, HKDF-SHA512 and AES-256-GCM. */
import { randomFillSync } from "node:crypto";
import type { Hpke, HpkeKey, HpkeKeyPair } from "../crypto/primitives.ts";
import { aesGcm, expand, hmac } from "./symmetric.ts";
import { decapsulate, derivePrivateKey, encapsulate, PRIVATE_BYTES, PUBLIC_BYTES, publicKeyOf } from "./x-wing.ts";

const HASH = { hash: "sha512", size: 64 };
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
/** KEM 0x647a, KDF 0x0003, AEAD 0x0002 (section 7). */
const SUITE = Buffer.from("HPKE\u0064\u007a\0\u0003\0\u0002", "latin1");
const VERSION = Buffer.from("HPKE-v1");
const EMPTY = new Uint8Array();
const aead = aesGcm("aes-256-gcm");

interface Key extends HpkeKey {
  readonly type: "private" | "public";
  readonly raw: Uint8Array;
}

type Schedule = { prk: Buffer; context: Buffer };

let noPsk: Buffer | undefined;

/** What of HPKE is not its AEAD. */
export const xWingHpke: Omit<Hpke, keyof typeof aead> = {
  async seal(key, plaintext, info, aad) {
    const { secret, encapsulated } = encapsulate(rawOf(key, "public"));
    const { key: once, nonce } = keysOf(schedule(secret, info));
    const ct = await aead.encryptAead(once, nonce, aad, plaintext);
    once.fill(0);
    return { ct, enc: encapsulated };
  },
  async open(key, encapsulated, ciphertext, info, aad) {
    const secret = decapsulate(rawOf(key, "private"), encapsulated);
    const { key: once, nonce } = keysOf(schedule(secret, info));
    try {
      return await aead.decryptAead(once, nonce, aad, ciphertext);
    } finally {
      once.fill(0);
    }
  },
  async exportSecret(key, context, length, info) {
    const { secret, encapsulated } = encapsulate(rawOf(key, "public"));
    return { enc: encapsulated, secret: exported(schedule(secret, info), context, length) };
  },
  async importSecret(key, context, encapsulated, length, info) {
    return exported(schedule(decapsulate(rawOf(key, "private"), encapsulated), info), context, length);
  },
  importPrivateKey: async (raw) => keyOf("private", raw, PRIVATE_BYTES),
  importPublicKey: async (raw) => keyOf("public", raw, PUBLIC_BYTES),
  exportPrivateKey: async (key) => rawOf(key, "private"),
  exportPublicKey: async (key) => rawOf(key, "public"),
  deriveKeyPair: async (material) => pairOf(derivePrivateKey(material)),
  generateKeyPair: async () => pairOf(randomFillSync(new Uint8Array(PRIVATE_BYTES))),
};

function pairOf(seed: Uint8Array): HpkeKeyPair {
  return {
    privateKey: keyOf("private", seed, PRIVATE_BYTES),
    publicKey: keyOf("public", publicKeyOf(seed), PUBLIC_BYTES),
  };
}

function keyOf(type: Key["type"], raw: Uint8Array, length: number): Key {
  if (raw.length !== length) throw new Error(`X-Wing ${type} key of a wrong length`);
  return { type, raw };
}

function rawOf(key: HpkeKey, type: Key["type"]): Uint8Array {
  const { raw } = key as Partial<Key>;
  if (key.type !== type || raw === undefined) throw new Error(`no ${type} key of X-Wing`);
  return raw;
}

/** The key schedule (section 5.1), as far as all that is made of it has it in common. Wipes the shared secret. */
function schedule(secret: Buffer, info: Uint8Array): Schedule {
  noPsk ??= extract(EMPTY, "psk_id_hash", EMPTY);
  const context = Buffer.concat([Uint8Array.of(0), noPsk, extract(EMPTY, "info_hash", info)]);
  const prk = extract(secret, "secret", EMPTY);
  secret.fill(0);
  return { prk, context };
}

/** Key and nonce of the first message of a context. Wipes the schedule's secret. */
function keysOf({ prk, context }: Schedule): { key: Uint8Array; nonce: Uint8Array } {
  const key = labeled(prk, "key", context, KEY_BYTES);
  const nonce = labeled(prk, "base_nonce", context, NONCE_BYTES);
  prk.fill(0);
  return { key, nonce };
}

/** Section 5.3. Wipes the schedule's secret. */
function exported({ prk, context }: Schedule, exporterContext: Uint8Array, length: number): Uint8Array {
  const exporter = labeled(prk, "exp", context, HASH.size);
  prk.fill(0);
  try {
    return labeled(exporter, "sec", exporterContext, length);
  } finally {
    exporter.fill(0);
  }
}

/** LabeledExtract (section 4). */
function extract(salt: Uint8Array, label: string, material: Uint8Array): Buffer {
  return hmac(HASH.hash, salt, VERSION, SUITE, Buffer.from(label), material);
}

/** LabeledExpand (section 4). */
function labeled(prk: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array {
  const size = Uint8Array.of(length >> 8, length);
  return expand(HASH, prk, Buffer.concat([size, VERSION, SUITE, Buffer.from(label), info]), length);
}
