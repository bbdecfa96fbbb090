/** What all vectors have in common, and how a file of them is written. */
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { type Field, lengthPrefixed } from "../../packages/sdk/src/protocol/bytes.ts";

/** `clause`: of docs/protocol.md, or a section of docs/doors.md. What else is in it differs from file to file. */
export interface Vector {
  clause: string;
  what: string;
  [name: string]: unknown;
}

/** One vector after the other, each of its names on a line of its own: to be read by people, and compared by lines. */
export function writeVectors(vectors: readonly Vector[]): string {
  const written = vectors.map((vector) => {
    const lines = Object.entries(vector)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `    ${JSON.stringify(name)}: ${ascii(value)}`);
    return `  {\n${lines.join(",\n")}\n  }`;
  });
  return `[\n${written.join(",\n")}\n]\n`;
}

/** JSON in ASCII: letters that look like others are seen for what they are. */
function ascii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
export const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();

/** A field of signed bytes [P-2.6]; a list is one field of length-prefixed fields. */
type Given = Field | readonly Given[];

/** Fields as a vector shows them, and the bytes that they are. */
export function signedFields(...given: Given[]): { fields: object[]; bytes: Uint8Array } {
  return { fields: given.map(shown), bytes: encoded(given) };
}

const isList = (field: Given): field is readonly Given[] => Array.isArray(field);

function encoded(given: readonly Given[]): Uint8Array {
  return lengthPrefixed(...given.map((field) => (isList(field) ? encoded(field) : field)));
}

function shown(field: Given): object {
  if (isList(field)) return { list: field.map(shown) };
  if (typeof field === "string") return { text: field };
  return typeof field === "number" ? { number: field } : { hex: hex(field) };
}

export interface TestKey {
  seed: string;
  publicKey: Uint8Array;
  sign: (message: Uint8Array) => Uint8Array;
}

/** PKCS #8 (RFC 8410, section 7) of an Ed25519 key, but for its seed. */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

function testKey(seed: string): TestKey {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.from(seed, "hex")]), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  return { seed, publicKey, sign: (message) => sign(null, message, key) };
}

/** The keys of RFC 8032, section 7.1, tests 1 to 3. Everybody knows them. */
export const identity = testKey("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
export const device = testKey("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
export const another = testKey("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");

export const RELAY = "relay.example.org";
export const DEVICE_ID = "device-1";
export const GROUP = "0123456789abcdef".repeat(4);
/** 14 November 2023. */
export const TIME = 1_700_000_000_000;

/** So many arrays in each other: frames have a bound. [P-2.7] */
export const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
