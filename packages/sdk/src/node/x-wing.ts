/**
 * X-Wing (draft-connolly-cfrg-xwing-kem-10): X25519 and ML-KEM-768 as one KEM, over node:crypto. A private key is a seed of 32
 * bytes. Key objects are kept beside the bytes of which they were made: an array of a group's state is the same one from
 * commit to commit, and to parse a key takes as long as to use it.
 */
// By its default: what an older Node has not must be missing when it is used, and not when this is loaded.
import crypto, { type KeyObject } from "node:crypto";
import { parsePrivate, parsePublic } from "./raw-keys.ts";
import { join } from "./symmetric.ts";

export const PRIVATE_BYTES = 32;
export const PUBLIC_BYTES = 1_216;
const ENCAPSULATED_BYTES = 1_120;
const ML_KEM_PUBLIC = 1_184;
const ML_KEM_CIPHERTEXT = 1_088;

// What goes before a seed, and before a public key.
const X25519_PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");
const X25519_SPKI = Buffer.from("302a300506032b656e032100", "hex");
const ML_KEM_PKCS8 = Buffer.from("3054020100300b060960864801650304040204428040", "hex");
const ML_KEM_SPKI = Buffer.from("308204b2300b0609608648016503040402038204a100", "hex");
const LABEL = Buffer.from("5c2e2f2f5e5c", "hex");

/** Of a private key its halves, and the public key of the second. */
interface Expanded {
  mlKem: KeyObject;
  x25519: KeyObject;
  x25519Public: Uint8Array;
}

const expanded = new WeakMap<Uint8Array, Expanded>();
const parsed = new WeakMap<Uint8Array, { mlKem: KeyObject; x25519: KeyObject }>();

/** Any of `bytes` as a private key (section 5.6: DeriveKeyPair). */
export function derivePrivateKey(bytes: Uint8Array): Uint8Array {
  const seed = shake256(bytes, PRIVATE_BYTES);
  const privateKey = new Uint8Array(seed);
  seed.fill(0);
  return privateKey;
}

export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const { mlKem, x25519Public } = expand(privateKey);
  return join(rawPublic(mlKem), x25519Public);
}

/**
 * A fresh shared secret, and what tells it to the owner of a public key.
 * @throws if the public key is malformed (FIPS 203, section 7.2) or a point of small order.
 */
export function encapsulate(publicKey: Uint8Array): { secret: Buffer; encapsulated: Uint8Array } {
  const { mlKem, x25519 } = parse(publicKey);
  const { sharedKey, ciphertext } = crypto.encapsulate(mlKem);
  const ephemeral = crypto.generateKeyPairSync("x25519");
  const point = rawPublic(ephemeral.privateKey);
  const shared = crypto.diffieHellman({ privateKey: ephemeral.privateKey, publicKey: x25519 });
  const secret = combine(sharedKey, shared, point, publicKey.subarray(ML_KEM_PUBLIC));
  return { secret, encapsulated: join(ciphertext, point) };
}

/**
 * The shared secret; a wrong one for a ciphertext of ML-KEM that was changed (FIPS 203, section 7.3).
 * @throws if what was encapsulated has a wrong length, or a point of small order.
 */
export function decapsulate(privateKey: Uint8Array, encapsulated: Uint8Array): Buffer {
  if (encapsulated.length !== ENCAPSULATED_BYTES) throw new Error("encapsulated secret of a wrong length");
  const { mlKem, x25519, x25519Public } = expand(privateKey);
  const point = encapsulated.subarray(ML_KEM_CIPHERTEXT);
  // OpenSSL refuses the shared secret that is all zeros (RFC 7748, section 6.1).
  const shared = crypto.diffieHellman({ privateKey: x25519, publicKey: parsePublic(X25519_SPKI, point) });
  const sharedKey = crypto.decapsulate(mlKem, encapsulated.subarray(0, ML_KEM_CIPHERTEXT));
  return combine(sharedKey, shared, point, x25519Public);
}

/** Wipes the two secrets that it combines. */
function combine(mlKem: Buffer, x25519: Buffer, point: Uint8Array, x25519Public: Uint8Array): Buffer {
  const hash = crypto.createHash("sha3-256");
  for (const part of [mlKem, x25519, point, x25519Public, LABEL]) hash.update(part);
  mlKem.fill(0);
  x25519.fill(0);
  return hash.digest();
}

function expand(seed: Uint8Array): Expanded {
  let key = expanded.get(seed);
  if (key !== undefined) return key;
  if (seed.length !== PRIVATE_BYTES) throw new Error("X-Wing private key of a wrong length");
  const seeds = shake256(seed, 96);
  const x25519 = parsePrivate(X25519_PKCS8, seeds.subarray(64));
  key = { mlKem: parsePrivate(ML_KEM_PKCS8, seeds.subarray(0, 64)), x25519, x25519Public: rawPublic(x25519) };
  seeds.fill(0);
  expanded.set(seed, key);
  return key;
}

function parse(raw: Uint8Array): { mlKem: KeyObject; x25519: KeyObject } {
  let key = parsed.get(raw);
  if (key !== undefined) return key;
  if (raw.length !== PUBLIC_BYTES) throw new Error("X-Wing public key of a wrong length");
  key = {
    mlKem: parsePublic(ML_KEM_SPKI, raw.subarray(0, ML_KEM_PUBLIC)),
    x25519: parsePublic(X25519_SPKI, raw.subarray(ML_KEM_PUBLIC)),
  };
  parsed.set(raw, key);
  return key;
}

function shake256(bytes: Uint8Array, outputLength: number): Buffer {
  return crypto.createHash("shake256", { outputLength }).update(bytes).digest();
}

/** By JWK, which Node writes ten times as fast as DER. */
function rawPublic(privateKey: KeyObject): Uint8Array {
  const { pub, x } = crypto.createPublicKey(privateKey).export({ format: "jwk" }) as { pub?: string; x?: string };
  return Buffer.from(pub ?? x ?? "", "base64url");
}

/** SHA-256 of the public key of a seed of zeros, as all have it: a seed that is stored must be the same keys in each runtime. */
const KNOWN_DIGEST = "3bb0b003f553f49f38bab31546b7f4fdd323c74cbf4aaf97d9703ede4e83eff7";
let isThere: boolean | undefined;

/** Whether this runtime has all of X-Wing: asked by using it, once. */
export function hasXWing(): boolean {
  return (isThere ??= works());
}

function works(): boolean {
  try {
    const seed = new Uint8Array(PRIVATE_BYTES);
    const own = publicKeyOf(seed);
    const { secret, encapsulated } = encapsulate(own);
    const digest = crypto.createHash("sha256").update(own).digest("hex");
    return digest === KNOWN_DIGEST && secret.equals(decapsulate(seed, encapsulated));
  } catch {
    return false;
  }
}
