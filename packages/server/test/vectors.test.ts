/** The vectors for other languages, as a relay takes them: over the wire where they travel, else by what judges them. */
import { decodeClientFrame, loginBytes, readCertificate } from "@aimessage/sdk/protocol";
import { describe, expect, test } from "vitest";
import { bytesOf, vectorsWith } from "../../../test/vectors.ts";
import { verifySignature } from "../src/handlers/signatures.ts";
import { answersChallenge, tokenKeys } from "../src/handlers/token-keys.ts";
import { createRelay } from "../src/index.ts";
import { newAgent } from "./agent.ts";
import { RawClient } from "./raw-client.ts";

const relayForTest = (publicUrls: string[] = []) =>
  createRelay({ port: 0, store: "memory", noLimits: true, publicUrls });

interface Answer {
  type: string;
  code?: number;
  reason?: string;
  username?: string;
  device?: string;
}
interface Registration {
  relay: string;
  frame: { data: object };
  answer: Answer;
}
test.each(vectorsWith<Registration>("registrations", "frame"))("a registration: $what", async (vector) => {
  const { type, ...data } = vector.answer;
  await using relay = await relayForTest([`wss://${vector.relay}`]);
  using client = await RawClient.open(relay.url);
  expect(await client.ask("register", vector.frame.data)).toMatchObject({ type, data });
});

interface ClientFrame {
  text: string;
  frame?: { type: string; id: string; data?: object };
  error?: { code: number; reason: string; reply_to?: string };
}
test("frames of clients that cannot be read are refused with the vectors' words, and the connection stays", async () => {
  await using relay = await relayForTest();
  using client = await RawClient.open(relay.url);
  await (await newAgent(relay.url, "alice")).login(client);
  for (const { what, text, error } of vectorsWith<ClientFrame>("client-frames", "error")) {
    client.socket.send(text);
    const { type, reply_to, data } = await client.read();
    const { code, reason } = data as { code: number; reason: string };
    expect({ what, type, reply_to, code, reason }).toEqual({ what, type: "error", reply_to: undefined, ...error });
  }
});

test.each(vectorsWith<ClientFrame>("client-frames", "frame"))("a frame of a client: $what", ({ text, frame }) => {
  expect(decodeClientFrame(text)).toEqual({ frame: { data: undefined, ...frame } });
});

interface Login {
  login: Parameters<typeof loginBytes>[0];
  key: string;
  signature: string;
}
test.each(vectorsWith<Login>("signed", "login"))("$what", ({ login, key, signature }) => {
  expect(verifySignature(bytesOf(key), loginBytes(login), bytesOf(signature))).toBe(true);
  const later = loginBytes({ ...login, counter: login.counter + 1 });
  expect(verifySignature(bytesOf(key), later, bytesOf(signature))).toBe(false);
});

test.each(vectorsWith<{ bytes: string; valid: boolean }>("certificates", "bytes"))(
  "a certificate: $what",
  async ({ bytes, valid }) => {
    const read = await readCertificate(bytesOf(bytes), async (...signed) => verifySignature(...signed));
    expect(read !== undefined).toBe(valid);
  },
);

describe("a token account", () => {
  test.each(vectorsWith<{ token: string; salt: string; login_key: string }>("token-logins", "token"))(
    "$what",
    async ({ token, salt, login_key }) => {
      const key = await tokenKeys().derive(token, Buffer.from(salt, "base64"));
      expect(Buffer.from(key).toString("hex")).toBe(login_key);
    },
  );

  test.each(
    vectorsWith<{ login_key: string; challenge: string; answer: string; valid: boolean }>("token-logins", "challenge"),
  )("logs in: $what", ({ login_key, challenge, answer, valid }) => {
    expect(answersChallenge(answer, challenge, bytesOf(login_key))).toBe(valid);
  });
});
