/** How files are encrypted: Tink's vectors, those of this project, and what an attacker can do to segments. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { bytesOf, encoded, hexOf, type VectorField, vectorsWith } from "../../../../test/vectors.ts";
import {
  AES256_GCM_HKDF_1MB,
  type CipherOf,
  DamagedError,
  fileAssociatedData,
  newStart,
  openedLength,
  opening,
  sealedLength,
  sealing,
  segmentAt,
  segmentCount,
  segmentOf,
  type StreamParameters,
  type StreamStart,
  webCipher,
} from "../../src/crypto/streaming.ts";
import { nodeCipher } from "../../src/node/segment-cipher.ts";
import { concat } from "../../src/protocol/index.ts";
import { Random, seed } from "../random.ts";

interface Tink {
  key: string;
  hash: string;
  segment: number;
  derived: 16 | 32;
  plaintext: string;
  aad: string;
  ciphertext: string;
}

const FOLDER = process.env["MLS_VECTORS"] ?? fileURLToPath(new URL("../../../../../shared/vectors", import.meta.url));
const FILE = `${FOLDER}/tink/aes-gcm-hkdf-streaming.json`;
const missing = !existsSync(FILE);
if (missing)
  process.stderr.write("Tink's vectors skipped: set MLS_VECTORS to a folder with tink/aes-gcm-hkdf-streaming.json\n");

const ciphers: [string, CipherOf][] = [
  ["node:crypto", nodeCipher],
  ["WebCrypto", webCipher],
];
/** Small ones, so that a file of some hundred bytes has many segments. */
const SMALL: StreamParameters = { segmentBytes: 80, hash: "SHA-256", keyBytes: 32 };
const HEADER = 40;
const random = new Random();
const KEY = random.bytes(32);
const AAD = fileAssociatedData("blob-1");
/** Another one each time, of the seed. */
const anyStart = (): StreamStart => ({ salt: random.bytes(32), prefix: random.bytes(7) });

interface Whole {
  key?: Uint8Array;
  aad?: Uint8Array;
  cipherOf?: CipherOf;
  parameters?: StreamParameters;
}

/** All of a file, sealed from its beginning to its end. */
async function seal(plaintext: Uint8Array, start: StreamStart, options: Whole = {}): Promise<Uint8Array> {
  const { key = KEY, aad = AAD, cipherOf = nodeCipher, parameters = SMALL } = options;
  const stream = await sealing({ key, aad, cipherOf, parameters, start });
  const parts = [stream.header];
  for (let index = 0; index < segmentCount(plaintext.length, parameters); index++) {
    const { plain, isLast } = segmentOf(plaintext.length, index, parameters);
    parts.push(await stream.seal(index, plaintext.subarray(plain.from, plain.to), isLast));
  }
  return concat(...parts);
}

/** All of a sealed file, by its length, as one does who has been sent it. */
async function open(sealed: Uint8Array, options: Whole = {}): Promise<Uint8Array> {
  const { key = KEY, aad = AAD, cipherOf = nodeCipher, parameters = SMALL } = options;
  const header = sealed.subarray(0, 8 + parameters.keyBytes);
  const stream = await opening({ key, aad, cipherOf, parameters, header });
  const parts: Uint8Array[] = [];
  const count = Math.max(1, Math.ceil(sealed.length / parameters.segmentBytes));
  for (let index = 0; index < count; index++) {
    const from = index === 0 ? header.length : index * parameters.segmentBytes;
    const segment = sealed.subarray(from, (index + 1) * parameters.segmentBytes);
    parts.push(await stream.open(index, segment, index === count - 1));
  }
  return concat(...parts);
}

const damaged = async (sealed: Uint8Array, options: Whole = {}) => {
  const error = await open(sealed, options).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(DamagedError);
};

/** Lengths of plaintexts, half of them within two bytes of where a segment ends. */
const lengths = fc.oneof(
  fc.nat(500),
  fc.tuple(fc.nat(6), fc.integer({ min: -2, max: 2 })).map(([count, off]) => Math.max(0, count * 64 + 24 + off)),
);
const files = fc.record({ length: lengths, from: fc.nat() }).map(({ length, from }) => new Random(from).bytes(length));
/** Files of more than one segment. */
const longFiles = files.filter((plaintext) => segmentCount(plaintext.length, SMALL) > 1);

describe.each(ciphers)("%s", (_name, cipherOf) => {
  test.skipIf(missing)("Tink's vectors, both ways", async () => {
    const { vectors } = JSON.parse(readFileSync(FILE, "utf8")) as { vectors: Tink[] };
    expect(vectors).toHaveLength(8);
    for (const vector of vectors) {
      const hash = { sha1: "SHA-1", sha256: "SHA-256", sha512: "SHA-512" }[vector.hash] as StreamParameters["hash"];
      const parameters = { segmentBytes: vector.segment, hash, keyBytes: vector.derived };
      const options = { key: bytesOf(vector.key), aad: bytesOf(vector.aad), cipherOf, parameters };
      const header = bytesOf(vector.ciphertext).subarray(0, 8 + vector.derived);
      const start = { salt: header.subarray(1, 1 + vector.derived), prefix: header.subarray(1 + vector.derived) };
      expect(hexOf(await seal(bytesOf(vector.plaintext), start, options))).toBe(vector.ciphertext);
      expect(hexOf(await open(bytesOf(vector.ciphertext), options))).toBe(vector.plaintext);
    }
  });

  interface Attachment {
    key: string;
    salt: string;
    prefix: string;
    blob: string;
  }
  const given = ({ key, salt, prefix, blob }: Attachment) => ({
    options: { key: bytesOf(key), aad: fileAssociatedData(blob), cipherOf, parameters: AES256_GCM_HKDF_1MB },
    start: { salt: bytesOf(salt), prefix: bytesOf(prefix) },
  });

  interface Short extends Attachment {
    fields: VectorField[];
    associated_data: string;
    plaintext: string;
    sealed: string;
  }
  test.each(vectorsWith<Short>("attachments", "sealed"))("our vectors: $what", async (vector) => {
    const { options, start } = given(vector);
    expect([hexOf(options.aad), hexOf(encoded(vector.fields))]).toEqual(Array(2).fill(vector.associated_data));
    expect(hexOf(await seal(bytesOf(vector.plaintext), start, options))).toBe(vector.sealed);
    expect(hexOf(await open(bytesOf(vector.sealed), options))).toBe(vector.plaintext);
  });

  interface Long extends Attachment {
    pattern_length: number;
    sealed_length: number;
    sealed_sha256: string;
  }
  test.each(vectorsWith<Long>("attachments", "pattern_length"))("our vectors: $what", async (vector) => {
    const { options, start } = given(vector);
    const plaintext = Uint8Array.from({ length: vector.pattern_length }, (_, index) => index % 251);
    const sealed = await seal(plaintext, start, options);
    expect(sealed.length).toBe(vector.sealed_length);
    expect(createHash("sha256").update(sealed).digest("hex")).toBe(vector.sealed_sha256);
    expect(Buffer.compare(await open(sealed, options), plaintext)).toBe(0);
  });

  it("takes a buffer for the result, and no more of it than it needs", async () => {
    const [plaintext, start, whole] = [random.bytes(24), anyStart(), new Uint8Array(90).fill(7)];
    const stream = await sealing({ key: KEY, aad: AAD, cipherOf, parameters: SMALL, start });
    const sealed = await stream.seal(0, plaintext, false, whole.subarray(HEADER));
    expect([sealed.buffer === whole.buffer, sealed.byteOffset, sealed.length]).toEqual([true, HEADER, 40]);
    expect(sealed).toEqual(await stream.seal(0, plaintext, false));
    const opened = await stream.open(0, sealed, false, whole.subarray(0, HEADER));
    expect([opened.buffer === whole.buffer, opened]).toEqual([true, plaintext]);
    expect([...whole.subarray(24, 40), ...whole.subarray(80)]).toEqual(Array(26).fill(7));
    await expect(stream.seal(0, plaintext, false, new Uint8Array(39))).rejects.toBeInstanceOf(RangeError);
    await expect(stream.open(0, sealed, false, new Uint8Array(23))).rejects.toBeInstanceOf(RangeError);
  });

  it("opens what the other one has sealed, up to where a part of it begins", async () => {
    for (const length of [65_535, 65_536, 65_537, 200_000, 1_048_520]) {
      const [plaintext, start] = [random.bytes(length), newStart()];
      const options = { parameters: AES256_GCM_HKDF_1MB };
      const sealed = await seal(plaintext, start, { ...options, cipherOf });
      for (const [, other] of ciphers)
        expect(Buffer.compare(await open(sealed, { ...options, cipherOf: other }), plaintext)).toBe(0);
    }
  });

  it("says that it is damaged, and nothing else, whatever it is to open", async () => {
    const stream = await opening({
      key: KEY,
      aad: AAD,
      cipherOf,
      header: (await sealing({ ...small(), cipherOf })).header,
    });
    for (const index of [0, 1, -1, 0.5, Number.NaN, 2 ** 32, Infinity])
      for (const length of [0, 1, 15, 16, 40, 1_048_576, 1_048_577])
        for (const isLast of [true, false])
          await expect(stream.open(index, new Uint8Array(length), isLast)).rejects.toBeInstanceOf(DamagedError);
  });
});

const check = (property: Parameters<typeof fc.assert>[0]) => fc.assert(property, { seed, numRuns: 200 });
const small = () => ({ key: KEY, aad: AAD, cipherOf: nodeCipher, start: newStart() });

describe(`a sealed file; SEED=${seed}`, () => {
  it("is opened as what it was, whatever its length, and is as long as was said", () =>
    check(
      fc.asyncProperty(files, async (plaintext) => {
        const sealed = await seal(plaintext, anyStart());
        expect(sealed.length).toBe(sealedLength(plaintext.length, SMALL));
        expect(openedLength(sealed.length, SMALL)).toBe(plaintext.length);
        expect(await open(sealed)).toEqual(plaintext);
      }),
    ));

  it("is the same from wherever one goes on sealing it", () =>
    check(
      fc.asyncProperty(files, fc.nat(), async (plaintext, somewhere) => {
        const start = anyStart();
        const sealed = await seal(plaintext, start);
        const offset = somewhere % sealed.length;
        const stream = await sealing({ key: KEY, aad: AAD, cipherOf: nodeCipher, parameters: SMALL, start });
        const rest: Uint8Array[] = [];
        for (let index = segmentAt(offset, SMALL); index < segmentCount(plaintext.length, SMALL); index++) {
          const { plain, isLast } = segmentOf(plaintext.length, index, SMALL);
          if (index === 0) rest.push(stream.header);
          rest.push(await stream.seal(index, plaintext.subarray(plain.from, plain.to), isLast));
        }
        const from = segmentAt(offset, SMALL) * SMALL.segmentBytes;
        expect(concat(...rest).subarray(offset - from)).toEqual(sealed.subarray(offset));
      }),
    ));

  it("is damaged if a single bit is another", () =>
    check(
      fc.asyncProperty(files, fc.nat(), async (plaintext, somewhere) => {
        const sealed = await seal(plaintext, anyStart());
        const bit = somewhere % (sealed.length * 8);
        sealed[bit >> 3]! ^= 1 << (bit & 7);
        await damaged(sealed);
      }),
    ));

  it("is damaged if it is cut, also where a segment ends, or goes on", () =>
    check(
      fc.asyncProperty(longFiles, fc.nat(), async (plaintext, somewhere) => {
        const sealed = await seal(plaintext, anyStart());
        await damaged(sealed.subarray(0, somewhere % sealed.length));
        for (let end = SMALL.segmentBytes; end < sealed.length; end += SMALL.segmentBytes)
          await damaged(sealed.subarray(0, end));
        await damaged(concat(sealed, Uint8Array.of(0)));
        await damaged(concat(sealed, sealed.subarray(-SMALL.segmentBytes)));
      }),
    ));

  it("is damaged if segments are swapped, left out, or repeated", () =>
    check(
      fc.asyncProperty(
        files.filter(({ length }) => length > 24 + 128),
        fc.nat(),
        async (plaintext, which) => {
          const sealed = await seal(plaintext, anyStart());
          const full = Math.floor(sealed.length / 80) - 2;
          const at = 80 + 80 * (full === 0 ? 0 : which % full);
          const [before, one] = [sealed.subarray(0, at), sealed.subarray(at, at + 80)];
          const [other, rest] = [sealed.subarray(at + 80, at + 160), sealed.subarray(at + 160)];
          await damaged(concat(before, other, one, rest));
          await damaged(concat(before, one, rest));
          await damaged(concat(before, one, one, other, rest));
        },
      ),
    ));

  it("is damaged under another key, another blob's id, another salt or prefix", () =>
    check(
      fc.asyncProperty(files, async (plaintext) => {
        const start = anyStart();
        const sealed = await seal(plaintext, start);
        await damaged(sealed, { key: KEY.map((byte, index) => (index === 31 ? byte ^ 1 : byte)) });
        await damaged(sealed, { key: KEY.subarray(1) });
        await damaged(sealed, { aad: fileAssociatedData("blob-2") });
        const other = anyStart();
        for (const changed of [
          { ...start, salt: other.salt },
          { ...start, prefix: other.prefix },
        ])
          await damaged(concat((await seal(plaintext, changed)).subarray(0, HEADER), sealed.subarray(HEADER)));
      }),
    ));

  it("takes no segment of another file of the same key", () =>
    check(
      fc.asyncProperty(longFiles, async (plaintext) => {
        const [sealed, other] = [await seal(plaintext, anyStart()), await seal(plaintext, anyStart())];
        await damaged(concat(sealed.subarray(0, 80), other.subarray(80)));
        await damaged(concat(other.subarray(0, 80), sealed.subarray(80)));
      }),
    ));

  it("begins with a header, or is damaged", async () => {
    const sealed = await seal(random.bytes(100), anyStart());
    for (const header of [new Uint8Array(), sealed.subarray(0, 39), sealed.subarray(0, 41), new Uint8Array(40)])
      await expect(opening({ ...small(), header, parameters: SMALL })).rejects.toBeInstanceOf(DamagedError);
  });
});

describe("a stream that seals", () => {
  it("has a salt and a prefix that nobody has used", () => {
    const starts = Array.from({ length: 100 }, () => newStart());
    expect(new Set(starts.map(({ salt }) => hexOf(salt))).size).toBe(100);
    expect(new Set(starts.map(({ prefix }) => hexOf(prefix))).size).toBe(100);
    expect(starts.every(({ salt, prefix }) => salt.length === 32 && prefix.length === 7)).toBe(true);
  });

  it("seals no segment of a length that it cannot have, and none beyond the counter", async () => {
    const stream = await sealing({ ...small(), parameters: SMALL });
    for (const [index, length, isLast] of [
      [0, 23, false],
      [0, 25, true],
      [1, 0, true],
      [1, 63, false],
      [1, 65, true],
      [-1, 64, false],
      [0.5, 64, false],
      [2 ** 32, 1, true],
    ] as const)
      await expect(stream.seal(index, new Uint8Array(length), isLast)).rejects.toBeInstanceOf(RangeError);
    expect(await stream.seal(2 ** 32 - 1, new Uint8Array(1), true)).toHaveLength(17);
  });

  it("takes no key and no start that are too short", async () => {
    for (const change of [
      { key: KEY.subarray(1) },
      { start: { salt: new Uint8Array(31), prefix: new Uint8Array(7) } },
      { start: { salt: new Uint8Array(32), prefix: new Uint8Array(6) } },
    ])
      await expect(sealing({ ...small(), ...change })).rejects.toBeInstanceOf(RangeError);
  });
});

describe("where segments lie", () => {
  const MIB = 1_048_576;

  it.each([
    [0, 1, 56],
    [1, 1, 57],
    [MIB - 56, 1, MIB],
    [MIB - 55, 2, MIB + 17],
    [2 * MIB - 72, 2, 2 * MIB],
    [2 * MIB - 71, 3, 2 * MIB + 17],
    [10 * 1024 * MIB, 10_241, 10 * 1024 * MIB + 40 + 16 * 10_241],
  ])("a file of %i bytes has %i segments, and %i bytes sealed", (plain, count, sealed) => {
    expect([segmentCount(plain), sealedLength(plain), openedLength(sealed)]).toEqual([count, sealed, plain]);
    expect(segmentAt(sealed - 1)).toBe(count - 1);
  });

  it("they follow each other without a gap, from the header to the end", () =>
    fc.assert(
      fc.property(fc.nat(20 * MIB), (length) => {
        const count = segmentCount(length);
        let before = { plain: { to: 0 }, sealed: { to: HEADER } };
        for (let index = 0; index < count; index++) {
          const segment = segmentOf(length, index);
          const { plain, sealed, isLast } = segment;
          expect([plain.from, sealed.from, isLast]).toEqual([before.plain.to, before.sealed.to, index === count - 1]);
          expect(sealed.to - sealed.from).toBe(plain.to - plain.from + 16);
          expect([segmentAt(sealed.from), segmentAt(sealed.to - 1)]).toEqual([index, index]);
          before = segment;
        }
        expect([before.plain.to, before.sealed.to]).toEqual([length, sealedLength(length)]);
      }),
      { seed },
    ));

  it("there is none beyond the last, and no file of a length that has no room for headers and tags", () => {
    for (const index of [-1, 2, 0.5, Number.NaN]) expect(() => segmentOf(MIB, index)).toThrow(RangeError);
    for (const sealed of [0, 1, 40, 55, MIB + 1, MIB + 16, 2 * MIB + 16, Number.NaN])
      expect(openedLength(sealed)).toBeUndefined();
  });
});
