import { DAY_MS } from "./days.ts";

/** The longest time from its publication for which a package is handed out, whatever lifetime it says that it has. */
const HANDED_OUT_MS = 88 * DAY_MS;
/** None is handed out that could end on its way. */
const BEFORE_END_MS = DAY_MS;

/** When a key package is valid: Unix milliseconds. */
export interface Lifetime {
  notBefore: number;
  notAfter: number;
}

/** RFC 9420, sections 6, 5.3 and 7.2: `mls10`, `mls_key_package`, `basic`, `x509`, `key_package`. */
const MLS_10 = 1;
const KEY_PACKAGE_MESSAGE = 5;
const CREDENTIALS = new Set([1, 2]);
const FROM_KEY_PACKAGE = 1;
/** Versions, cipher suites, extensions, proposals and credentials that a member can do. */
const CAPABILITIES = 5;

/** Until when a package is handed out; 0 if it is not valid by the relay's clock, now or for a day to come. */
export function handedOutUntil(bytes: Uint8Array, now: number): number {
  // Of what is none of MLS its owner has to know what it is good for.
  const { notBefore, notAfter } = lifetimeOf(bytes) ?? { notBefore: 0, notAfter: Infinity };
  const until = Math.min(now + HANDED_OUT_MS, notAfter - BEFORE_END_MS);
  return notBefore <= now && until > now ? until : 0;
}

/**
 * The lifetime in a key package that travels as an MLSMessage (RFC 9420, sections 6, 10 and 7.2), or undefined if it is none. Nothing
 * else of it is read, and nothing verified: it says when handing the package out is of no use.
 */
export function lifetimeOf(bytes: Uint8Array): Lifetime | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  try {
    const number = (size: 1 | 2): number => {
      const value = size === 1 ? view.getUint8(at) : view.getUint16(at);
      at += size;
      return value;
    };
    // RFC 9420, section 2.1.2: the first two bits say how many bytes the length has.
    const skipVector = (): void => {
      const first = view.getUint8(at);
      const size = 1 << (first >> 6);
      const length = size === 1 ? first : size === 2 ? view.getUint16(at) & 0x3fff : view.getUint32(at) & 0x3fffffff;
      at += size + length;
      if (size > 4 || at > bytes.length) throw new RangeError("beyond the end");
    };
    const time = (): number => {
      const seconds = Number(view.getBigUint64(at));
      at += 8;
      return Math.min(seconds * 1000, Number.MAX_SAFE_INTEGER);
    };
    if (number(2) !== MLS_10 || number(2) !== KEY_PACKAGE_MESSAGE || number(2) !== MLS_10) return undefined;
    number(2); // the cipher suite
    skipVector(); // init_key
    skipVector(); // encryption_key
    skipVector(); // signature_key
    if (!CREDENTIALS.has(number(2))) return undefined;
    skipVector();
    for (let count = 0; count < CAPABILITIES; count++) skipVector();
    if (number(1) !== FROM_KEY_PACKAGE) return undefined;
    return { notBefore: time(), notAfter: time() };
  } catch (error) {
    // A view's word on a place beyond its end.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
