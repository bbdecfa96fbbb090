/** Byte strings and their text forms. Works in every runtime: `Buffer` is used where there is one, as it is much faster. */

interface NodeBuffer {
  toString(encoding: "base64"): string;
}
interface NodeBufferConstructor {
  from(data: ArrayBufferLike, offset: number, length: number): NodeBuffer;
  from(text: string, encoding: "base64"): Uint8Array;
}
const NodeBuffer = (globalThis as { Buffer?: NodeBufferConstructor }).Buffer;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Text of UTF-8 bytes, or undefined if they are not valid UTF-8. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  const text = decoder.decode(bytes);
  // It stands for what is not valid, and for itself. A fatal decoder takes fifty times as long to say no.
  return text.includes("\u{fffd}") && !equal(encoder.encode(text), bytes) ? undefined : text;
}

/** Standard base64 with padding (RFC 4648, section 4). */
export function toBase64(bytes: Uint8Array): string {
  if (NodeBuffer !== undefined) return NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000)
    binary += String.fromCharCode(...bytes.subarray(at, Math.min(at + 0x8000, bytes.length)));
  return btoa(binary);
}

/** Bytes of standard base64. The caller has checked the alphabet with {@link isBase64}. */
export function fromBase64(text: string): Uint8Array {
  if (NodeBuffer !== undefined) {
    const bytes = NodeBuffer.from(text, "base64");
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Whether a text is standard base64 with padding. */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && BASE64.test(text);
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Base32 without padding (RFC 4648, section 6). */
export function toBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(value >>> bits) & 31];
    }
  }
  if (bits > 0) text += BASE32[(value << (5 - bits)) & 31];
  return text;
}

/** Concatenation of byte strings. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether two byte strings are equal. Not constant in time: for public values only. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** A field of a signed or hashed byte string: bytes, a text, or an unsigned number below 2^53. */
export type Field = Uint8Array | string | number;

/**
 * The one encoding of everything that is signed or hashed: each field as its length (4 bytes, big-endian) and its bytes,
 * texts in UTF-8, numbers as 8 bytes, big-endian. No two lists of fields share an encoding.
 */
export function lengthPrefixed(...fields: Field[]): Uint8Array {
  let most = 0;
  for (const field of fields) most += 4 + mostBytes(field);
  const whole = new Uint8Array(most);
  const view = new DataView(whole.buffer);
  let at = 0;
  for (const field of fields) {
    let length = mostBytes(field);
    if (typeof field === "string") length = encoder.encodeInto(field, whole.subarray(at + 4)).written;
    else if (typeof field === "number") view.setBigUint64(at + 4, BigInt(field));
    else whole.set(field, at + 4);
    view.setUint32(at, length);
    at += 4 + length;
  }
  return at === most ? whole : whole.slice(0, at);
}

/** Bytes that a field takes at most: in UTF-8 three for each code unit. */
function mostBytes(field: Field): number {
  return typeof field === "string" ? 3 * field.length : typeof field === "number" ? 8 : field.length;
}

/** The fields of a {@link lengthPrefixed} byte string, or undefined if it is none. */
export function splitLengthPrefixed(bytes: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + view.getUint32(at);
    if (end > bytes.length) return undefined;
    fields.push(bytes.slice(at + 4, end));
    at = end;
  }
  return fields;
}

/** The number in 8 big-endian bytes, or undefined if there are not 8 of them or it is not below 2^53. */
export function fromUint64(bytes: Uint8Array): number | undefined {
  if (bytes.length !== 8) return undefined;
  const value = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0));
  return Number.isSafeInteger(value) ? value : undefined;
}
