/** Floor of encrypted messages: the MLS library alone, two members in one process, each message encrypted and decrypted. */
import { randomBytes } from "node:crypto";
import { serve } from "../../shared/serve.ts";
import { openPair } from "./pair.ts";

const { crypto, ...groups } = await openPair();
let { sending, receiving } = groups;

serve({ run, decrypt });

/** @returns messages a second */
async function run({ bytes, seconds }: { bytes: number; seconds: number }): Promise<number> {
  const body = randomBytes(bytes);
  const started = performance.now();
  let count = 0;
  for (; performance.now() < started + seconds * 1000; count++) {
    const { group, message } = await crypto.encrypt(sending, body, new Uint8Array());
    const result = await crypto.decrypt(receiving, message);
    sending = group;
    receiving = result.group;
  }
  return count / ((performance.now() - started) / 1000);
}

/** @returns messages a second that are decrypted, having been encrypted before */
async function decrypt({ bytes, count }: { bytes: number; count: number }): Promise<number> {
  const body = randomBytes(bytes);
  const waiting: Uint8Array[] = [];
  for (let left = count; left > 0; left--) {
    const { group, message } = await crypto.encrypt(sending, body, new Uint8Array());
    sending = group;
    waiting.push(message);
  }
  const started = performance.now();
  for (const message of waiting) receiving = (await crypto.decrypt(receiving, message)).group;
  return count / ((performance.now() - started) / 1000);
}
