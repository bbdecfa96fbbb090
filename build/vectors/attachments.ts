/** Files as they are encrypted, by nothing but Node's cryptography. */
import { createCipheriv, hkdfSync } from "node:crypto";
import { hex, sha256, signedFields, type Vector } from "./vector.ts";

const SEGMENT = 1_048_576;
const TAG = 16;
const counting = (from: number, length: number) => Uint8Array.from({ length }, (_, index) => from + index);
const KEY = counting(0x00, 32);
const SALT = counting(0x20, 32);
const PREFIX = counting(0x40, 7);
const BLOB = "blob-1";

/** A plaintext of any length that is told in a word: its byte at each offset is the offset modulo 251. */
const pattern = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251);

/** All segments of a file behind its header, one after the other. */
function sealed(plaintext: Uint8Array): Uint8Array {
  const { bytes: info } = signedFields("aimessage file 1", BLOB);
  const key = new Uint8Array(hkdfSync("sha256", KEY, SALT, info, 32));
  const parts: Uint8Array[] = [Uint8Array.of(40), SALT, PREFIX];
  let room = SEGMENT - TAG - 40;
  for (let at = 0, index = 0; ; at += room, room = SEGMENT - TAG, index++) {
    const isLast = plaintext.length - at <= room;
    const nonce = Buffer.concat([PREFIX, Buffer.alloc(5)]);
    nonce.writeUInt32BE(index, 7);
    nonce[11] = isLast ? 1 : 0;
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    parts.push(cipher.update(plaintext.subarray(at, at + room)), cipher.final(), cipher.getAuthTag());
    if (isLast) return Buffer.concat(parts);
  }
}

export function attachmentVectors(): Vector[] {
  const { fields, bytes } = signedFields("aimessage file 1", BLOB);
  const given = { key: hex(KEY), salt: hex(SALT), prefix: hex(PREFIX), blob: BLOB };
  const short = (what: string, plaintext: Uint8Array): Vector => ({
    clause: "P-9.17",
    what,
    ...given,
    fields,
    associated_data: hex(bytes),
    plaintext: hex(plaintext),
    sealed: hex(sealed(plaintext)),
  });
  const long = (what: string, length: number): Vector => {
    const whole = sealed(pattern(length));
    return {
      clause: "P-9.17",
      what,
      ...given,
      pattern_length: length,
      sealed_length: whole.length,
      sealed_sha256: hex(sha256(whole)),
    };
  };
  return [
    short("an empty plaintext is one segment", new Uint8Array()),
    short("a short one", Buffer.from("hello")),
    long("one that fills its first segment, which is the last", SEGMENT - TAG - 40),
    long("a byte more: two segments", SEGMENT - TAG - 40 + 1),
    long("three segments", 2_500_000),
  ];
}
