import { createDecipheriv, createSecretKey, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(pbkdf2);
const ITERATIONS = 100_000;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Derivations at a time: each takes a core for tens of milliseconds. */
const CONCURRENCY = 2;

/** Random bytes that are drawn at once: each call of the system costs as much as a hundred of these. */
const TOKEN_BYTES = 32;
const POOL_BYTES = 128 * TOKEN_BYTES;
let pool = Buffer.alloc(0);
let poolAt = 0;

export interface TokenKeys {
  /** PBKDF2-SHA256 (RFC 8018, section 5.2) of the token's text. */
  derive(token: string, salt: Uint8Array): Promise<Uint8Array>;
}

export function tokenKeys(): TokenKeys {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async derive(token, salt) {
      if (running >= CONCURRENCY) await new Promise<void>((resolve) => waiting.push(resolve));
      else running += 1;
      try {
        return await derive(token, salt, ITERATIONS, KEY_BYTES, "sha256");
      } finally {
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        else next();
      }
    },
  };
}

/** 32 random bytes in URL-safe base64 with padding, as the original writes tokens and challenges. */
export function randomToken(): string {
  if (poolAt === pool.length) {
    pool = randomBytes(POOL_BYTES);
    poolAt = 0;
  }
  const bytes = pool.subarray(poolAt, (poolAt += TOKEN_BYTES));
  return bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** Whether an answer is the challenge under AES-256-GCM: base64 of a 12-byte nonce, the ciphertext and its tag. */
export function answersChallenge(answer: string, challenge: string, key: Uint8Array): boolean {
  const bytes = Buffer.from(answer, "base64");
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return false;
  // Node takes three times as long for a key in plain bytes.
  const decipher = createDecipheriv("aes-256-gcm", createSecretKey(key), bytes.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const opened = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    const expected = Buffer.from(challenge);
    return opened.length === expected.length && timingSafeEqual(opened, expected);
  } catch {
    return false;
  }
}
