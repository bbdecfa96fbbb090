/**
 * Files are encrypted by Tink's AES-GCM-HKDF streaming AEAD (developers.google.com/tink/streaming-aead/aes_gcm_hkdf_streaming;
 * Hoang and Shen, CCS 2020): in segments, each of which can be sealed and opened alone, and none of which can be left out,
 * moved or taken from another file. Arithmetic and key derivation are here; AES-GCM itself is a {@link CipherOf}.
 */
import { lengthPrefixed } from "../protocol/index.ts";

/** AES-GCM under one key. Nonces have 12 bytes, and the tag, of 16, stands behind the ciphertext. */
export interface SegmentCipher {
  /** @param into Where the result is put, so that a caller can use one buffer for many segments. */
  seal(nonce: Uint8Array, plaintext: Uint8Array, into?: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Whatever it throws means that the ciphertext is not what was sealed; what is in `into` is nothing then. */
  open(nonce: Uint8Array, ciphertext: Uint8Array, into?: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** The cipher of a key of 32 bytes, or 16. */
export type CipherOf = (key: Uint8Array) => SegmentCipher | Promise<SegmentCipher>;

/** Those of the product are {@link AES256_GCM_HKDF_1MB}. The others are there for Tink's vectors. */
export interface StreamParameters {
  /** Bytes of a segment's ciphertext, its tag included, and in the first one the header. */
  segmentBytes: number;
  hash: "SHA-1" | "SHA-256" | "SHA-512";
  /** Bytes of the key that is derived, and of the salt. */
  keyBytes: 16 | 32;
}

export const AES256_GCM_HKDF_1MB: StreamParameters = { segmentBytes: 1_048_576, hash: "SHA-256", keyBytes: 32 };

/** What is random in a file's header. The same start under the same key may only ever seal the same bytes. */
export interface StreamStart {
  salt: Uint8Array;
  prefix: Uint8Array;
}

/** One file under its key. Segments are named by their index, from 0, and come in any order. */
export interface Stream {
  /** What stands before the first segment. */
  readonly header: Uint8Array;
  /**
   * The ciphertext of a segment. Every one but the last is full, and no segment of a stream may be sealed with other bytes
   * again: that would be a nonce used twice, which gives both away.
   * @param into A buffer apart from the plaintext's that holds the result, which has 16 bytes more; default: a new one.
   * @throws RangeError if a segment cannot have that index or that many bytes, or `into` has no room for it
   */
  seal(index: number, plaintext: Uint8Array, isLast: boolean, into?: Uint8Array): Promise<Uint8Array>;
  /**
   * The plaintext of a segment.
   * @param into A buffer apart from the ciphertext's that holds the result; if that is refused, what is in there is nothing.
   * @throws DamagedError if this is not what was sealed in that place; RangeError if `into` has no room, and nothing else
   */
  open(index: number, ciphertext: Uint8Array, isLast: boolean, into?: Uint8Array): Promise<Uint8Array>;
}

/** What was to be opened is not what was sealed: it was changed, cut, moved, or belongs to another file or key. */
export class DamagedError extends Error {
  override name = "DamagedError";
}

interface StreamOptions {
  /** The file's own key, 32 bytes. */
  key: Uint8Array;
  /** Associated data: {@link fileAssociatedData}. */
  aad: Uint8Array;
  cipherOf: CipherOf;
  parameters?: StreamParameters;
}

const PREFIX_BYTES = 7;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** A segment's index is a counter of 4 bytes. */
const SEGMENTS = 2 ** 32;

/** A start that nobody has used. */
export function newStart(parameters = AES256_GCM_HKDF_1MB): StreamStart {
  const random = globalThis.crypto.getRandomValues(new Uint8Array(parameters.keyBytes + PREFIX_BYTES));
  return { salt: random.slice(0, parameters.keyBytes), prefix: random.slice(parameters.keyBytes) };
}

/** The stream that a start begins: the same start gives the same stream again. @throws RangeError if key or start are too short */
export async function sealing(options: StreamOptions & { start: StreamStart }): Promise<Stream> {
  const { start, parameters = AES256_GCM_HKDF_1MB } = options;
  if (options.key.length < parameters.keyBytes) throw new RangeError("the key is too short");
  if (start.salt.length !== parameters.keyBytes || start.prefix.length !== PREFIX_BYTES)
    throw new RangeError("salt or prefix have another length");
  const header = new Uint8Array(headerBytes(parameters));
  header[0] = header.length;
  header.set(start.salt, 1);
  header.set(start.prefix, 1 + start.salt.length);
  return streamOf(header, options);
}

/** The stream that a header begins. @throws DamagedError if it is no header */
export async function opening(options: StreamOptions & { header: Uint8Array }): Promise<Stream> {
  const { header, key, parameters = AES256_GCM_HKDF_1MB } = options;
  const length = headerBytes(parameters);
  if (header.length !== length || header[0] !== length || key.length < parameters.keyBytes)
    throw new DamagedError("it does not begin as a file does");
  return streamOf(header.slice(), options);
}

async function streamOf(header: Uint8Array, options: StreamOptions): Promise<Stream> {
  const { parameters = AES256_GCM_HKDF_1MB } = options;
  const prefix = header.slice(1 + parameters.keyBytes);
  const cipher = await options.cipherOf(await segmentKey(header.slice(1, 1 + parameters.keyBytes), options));
  const fits = (index: number, bytes: number, isLast: boolean) =>
    Number.isInteger(index) && index >= 0 && index < SEGMENTS && mayHold({ index, bytes, isLast }, parameters);
  return {
    header,
    async seal(index, plaintext, isLast, into) {
      if (!fits(index, plaintext.length, isLast)) throw new RangeError("no segment has that place and that length");
      requireRoom(into, plaintext.length + TAG_BYTES);
      return cipher.seal(nonceOf(prefix, index, isLast), plaintext, into);
    },
    async open(index, ciphertext, isLast, into) {
      if (!fits(index, ciphertext.length - TAG_BYTES, isLast))
        throw new DamagedError("a segment of the file has another length");
      requireRoom(into, ciphertext.length - TAG_BYTES);
      try {
        return await cipher.open(nonceOf(prefix, index, isLast), ciphertext, into);
      } catch (cause) {
        throw new DamagedError("a segment of the file is not what was sealed", { cause });
      }
    },
  };
}

function requireRoom(into: Uint8Array | undefined, bytes: number): void {
  if (into !== undefined && into.length < bytes) throw new RangeError("the buffer is too small");
}

/** Whether a segment has as many bytes of plaintext as one in its place: a last one that is empty is the only one. */
function mayHold({ index, bytes, isLast }: { index: number; bytes: number; isLast: boolean }, of: StreamParameters) {
  const full = of.segmentBytes - TAG_BYTES - (index === 0 ? headerBytes(of) : 0);
  return isLast ? bytes <= full && bytes >= Math.min(index, 1) : bytes === full;
}

async function segmentKey(salt: Uint8Array, { key, aad, parameters = AES256_GCM_HKDF_1MB }: StreamOptions) {
  const { subtle } = globalThis.crypto;
  const secret = await subtle.importKey("raw", asSource(key), "HKDF", false, ["deriveBits"]);
  const algorithm = { name: "HKDF", hash: parameters.hash, salt: asSource(salt), info: asSource(aad) };
  return new Uint8Array(await subtle.deriveBits(algorithm, secret, parameters.keyBytes * 8));
}

function nonceOf(prefix: Uint8Array, index: number, isLast: boolean): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  nonce.set(prefix);
  new DataView(nonce.buffer).setUint32(PREFIX_BYTES, index);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
}

/** AES-GCM by WebCrypto, which every runtime has. */
export const webCipher: CipherOf = async (key) => {
  const { subtle } = globalThis.crypto;
  const imported = await subtle.importKey("raw", asSource(key), "AES-GCM", false, ["encrypt", "decrypt"]);
  const algorithm = (nonce: Uint8Array) => ({ name: "AES-GCM", iv: asSource(nonce), tagLength: TAG_BYTES * 8 });
  return {
    seal: async (nonce, plaintext, into) =>
      placed(await subtle.encrypt(algorithm(nonce), imported, asSource(plaintext)), into),
    open: async (nonce, ciphertext, into) =>
      placed(await subtle.decrypt(algorithm(nonce), imported, asSource(ciphertext)), into),
  };
};

function placed(result: ArrayBuffer, into: Uint8Array | undefined): Uint8Array {
  if (into === undefined) return new Uint8Array(result);
  into.set(new Uint8Array(result));
  return into.subarray(0, result.byteLength);
}

/** WebCrypto's types ask for bytes that no other thread shares. Nothing here comes from another thread. */
function asSource(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

/** What a file's encryption is bound to: the relay cannot give out one blob for another. */
export function fileAssociatedData(blob: string): Uint8Array {
  return lengthPrefixed("aimessage file 1", blob);
}

/** Bytes from one offset up to, and without, another. */
export interface ByteRange {
  from: number;
  to: number;
}

/** Where a segment lies in the plaintext, and in the sealed file, in which the header stands before the first one's. */
export interface Segment {
  index: number;
  isLast: boolean;
  plain: ByteRange;
  sealed: ByteRange;
}

function headerBytes({ keyBytes }: StreamParameters): number {
  return 1 + keyBytes + PREFIX_BYTES;
}

/** Of the product's own. Bytes. */
export const HEADER_BYTES = headerBytes(AES256_GCM_HKDF_1MB);

/** How many segments a plaintext has: an empty one has one. */
export function segmentCount(plainLength: number, parameters = AES256_GCM_HKDF_1MB): number {
  return Math.ceil((plainLength + headerBytes(parameters)) / (parameters.segmentBytes - TAG_BYTES));
}

/** Bytes of a whole sealed file, with its header. */
export function sealedLength(plainLength: number, parameters = AES256_GCM_HKDF_1MB): number {
  return plainLength + headerBytes(parameters) + TAG_BYTES * segmentCount(plainLength, parameters);
}

/** Bytes of the plaintext of a whole sealed file, or undefined if none is so long sealed. */
export function openedLength(sealedBytes: number, parameters = AES256_GCM_HKDF_1MB): number | undefined {
  const segments = Math.ceil(sealedBytes / parameters.segmentBytes);
  const plain = sealedBytes - headerBytes(parameters) - TAG_BYTES * segments;
  return plain >= 0 && sealedLength(plain, parameters) === sealedBytes ? plain : undefined;
}

/** A segment of a plaintext of that length. @throws RangeError if it has none of that index */
export function segmentOf(plainLength: number, index: number, parameters = AES256_GCM_HKDF_1MB): Segment {
  const count = segmentCount(plainLength, parameters);
  if (!Number.isInteger(index) || index < 0 || index >= count) throw new RangeError(`no segment ${index} of ${count}`);
  const [header, isLast] = [headerBytes(parameters), index === count - 1];
  const sealed = {
    from: index === 0 ? header : index * parameters.segmentBytes,
    to: isLast ? sealedLength(plainLength, parameters) : (index + 1) * parameters.segmentBytes,
  };
  const from = sealed.from - header - TAG_BYTES * index;
  return { index, isLast, plain: { from, to: from + sealed.to - sealed.from - TAG_BYTES }, sealed };
}

/** The index of the segment in which an offset of the sealed file lies; the header is counted to the first. */
export function segmentAt(sealedOffset: number, parameters = AES256_GCM_HKDF_1MB): number {
  return Math.floor(sealedOffset / parameters.segmentBytes);
}
