/**
 * MLS's primitives over node:crypto, which is several times faster than WebCrypto for short inputs: no promise and no key
 * import for each call. HPKE stays the library's. Keys are passed as key objects: given bytes, Node 24 takes three times as
 * long.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";
import { defaultCryptoProvider } from "../crypto/mls/group.ts";
import type { CryptoProvider, Hpke } from "../crypto/primitives.ts";

// DER prefixes of raw Ed25519 keys (RFC 8410): PKCS #8 before a seed, SubjectPublicKeyInfo before a public key.
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const TAG_BYTES = 16;
/** The others are the library's. */
const AES: Readonly<Record<string, "aes-128-gcm" | "aes-256-gcm">> = {
  AES128GCM: "aes-128-gcm",
  AES256GCM: "aes-256-gcm",
};

// A group's state keeps its keys as the same objects from message to message, so the parsed form is kept beside them.
const parsed = new WeakMap<Uint8Array, KeyObject>();

/** The default provider with hash, HMAC, HKDF, AES-GCM, Ed25519 and randomness replaced. */
export const nodeCryptoProvider: CryptoProvider = {
  async getCiphersuiteImpl(suite) {
    let loading: ReturnType<CryptoProvider["getCiphersuiteImpl"]> | undefined;
    const load = () =>
      (loading ??= defaultCryptoProvider.getCiphersuiteImpl(suite).catch((error: unknown) => {
        loading = undefined;
        throw error;
      }));
    const hash = suite.hash.replace("-", "").toLowerCase();
    const kdfHash = suite.hpke.kdf.replace("HKDF-", "").toLowerCase();
    const aead = AES[suite.hpke.aead];
    const mac = (key: Uint8Array, data: Uint8Array) =>
      plain(createHmac(hash, createSecretKey(key)).update(data).digest());
    const kdfBytes = createHash(kdfHash).digest().length;
    return {
      prepare: async () => void (await load()),
      name: suite.name,
      rng: { randomBytes: (bytes) => plain(randomBytes(bytes)) },
      hash: {
        digest: async (data) => plain(createHash(hash).update(data).digest()),
        mac: async (key, data) => mac(key, data),
        verifyMac: async (key, tag, data) => {
          const expected = mac(key, data);
          return expected.length === tag.length && timingSafeEqual(expected, tag);
        },
      },
      kdf: {
        size: kdfBytes,
        extract: async (salt, ikm) => plain(createHmac(kdfHash, createSecretKey(salt)).update(ikm).digest()),
        expand: async (prk, info, length) => expand({ hash: kdfHash, size: kdfBytes }, prk, info, length),
      },
      hpke:
        aead === undefined ? (await load()).hpke : { ...lateHpke(async () => (await load()).hpke), ...aesGcm(aead) },
      signature: suite.signature === "Ed25519" ? ed25519 : (await load()).signature,
    };
  },
};

/** HKDF-Expand (RFC 5869, section 2.3). */
function expand(
  { hash, size }: { hash: string; size: number },
  prk: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const output = new Uint8Array(Math.ceil(length / size) * size);
  const secret = createSecretKey(prk);
  let block: Uint8Array = new Uint8Array();
  for (let at = 0, counter = 1; at < length; at += size, counter++) {
    block = createHmac(hash, secret).update(block).update(info).update(Uint8Array.of(counter)).digest();
    output.set(block, at);
  }
  return output.slice(0, length);
}

/** The library's HPKE, loaded with the first that is asked of it. */
function lateHpke(load: () => Promise<Hpke>): Omit<Hpke, keyof ReturnType<typeof aesGcm>> {
  return {
    open: async (...args) => (await load()).open(...args),
    seal: async (...args) => (await load()).seal(...args),
    exportSecret: async (...args) => (await load()).exportSecret(...args),
    importSecret: async (...args) => (await load()).importSecret(...args),
    importPrivateKey: async (...args) => (await load()).importPrivateKey(...args),
    importPublicKey: async (...args) => (await load()).importPublicKey(...args),
    exportPublicKey: async (...args) => (await load()).exportPublicKey(...args),
    exportPrivateKey: async (...args) => (await load()).exportPrivateKey(...args),
    deriveKeyPair: async (...args) => (await load()).deriveKeyPair(...args),
    generateKeyPair: async (...args) => (await load()).generateKeyPair(...args),
  };
}

function aesGcm(algorithm: "aes-128-gcm" | "aes-256-gcm") {
  return {
    keyLength: algorithm === "aes-128-gcm" ? 16 : 32,
    nonceLength: 12,
    async encryptAead(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array | undefined, plaintext: Uint8Array) {
      const cipher = createCipheriv(algorithm, createSecretKey(key), nonce);
      if (aad !== undefined) cipher.setAAD(aad);
      return plain(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
    },
    async decryptAead(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array | undefined, ciphertext: Uint8Array) {
      if (ciphertext.length < TAG_BYTES) throw new Error("ciphertext is shorter than its tag");
      const decipher = createDecipheriv(algorithm, createSecretKey(key), nonce, { authTagLength: TAG_BYTES });
      if (aad !== undefined) decipher.setAAD(aad);
      decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES));
      const body = ciphertext.subarray(0, -TAG_BYTES);
      return plain(Buffer.concat([decipher.update(body), decipher.final()]));
    },
  };
}

const ed25519 = {
  async sign(key: Uint8Array, message: Uint8Array) {
    const seed = key.subarray(-32);
    return plain(
      sign(
        null,
        message,
        parse(key, () => privateKey(seed)),
      ),
    );
  },
  async verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array) {
    return verify(
      null,
      message,
      parse(key, () => publicKey(key)),
      signature,
    );
  },
  async keygen() {
    const pair = generateKeyPairSync("ed25519");
    return {
      signKey: plain(pair.privateKey.export({ format: "der", type: "pkcs8" })).slice(-32),
      publicKey: plain(pair.publicKey.export({ format: "der", type: "spki" })).slice(-32),
    };
  },
};

function privateKey(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
}

function publicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
}

function parse(raw: Uint8Array, make: () => KeyObject): KeyObject {
  let key = parsed.get(raw);
  if (key === undefined) parsed.set(raw, (key = make()));
  return key;
}

/** A copy that does not share Node's buffer pool, since its owner may wipe it or keep it for long. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}
