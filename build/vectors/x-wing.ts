/** X-Wing and HPKE (RFC 9180) as the protocol's suite has them, from what the draft encapsulates on, by nothing but Node's hashes. */
import { createCipheriv, createHash, createHmac, createPrivateKey, createPublicKey } from "node:crypto";
import { hex, sha256, type Vector } from "./vector.ts";
import { draftVectors } from "./x-wing-draft.ts";

const clause = "P-9.1";
/** KEM 0x647a, KDF 0x0003, AEAD 0x0002. */
const SUITE = Buffer.from("48504b45647a00030002", "hex");
const counting = (from: number, length: number) => Uint8Array.from({ length }, (_, index) => from + index);

function shake(bytes: Uint8Array, outputLength: number): Buffer {
  return createHash("shake256", { outputLength }).update(bytes).digest();
}

function publicKey(prefix: string, seed: Uint8Array, length: number): Buffer {
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from(prefix, "hex"), seed]),
    format: "der",
    type: "pkcs8",
  });
  return createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-length);
}

/** What a seed becomes. */
function publicKeyOf(seed: Uint8Array): Buffer {
  const expanded = shake(seed, 96);
  return Buffer.concat([
    publicKey("3054020100300b060960864801650304040204428040", expanded.subarray(0, 64), 1_184),
    publicKey("302e020100300506032b656e04220420", expanded.subarray(64), 32),
  ]);
}

const hmac = (key: Uint8Array, ...data: Uint8Array[]) => createHmac("sha512", key).update(Buffer.concat(data)).digest();
const labeled = (label: string) => [Buffer.from("HPKE-v1"), SUITE, Buffer.from(label)];

function extract(salt: Uint8Array, label: string, material: Uint8Array): Buffer {
  return hmac(salt, ...labeled(label), material);
}

function expand(prk: Uint8Array, label: string, info: Uint8Array, length: number): Buffer {
  const what = [Uint8Array.of(length >> 8, length & 255), ...labeled(label), info];
  const blocks: Buffer[] = [];
  for (let counter = 1; blocks.length * 64 < length; counter++)
    blocks.push(hmac(prk, blocks.at(-1) ?? Buffer.alloc(0), ...what, Uint8Array.of(counter)));
  return Buffer.concat(blocks).subarray(0, length);
}

function schedule(shared: Uint8Array, info: Uint8Array) {
  const nothing = Buffer.alloc(0);
  const context = Buffer.concat([
    Uint8Array.of(0),
    extract(nothing, "psk_id_hash", nothing),
    extract(nothing, "info_hash", info),
  ]);
  const secret = extract(shared, "secret", nothing);
  const [key, nonce] = [expand(secret, "key", context, 32), expand(secret, "base_nonce", context, 12)];
  return { context, secret, key, nonce, exporter: expand(secret, "exp", context, 64) };
}

function seal(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(data);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

interface Message {
  info: Uint8Array;
  data: Uint8Array;
  plaintext: Uint8Array;
}

/** What is sealed to the draft's key under its encapsulated secret, and made of that beside it. */
function sealed(what: string, index: number, { info, data, plaintext }: Message): Vector {
  const { seed, encapsulated, shared } = draftVectors[index]!;
  const { context, secret, key, nonce, exporter } = schedule(Buffer.from(shared, "hex"), info);
  return {
    clause,
    what,
    private_key: seed,
    encapsulated,
    info: hex(info),
    shared_secret: shared,
    key_schedule_context: hex(context),
    secret: hex(secret),
    key: hex(key),
    base_nonce: hex(nonce),
    exporter_secret: hex(exporter),
    associated_data: hex(data),
    plaintext: hex(plaintext),
    ciphertext: hex(seal(key, nonce, data, plaintext)),
    exporter_context: hex(counting(0xe0, 5)),
    exported: hex(expand(exporter, "sec", counting(0xe0, 5), 100)),
  };
}

/** What is overwritten in the first message, or how much of it is left. */
type Change = { field: "encapsulated" | "ciphertext" } & ({ at: number; bytes: string } | { length: number });

const refused = (what: string, change: Change): Vector => ({ clause, what, change, valid: false });

/** One bit of a byte of the first message. */
function bit(what: string, field: Change["field"], at: number): Vector {
  const byte = Buffer.from(String(first[field]), "hex").at(at)!;
  return refused(what, { field, at, bytes: hex(Uint8Array.of(byte ^ 1)) });
}

const HELLO = { info: Buffer.from("info"), data: Buffer.from("bound"), plaintext: Buffer.from("hello") };
const first = sealed("a message under the draft's first secret", 0, HELLO);

export function xWingVectors(): Vector[] {
  const material = [new Uint8Array(), counting(0, 32), counting(0, 64)];
  const empty = { info: new Uint8Array(), data: new Uint8Array(), plaintext: new Uint8Array() };
  return [
    ...draftVectors.map(({ seed, publicKey }, index) => ({
      clause,
      what: `a seed and its public key: draft-connolly-cfrg-xwing-kem-10, appendix C, vector ${index + 1}`,
      seed,
      public_key_sha256: hex(sha256(Buffer.from(publicKey, "hex"))),
    })),
    ...material.map((bytes) => ({
      clause,
      what: `a key pair is derived of ${bytes.length} bytes`,
      material: hex(bytes),
      private_key: hex(shake(bytes, 32)),
      public_key_sha256: hex(sha256(publicKeyOf(shake(bytes, 32)))),
    })),
    first,
    sealed("an empty one, without info and associated data, under the second", 1, empty),
    sealed("a longer one under the third", 2, { ...HELLO, info: counting(0, 200), plaintext: counting(0, 100) }),
    bit("a bit of ML-KEM's ciphertext is another, so its secret is another one", "encapsulated", 0),
    bit("a bit of X25519's key is another", "encapsulated", 1_088),
    refused("X25519's key is a point of small order: what is shared would be zeros (RFC 7748, section 6.1)", {
      field: "encapsulated",
      at: 1_088,
      bytes: "00".repeat(32),
    }),
    refused("the encapsulated secret is a byte short", { field: "encapsulated", length: 1_119 }),
    refused("it is a byte longer", { field: "encapsulated", at: 1_120, bytes: "00" }),
    bit("a bit of the ciphertext is another", "ciphertext", 0),
    bit("a bit of its tag is another", "ciphertext", 20),
    refused("a ciphertext that is shorter than a tag", { field: "ciphertext", length: 15 }),
  ];
}
