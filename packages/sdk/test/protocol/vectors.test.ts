/** The vectors for other languages, read by what is the same in every runtime: frames, names, lines, contents. */
import { describe, expect, test } from "vitest";
import { bytesOf, encoded, hexOf, type VectorField, vectorsWith } from "../../../../test/vectors.ts";
import { formatPairingLine, type PairingLine, readPairingLine, serverOfLine } from "../../src/agent/pairing-line.ts";
import { readReceipt } from "../../src/conversation/receipt.ts";
import {
  authenticatedData,
  type Content,
  decodeContent,
  encodeContent,
  frameId,
  isFrameIdOf,
  padme,
} from "../../src/crypto/content.ts";
import { fingerprint, parseFingerprint } from "../../src/crypto/identity.ts";
import { lineId, prove } from "../../src/crypto/pairing.ts";
import { GroupId } from "../../src/protocol/client-frames.ts";
import {
  decodeClientFrame,
  decodeRelayFrame,
  fingerprintBytes,
  fromBase64,
  Id,
  Invite,
  isBase64,
  lengthPrefixed,
  loginBytes,
  pairingBytes,
  pairingLineBytes,
  registrationBytes,
  relayName,
  toBase64,
  Username,
  usernameKey,
} from "../../src/protocol/index.ts";

interface Signed {
  fields: VectorField[];
  bytes: string;
}

describe("signed bytes", () => {
  test.each(vectorsWith<Signed>("signed", "bytes"))("$clause: $what", ({ fields, bytes }) => {
    expect(hexOf(encoded(fields))).toBe(bytes);
  });

  test("of texts, numbers, bytes and a list are ours, too", () => {
    const [{ bytes } = { bytes: "" }] = vectorsWith<Signed>("signed", "bytes");
    const ours = lengthPrefixed("caf\u{e9}", "", 1, 2 ** 53 - 1, Uint8Array.of(0, 255), lengthPrefixed("a", "bc"));
    expect(hexOf(ours)).toBe(bytes);
  });

  test.each(vectorsWith<Signed & { login: Parameters<typeof loginBytes>[0] }>("signed", "login"))(
    "$what",
    ({ login, bytes }) => {
      expect(hexOf(loginBytes(login))).toBe(bytes);
    },
  );

  interface Registration {
    username: string;
    identity_key: string;
    device: { id: string; certificate: string };
    key_packages: string[];
    last_resort: string;
    relay: string;
  }
  test.each(vectorsWith<Signed & { register: Registration }>("signed", "register"))("$what", ({ register, bytes }) => {
    const { relay, username, identity_key, device, key_packages, last_resort } = register;
    const [identityKey, certificate, lastResort] = [identity_key, device.certificate, last_resort].map(fromBase64);
    const keyPackages = key_packages.map(fromBase64);
    const keys = { identityKey: identityKey!, certificate: certificate!, keyPackages, lastResort: lastResort! };
    expect(hexOf(registrationBytes({ relay, username, device: device.id, ...keys }))).toBe(bytes);
  });

  type Message = Record<"message_id" | "from" | "from_device" | "to" | "to_device", string> & { expires_at?: number };
  test.each(vectorsWith<Signed & { message: Message }>("signed", "message"))("$what", ({ message, bytes }) => {
    const { message_id: messageId, from, from_device: fromDevice, to, to_device: toDevice, expires_at } = message;
    const data = authenticatedData({ messageId, from, fromDevice, to, toDevice, expiresAt: expires_at });
    expect(hexOf(data)).toBe(bytes);
  });
});

describe("a fingerprint", () => {
  interface Of {
    username: string;
    identity_key: string;
    fields: VectorField[];
    fingerprint: string;
  }
  test.each(vectorsWith<Of>("fingerprints", "username"))("of $what", async (vector) => {
    const key = bytesOf(vector.identity_key);
    expect(hexOf(fingerprintBytes(vector.username, key))).toBe(hexOf(encoded(vector.fields)));
    expect(await fingerprint(vector.username, key)).toBe(vector.fingerprint);
  });

  test.each(vectorsWith<{ typed: string; fingerprint?: string }>("fingerprints", "typed"))("$what", (vector) => {
    expect(parseFingerprint(vector.typed)).toBe(vector.fingerprint);
  });
});

describe("names", () => {
  test.each(vectorsWith<{ username: string; valid: boolean; key?: string }>("names", "username"))(
    "a username: $what",
    ({ username, valid, key }) => {
      expect(Username.safeParse(username).success).toBe(valid);
      if (key !== undefined) expect(usernameKey(username)).toBe(key);
    },
  );

  test.each(vectorsWith<{ id: string; valid: boolean }>("names", "id"))("an id: $what", ({ id, valid }) => {
    expect(Id.safeParse(id).success).toBe(valid);
  });

  test.each(vectorsWith<{ group_id: string; valid: boolean }>("names", "group_id"))("a group: $what", (vector) => {
    expect(GroupId.safeParse(vector.group_id).success).toBe(vector.valid);
  });

  test.each(vectorsWith<{ invite: string; valid: boolean }>("names", "invite"))("$what", ({ invite, valid }) => {
    expect(Invite.safeParse(invite).success).toBe(valid);
  });

  test.each(vectorsWith<{ base64: string; bytes?: string }>("names", "base64"))("base64: $what", (vector) => {
    expect(isBase64(vector.base64)).toBe(vector.bytes !== undefined);
    if (vector.bytes === undefined) return;
    expect(hexOf(fromBase64(vector.base64))).toBe(vector.bytes);
    expect(toBase64(bytesOf(vector.bytes))).toBe(vector.base64);
  });

  test.each(vectorsWith<{ url: string; relay: string }>("names", "url"))("a relay: $what", ({ url, relay }) => {
    expect(relayName(new URL(url))).toBe(relay);
  });
});

describe("a line", () => {
  test.each(vectorsWith<{ line: string; parts?: PairingLine; server?: string }>("lines", "line"))(
    "$what",
    ({ line, parts, server }) => {
      if (parts === undefined) return expect(() => readPairingLine(line)).toThrow("this is no line of an agent");
      expect(readPairingLine(line)).toEqual(parts);
      expect(readPairingLine(formatPairingLine(parts))).toEqual(parts);
      expect(serverOfLine(parts)).toBe(server);
    },
  );

  test.each(vectorsWith<{ id: string; code: string; fields: VectorField[] }>("lines", "id"))(
    "$what",
    async (vector) => {
      expect(hexOf(pairingLineBytes(vector.code))).toBe(hexOf(encoded(vector.fields)));
      expect(await lineId(vector.code)).toBe(vector.id);
    },
  );

  interface Side {
    username: string;
    identity_key: string;
  }
  const side = ({ username, identity_key }: Side) => ({ username, identityKey: bytesOf(identity_key) });
  interface Proof extends Signed {
    code: string;
    pairing: { relay: string; maker: Side; taker: Side; group: string };
    proof: string;
  }
  test.each(vectorsWith<Proof>("lines", "proof"))("$what", async ({ code, pairing, fields, bytes, proof }) => {
    const ours = pairingBytes({ ...pairing, maker: side(pairing.maker), taker: side(pairing.taker) });
    expect([hexOf(encoded(fields)), hexOf(ours)]).toEqual([bytes, bytes]);
    expect(toBase64(await prove(code, ours))).toBe(proof);
  });
});

describe("a content", () => {
  interface Plaintext {
    plaintext: string;
    header?: Content["header"];
    body?: string;
    files?: NonNullable<Content["files"]>;
  }
  test.each(vectorsWith<Plaintext>("contents", "plaintext"))("$what", ({ plaintext, header, body, files }) => {
    const read = decodeContent(bytesOf(plaintext));
    if (header === undefined || body === undefined) return expect(read).toBeUndefined();
    const content = { header, body: bytesOf(body), ...(files === undefined ? {} : { files }) };
    expect(read).toEqual(content);
    // Fields may be written in another order.
    const written = encodeContent(content);
    expect(decodeContent(written)).toEqual(read);
    expect(written.length).toBe(bytesOf(plaintext).length);
  });

  test.each(vectorsWith<{ sizes: [number, number][] }>("contents", "sizes"))("$what", ({ sizes }) => {
    for (const [length, size] of sizes) expect([length, padme(length)]).toEqual([length, size]);
  });

  test.each(vectorsWith<{ id: string; attempt: number; message_id: string }>("contents", "attempt"))(
    "$what: $message_id",
    ({ id, attempt, message_id }) => {
      expect(frameId(id, attempt)).toBe(message_id);
      expect(isFrameIdOf(message_id, id)).toBe(true);
    },
  );

  test.each(vectorsWith<{ receipt_body: string; receipt?: object }>("contents", "receipt_body"))(
    "$what",
    ({ receipt_body, receipt }) => {
      expect(readReceipt(new TextEncoder().encode(receipt_body))).toEqual(receipt);
    },
  );
});

describe("a frame", () => {
  interface ClientFrame {
    text: string;
    frame?: { type: string; id: string; data?: object };
    error?: { code: number; reason: string; reply_to?: string };
  }
  test.each(vectorsWith<ClientFrame>("client-frames", "text"))("of a client: $what", ({ text, frame, error }) => {
    const read = decodeClientFrame(text);
    if (frame !== undefined) expect(read).toEqual({ frame: { data: undefined, ...frame } });
    else expect(read).toMatchObject({ bad: { reason: error?.reason, id: error?.reply_to } });
  });

  interface RelayFrame {
    text: string;
    frame?: { type: string; reply_to?: string; data: object };
    reply_to?: string;
  }
  test.each(vectorsWith<RelayFrame>("relay-frames", "text"))("of a relay: $what", ({ text, frame, reply_to }) => {
    const read = decodeRelayFrame(text);
    if (frame === undefined) return expect(read).toEqual({ bad: { replyTo: reply_to } });
    expect(read).toEqual({ frame: { type: frame.type, replyTo: frame.reply_to, data: frame.data } });
  });
});
