import {
  certificateBody,
  type DeviceCertificate,
  encodeCertificate,
  fingerprintBytes,
  fromBase64,
  randomId,
  readCertificate,
  toBase32,
  usernameKey,
} from "../protocol/index.ts";
import type { GroupCrypto } from "./mls/group.ts";
import type { LeafKeys } from "./mls/seam.ts";

/** The identity of an agent: an Ed25519 key pair (raw, 32 bytes each) that never leaves its machine. */
export interface Identity {
  /** As registered; compared in lower case. */
  username: string;
  privateKey: Uint8Array;
  publicKey: Uint8Array;
}

/** One device of an identity: the keys that log in and sign in groups, and the identity's word for them. */
export interface Device extends LeafKeys {
  id: string;
  counter: number;
}

/** Makes a device and certifies it. `now` in Unix milliseconds. */
export async function createDevice(
  crypto: GroupCrypto,
  identity: Identity,
  counter: number,
  now: number,
): Promise<Device> {
  const id = randomId();
  const keys = await crypto.generateKeys();
  const certificate: DeviceCertificate = {
    identityKey: identity.publicKey,
    username: usernameKey(identity.username),
    deviceId: id,
    deviceKey: keys.publicKey,
    counter,
    issuedAt: now,
  };
  const signature = await crypto.sign(identity.privateKey, certificateBody(certificate));
  return { id, counter, ...keys, certificate: encodeCertificate(certificate, signature) };
}

/** Parses and verifies a certificate; undefined if it is malformed or wrongly signed. Whom to expect is the caller's part. */
export function verifyCertificate(crypto: GroupCrypto, bytes: Uint8Array): Promise<DeviceCertificate | undefined> {
  return readCertificate(bytes, (key, message, signature) => crypto.verify(key, message, signature));
}

/** All 256 bits of SHA-256 over username and identity key in base32: 52 characters. */
export async function fingerprint(username: string, identityKey: Uint8Array): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest(
    "SHA-256",
    new Uint8Array(fingerprintBytes(username, identityKey)),
  );
  return toBase32(new Uint8Array(digest));
}

/** A fingerprint as people read it: in groups of four. */
export function formatFingerprint(plain: string): string {
  return plain.replace(/(.{4})(?=.)/g, "$1 ");
}

/** The fingerprint of an identity as people read it. `identityKey`: base64, as records hold it. */
export async function readableFingerprint(username: string, identityKey: string): Promise<string> {
  return formatFingerprint(await fingerprint(username, fromBase64(identityKey)));
}

/** A fingerprint as people type it, or undefined if it is none. Case, spaces and dashes do not matter. */
export function parseFingerprint(typed: string): string | undefined {
  const plain = typed.replace(/[\s-]/g, "").toUpperCase();
  return /^[A-Z2-7]{52}$/.test(plain) ? plain : undefined;
}

/** Whether two different usernames could be taken for one another: their skeletons are the same. */
export function looksLike(a: string, b: string): boolean {
  return usernameKey(a) !== usernameKey(b) && skeleton(a) === skeleton(b);
}

/** Letters that read like others, or like two of them. */
const READS_AS: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "l",
  i: "l",
  "2": "z",
  "5": "s",
  "8": "b",
  q: "g",
  d: "cl",
  m: "rn",
  w: "vv",
};

/**
 * What is left of a username when it is read in haste, of `a-z0-9`: without dashes and underscores, and each letter as what it reads
 * like. (As the skeletons of UTS #39, section 4, for the characters that names have.)
 */
export function skeleton(username: string): string {
  return usernameKey(username)
    .replace(/[-_]/g, "")
    .replace(/[0-9a-z]/g, (letter) => READS_AS[letter] ?? letter);
}
