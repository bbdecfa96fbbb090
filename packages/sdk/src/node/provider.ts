/**
 * MLS's primitives over node:crypto, which is several times faster than WebCrypto for short inputs: no promise and no key
 * import for each call. HPKE is ours for the protocol's suite, where the runtime has what that takes, and else the library's.
 */
import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";
import { defaultCryptoProvider } from "../crypto/mls/group.ts";
import type { CryptoProvider, Hpke, Primitives, Suite } from "../crypto/primitives.ts";
import { CIPHER_SUITE } from "../protocol/index.ts";
import { xWingHpke } from "./hpke.ts";
import { parsePrivate, parsePublic } from "./raw-keys.ts";
import { aesGcm, expand, hmac, plain } from "./symmetric.ts";
import { hasXWing } from "./x-wing.ts";

// What goes before an Ed25519 seed, and before a public key.
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
/** The others are the library's. */
const AES: Readonly<Record<string, "aes-128-gcm" | "aes-256-gcm">> = {
  AES128GCM: "aes-128-gcm",
  AES256GCM: "aes-256-gcm",
};

// A group's state keeps its keys as the same objects from message to message, so the parsed form is kept beside them.
const parsed = new WeakMap<Uint8Array, KeyObject>();

/** The default provider with hash, HMAC, HKDF, AES-GCM, Ed25519, randomness and, where it can be, HPKE replaced. */
export const nodeCryptoProvider: CryptoProvider = providerWhere(hasXWing);

/** The provider, by what says whether the runtime has X-Wing: asked when HPKE is first needed. */
export function providerWhere(canXWing: () => boolean): CryptoProvider {
  return { getCiphersuiteImpl: (suite) => primitivesOf(suite, canXWing) };
}

async function primitivesOf(suite: Suite, canXWing: () => boolean): Promise<Primitives> {
  let loading: Promise<Primitives> | undefined;
  const load = () =>
    (loading ??= defaultCryptoProvider.getCiphersuiteImpl(suite).catch((error: unknown) => {
      loading = undefined;
      throw error;
    }));
  const hpke = async () => (suite.name === CIPHER_SUITE && canXWing() ? xWingHpke : (await load()).hpke);
  const hash = suite.hash.replace("-", "").toLowerCase();
  const kdfHash = suite.hpke.kdf.replace("HKDF-", "").toLowerCase();
  const aead = AES[suite.hpke.aead];
  const kdfBytes = createHash(kdfHash).digest().length;
  return {
    prepare: async () => void (await hpke()),
    name: suite.name,
    rng: { randomBytes: (bytes) => plain(randomBytes(bytes)) },
    hash: {
      digest: async (data) => plain(createHash(hash).update(data).digest()),
      mac: async (key, data) => plain(hmac(hash, key, data)),
      verifyMac: async (key, tag, data) => {
        const expected = hmac(hash, key, data);
        return expected.length === tag.length && timingSafeEqual(expected, tag);
      },
    },
    kdf: {
      size: kdfBytes,
      extract: async (salt, ikm) => plain(hmac(kdfHash, salt, ikm)),
      expand: async (prk, info, length) => expand({ hash: kdfHash, size: kdfBytes }, prk, info, length),
    },
    hpke: aead === undefined ? (await load()).hpke : { ...lateHpke(hpke), ...aesGcm(aead) },
    signature: suite.signature === "Ed25519" ? ed25519 : (await load()).signature,
  };
}

/** HPKE but for its AEAD. */
type Late = Omit<Hpke, keyof ReturnType<typeof aesGcm>>;

/** HPKE that is chosen, and loaded if need be, with the first that is asked of it. */
function lateHpke(load: () => Promise<Late>): Late {
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

const ed25519 = {
  async sign(key: Uint8Array, message: Uint8Array) {
    const seed = key.subarray(-32);
    return plain(
      sign(
        null,
        message,
        parse(key, () => parsePrivate(PKCS8, seed)),
      ),
    );
  },
  async verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array) {
    return verify(
      null,
      message,
      parse(key, () => parsePublic(SPKI, key)),
      signature,
    );
  },
  ...("bun" in process.versions ? {} : { verifyBeside }),
  async keygen() {
    const pair = generateKeyPairSync("ed25519");
    return {
      signKey: plain(pair.privateKey.export({ format: "der", type: "pkcs8" })).slice(-32),
      publicKey: plain(pair.publicKey.export({ format: "der", type: "spki" })).slice(-32),
    };
  },
};

function verifyBeside(key: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const publicKey = parse(key, () => parsePublic(SPKI, key));
  return new Promise((resolve, reject) => {
    verify(null, message, publicKey, signature, (error, isValid) =>
      error === null ? resolve(isValid) : reject(error),
    );
  });
}

function parse(raw: Uint8Array, make: () => KeyObject): KeyObject {
  let key = parsed.get(raw);
  if (key === undefined) parsed.set(raw, (key = make()));
  return key;
}
