import { createCipheriv, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type { LoadSocket } from "./load-socket.ts";

const derive = promisify(pbkdf2);

/** A token account as its owner holds it. */
export interface TokenAccount {
  username: string;
  key: Buffer;
}

/** Registers a token account. A floor that knows no accounts gives none: its key stays empty. */
export async function registerToken(socket: LoadSocket, username: string): Promise<TokenAccount> {
  const { type, data } = await socket.ask({ type: "register", id: "1", data: { username } });
  if (type !== "registered") return { username, key: Buffer.alloc(0) };
  return { username, key: await derive(data.token, Buffer.from(data.salt, "base64"), 100_000, 32, "sha256") };
}

/** Logs in by the challenge under AES-256-GCM. */
export async function loginToken(socket: LoadSocket, { username, key }: TokenAccount): Promise<void> {
  const { data } = await socket.ask({ type: "authenticate", id: "2", data: { username } });
  if (data.status === "authenticated") return;
  const challenge = seal(key, data.challenge);
  const answer = await socket.ask({ type: "authenticate", id: "3", data: { username, challenge } });
  if (answer.data.status !== "authenticated") throw new Error(`${username} cannot log in: ${answer.data.message}`);
}

/** base64 of nonce, ciphertext and tag. */
function seal(key: Buffer, text: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString("base64");
}
