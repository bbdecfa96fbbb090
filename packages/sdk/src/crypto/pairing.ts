/** Codes of pairing lines: 128 random bits, as 26 characters. [P-9.15] */
import { hex } from "./hex.ts";
import { pairingLineBytes, toBase32, utf8 } from "../protocol/index.ts";

const { subtle } = globalThis.crypto;
const HMAC = { name: "HMAC", hash: "SHA-256" };

export function newCode(): string {
  return toBase32(globalThis.crypto.getRandomValues(new Uint8Array(16)));
}

/** A line's name where its code must not stand: 32 characters. */
export async function lineId(code: string): Promise<string> {
  const digest = await subtle.digest("SHA-256", new Uint8Array(pairingLineBytes(code)));
  return hex(new Uint8Array(digest).subarray(0, 16));
}

/** Proves that a code is known, for these bytes: HMAC-SHA-256 (RFC 2104) under its characters. */
export async function prove(code: string, bytes: Uint8Array): Promise<Uint8Array> {
  const key = await subtle.importKey("raw", new Uint8Array(utf8(code)), HMAC, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", key, new Uint8Array(bytes)));
}

/** Whether it is proven; compared in constant time. */
export async function isProven(code: string, bytes: Uint8Array, proof: Uint8Array): Promise<boolean> {
  const key = await subtle.importKey("raw", new Uint8Array(utf8(code)), HMAC, false, ["verify"]);
  return subtle.verify("HMAC", key, new Uint8Array(proof), new Uint8Array(bytes));
}
