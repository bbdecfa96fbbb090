/** How token accounts log in, and how web services know who posts. */
import { createCipheriv, createHmac, pbkdf2Sync } from "node:crypto";
import type { Vector } from "./vector.ts";

const TOKEN = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SALT = "EBESExQVFhcYGRobHB0eHw==";
const CHALLENGE = "-_8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0=";
const NONCE = Buffer.from("000102030405060708090a0b", "hex");

const keyOf = (token: string | Buffer) => pbkdf2Sync(token, Buffer.from(SALT, "base64"), 100_000, 32, "sha256");

function answer(text: string, key: Uint8Array, data?: string): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, NONCE);
  if (data !== undefined) cipher.setAAD(Buffer.from(data));
  return Buffer.concat([NONCE, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

export function tokenVectors(): Vector[] {
  const key = keyOf(TOKEN);
  const right = answer(CHALLENGE, key);
  const login = (what: string, bytes: Buffer, valid: boolean): Vector => ({
    clause: "P-4.2",
    what,
    login_key: key.toString("hex"),
    challenge: CHALLENGE,
    answer: bytes.toString("base64"),
    valid,
  });
  const changed = Buffer.from(right);
  changed[20]! ^= 1;
  return [
    {
      clause: "P-3.2",
      what: "the login key is derived of the token's text, not of the bytes that it stands for",
      token: TOKEN,
      salt: SALT,
      login_key: key.toString("hex"),
    },
    login("an answer to the challenge's text: nonce, ciphertext, tag", right, true),
    login("under the key of the token's bytes", answer(CHALLENGE, keyOf(Buffer.from(TOKEN, "base64"))), false),
    login("of the challenge's bytes", answer(Buffer.from(CHALLENGE, "base64url").toString("latin1"), key), false),
    login("with associated data", answer(CHALLENGE, key, "alice"), false),
    login("one bit is another", changed, false),
    login("a tag of 12 bytes", right.subarray(0, -4), false),
    login("the nonce alone", NONCE, false),
  ];
}

export function webhookVectors(): Vector[] {
  const clause = "doors.md#a-web-service";
  const signed = (what: string, secret: string, posted: { id: string; timestamp: number; body: string }): Vector => {
    const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret);
    const text = `${posted.id}.${posted.timestamp}.${posted.body}`;
    const signature = `v1,${createHmac("sha256", key).update(text).digest("base64")}`;
    return { clause, what, secret, ...posted, signature };
  };
  return [
    // Other implementations of Standard Webhooks test by this one, too.
    signed("a secret of the specification's form", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", {
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      timestamp: 1_614_265_330,
      body: '{"test": 2432232314}',
    }),
    signed("a secret as it is, and a body beyond ASCII", "0123456789abcdef", {
      id: "1f0c9a52b7d84e3f1f0c9a52b7d84e3f",
      timestamp: 1_700_000_000,
      body: "caf\u{e9} \u{1f44b}\n",
    }),
    signed("an empty body", "0123456789abcdef", { id: "m-1", timestamp: 0, body: "" }),
  ];
}
