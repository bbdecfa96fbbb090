import { createHash, createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { formatPairingLine, readPairingLine, relayInLine, serverOfLine } from "../../src/agent/pairing-line.ts";
import { isProven, lineId, newCode, prove } from "../../src/crypto/pairing.ts";
import { pairingBytes } from "../../src/protocol/index.ts";

const CODE = "MFRGGZDFMZTWQ2LKNNWG23TPOA";
const FINGERPRINT = "A".repeat(52);
const side = (username: string, byte: number) => ({ username, identityKey: new Uint8Array(32).fill(byte) });
const pairing = { relay: "relay.example.org", maker: side("Bob", 1), taker: side("alice", 2), group: "ab".repeat(32) };

/** Fields as in [P-2.6]. */
const fields = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part as string);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );

test("a proof is HMAC-SHA-256 under the code's characters, of both sides, the relay and the group", async () => {
  const { maker, taker, group, relay } = pairing;
  const bytes = fields("aimessage pairing 1", relay, "bob", maker.identityKey, "alice", taker.identityKey, group);
  expect(Buffer.from(pairingBytes(pairing))).toEqual(bytes);
  const proof = await prove(CODE, pairingBytes(pairing));
  expect(Buffer.from(proof)).toEqual(createHmac("sha256", CODE).update(bytes).digest());
  expect(await isProven(CODE, pairingBytes(pairing), proof)).toBe(true);
  for (const change of [
    { relay: "relay.example.com" },
    { maker: side("bobby", 1) },
    { maker: side("bob", 3) },
    { taker: side("alicia", 2) },
    { taker: side("alice", 3) },
    { maker: pairing.taker, taker: pairing.maker },
    { group: "ac".repeat(32) },
  ])
    expect(await isProven(CODE, pairingBytes({ ...pairing, ...change }), proof)).toBe(false);
  expect(await isProven(newCode(), pairingBytes(pairing), proof)).toBe(false);
  for (const none of [new Uint8Array(), proof.subarray(1)])
    expect(await isProven(CODE, pairingBytes(pairing), none)).toBe(false);
});

test("a code has 128 random bits, and the name of its line says nothing of it", async () => {
  expect(newCode()).toMatch(/^[A-Z2-7]{26}$/);
  expect(newCode()).not.toBe(newCode());
  const digest = createHash("sha256").update(fields("aimessage pairing line 1", CODE)).digest("hex");
  expect(await lineId(CODE)).toBe(digest.slice(0, 32));
});

test.each([
  ["a card", { username: "Bob", relay: "relay.example.org", fingerprint: FINGERPRINT }],
  ["a line", { username: "bob", relay: "relay.example.org:8443", fingerprint: FINGERPRINT, code: CODE }],
  ["an invite", { username: "b_-9", relay: "localhost:8080", fingerprint: FINGERPRINT, code: CODE, invite: "x_-9" }],
])("%s is read as it was written", (_, line) => {
  const text = formatPairingLine(line);
  expect(text).toMatch(/^[A-Za-z0-9:@.#/_-]+$/);
  expect(readPairingLine(text)).toEqual(line);
  expect(readPairingLine(` ${text.slice(0, 20)}\r\n  ${text.slice(20)}\t\n`)).toEqual(line);
});

test("fingerprint, code and host may be written in any case", () => {
  const text = `AIMESSAGE:bob@Relay.Example.org#${FINGERPRINT.toLowerCase()}/${CODE.toLowerCase()}`;
  expect(readPairingLine(text)).toEqual({
    username: "bob",
    relay: "relay.example.org",
    fingerprint: FINGERPRINT,
    code: CODE,
  });
});

test.each([
  "",
  "bob",
  `aimessage:bob#${FINGERPRINT}`,
  `aimessage:bob@host#${FINGERPRINT}/`,
  `aimessage:bob@host#${FINGERPRINT}/${CODE.slice(1)}`,
  `aimessage:bob@host#${FINGERPRINT}/${CODE}/`,
  `aimessage:bob@host#${FINGERPRINT}/${CODE}/a/b`,
  `aimessage:bob@host#${FINGERPRINT}/${CODE}/a.b`,
  `aimessage:bob@host#${FINGERPRINT}/${CODE}/${"a".repeat(129)}`,
  `aimessage:bob@host:99999#${FINGERPRINT}`,
  `aimessage:bob@host/path#${FINGERPRINT}`,
  `aimessage:bob@[::1]:8080#${FINGERPRINT}`,
  `aimessage:bo@host#${FINGERPRINT}`,
  `aimessage:bob@x:y@host#${FINGERPRINT}`,
  `aimessage:bob@host#${FINGERPRINT.slice(1)}0`,
  `x aimessage:bob@host#${FINGERPRINT}`,
])("%j is no line", (text) => {
  expect(() => readPairingLine(text)).toThrow("this is no line of an agent");
});

const line = (relay: string) => ({ username: "bob", relay, fingerprint: FINGERPRINT });

test("the relay of a line is reached by TLS, unless it is this machine or its reader says otherwise", () => {
  expect(serverOfLine(line("relay.example.org"))).toBe("wss://relay.example.org/ws");
  expect(serverOfLine(line("relay.example.org:8443"))).toBe("wss://relay.example.org:8443/ws");
  expect(serverOfLine(line("localhost:8080"))).toBe("ws://localhost:8080/ws");
  expect(serverOfLine(line("127.0.0.1:8080"))).toBe("ws://127.0.0.1:8080/ws");
  expect(serverOfLine(line("localhost.example.org"))).toBe("wss://localhost.example.org/ws");
  expect(serverOfLine(line("relay.example.org"), true)).toBe("ws://relay.example.org/ws");
});

test.each([
  ["wss://relay.example.org/ws", "relay.example.org"],
  ["wss://relay.example.org:8443/ws", "relay.example.org:8443"],
  ["ws://localhost:8080/ws", "localhost:8080"],
  ["ws://[::1]:8080/ws", undefined],
  ["wss://example.org/relay/ws", undefined],
])("%s is %s in a line", (server, name) => {
  expect(relayInLine(server)).toBe(name);
});
