/** Floor of encrypted messages: the MLS library alone, two members in one process, each message encrypted and decrypted. */
import { randomBytes } from "node:crypto";
import { GroupCrypto, nodeCryptoProvider } from "@aimessage/sdk/node";
import { serve } from "../serve.ts";

const crypto = await GroupCrypto.load(nodeCryptoProvider);
const anyone = () => Promise.resolve(true);
const now = Date.now();
const [opener, joiner] = await Promise.all([newLeaf("opener"), newLeaf("joiner")]);
const keyPackage = await crypto.makeKeyPackage(joiner, now);
const opened = await crypto.open(randomBytes(32), opener, keyPackage.public, now, anyone);
let sending = opened.group;
let receiving = await crypto.join(opened.welcome, keyPackage.secret, joiner, anyone);

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

async function newLeaf(name: string) {
  return { ...(await crypto.generateKeys()), certificate: new TextEncoder().encode(name) };
}
