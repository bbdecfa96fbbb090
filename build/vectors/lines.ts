/** Lines by which agents find each other, what names them, and proofs of their codes. */
import { createHmac } from "node:crypto";
import { another, base64, GROUP, hex, identity, RELAY, sha256, signedFields, type Vector } from "./vector.ts";

const CODE = "MFRGGZDFMZTWQ2LKNNWG23TPOA";
const FINGERPRINT = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST";

export function lineVectors(): Vector[] {
  const clause = "P-9.15";
  const read = (what: string, line: string, parts: object, server: string): Vector => ({
    clause,
    what,
    line,
    valid: true,
    parts,
    server,
  });
  const wrong = (what: string, line: string): Vector => ({ clause, what, line, valid: false });
  const card = { username: "Bob", relay: RELAY, fingerprint: FINGERPRINT };
  const text = `aimessage:Bob@${RELAY}#${FINGERPRINT}`;
  const named = signedFields("aimessage pairing line 1", CODE);
  const pairing = {
    relay: RELAY,
    maker: { username: "Bob", identity_key: hex(another.publicKey) },
    taker: { username: "Alice", identity_key: hex(identity.publicKey) },
    group: GROUP,
  };
  const proven = signedFields(
    "aimessage pairing 1",
    RELAY,
    "bob",
    another.publicKey,
    "alice",
    identity.publicKey,
    GROUP,
  );
  const proof = createHmac("sha256", CODE).update(proven.bytes).digest();
  return [
    read("a card", text, card, "wss://relay.example.org/ws"),
    read("a pairing line", `${text}/${CODE}`, { ...card, code: CODE }, "wss://relay.example.org/ws"),
    read(
      "one with an invite",
      `${text}/${CODE}/x_-9`,
      { ...card, code: CODE, invite: "x_-9" },
      "wss://relay.example.org/ws",
    ),
    read(
      "a loopback host is reached by ws",
      `aimessage:b_-9@localhost:8080#${FINGERPRINT}`,
      { username: "b_-9", relay: "localhost:8080", fingerprint: FINGERPRINT },
      "ws://localhost:8080/ws",
    ),
    read(
      "no case counts but that of the name and the invite",
      `AIMESSAGE:Bob@Relay.Example.ORG#${FINGERPRINT.toLowerCase()}/${CODE.toLowerCase()}/aB`,
      { ...card, code: CODE, invite: "aB" },
      "wss://relay.example.org/ws",
    ),
    read(
      "no white space counts",
      `  ${text.slice(0, 30)}\r\n\t${text.slice(30)} \n`,
      card,
      "wss://relay.example.org/ws",
    ),
    wrong("no fingerprint", `aimessage:bob@${RELAY}`),
    wrong("no relay", `aimessage:bob#${FINGERPRINT}`),
    wrong("a fingerprint of 51 characters", text.slice(0, -1)),
    wrong("a character that base32 has not", `${text.slice(0, -1)}1`),
    wrong("an empty code", `${text}/`),
    wrong("a code of 25 characters", `${text}/${CODE.slice(1)}`),
    wrong("an empty invite", `${text}/${CODE}/`),
    wrong("an invite with a dot", `${text}/${CODE}/a.b`),
    wrong("more than an invite", `${text}/${CODE}/a/b`),
    wrong("a name of two characters", `aimessage:bo@${RELAY}#${FINGERPRINT}`),
    wrong("a port that there is not", `aimessage:bob@${RELAY}:99999#${FINGERPRINT}`),
    wrong("a path", `aimessage:bob@${RELAY}/ws#${FINGERPRINT}`),
    wrong("brackets", `aimessage:bob@[::1]:8080#${FINGERPRINT}`),
    wrong("something before it", `see ${text}`),
    {
      clause,
      what: "what names a line without its code",
      code: CODE,
      fields: named.fields,
      id: hex(sha256(named.bytes)).slice(0, 32),
    },
    {
      clause,
      what: "a proof that the code is known",
      code: CODE,
      pairing,
      fields: proven.fields,
      bytes: hex(proven.bytes),
      proof: base64(proof),
    },
  ];
}
