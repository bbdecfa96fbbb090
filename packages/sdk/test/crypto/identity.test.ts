import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import {
  createDevice,
  type Device,
  fingerprint,
  formatFingerprint,
  type Identity,
  looksLike,
  parseFingerprint,
  verifyCertificate,
} from "../../src/crypto/identity.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import {
  certificateBody,
  type DeviceCertificate,
  encodeCertificate,
  lengthPrefixed,
} from "../../src/protocol/index.ts";

let crypto: GroupCrypto;
let identity: Identity;
let device: Device;
beforeAll(async () => {
  crypto = await GroupCrypto.load(nodeCryptoProvider);
  identity = { username: "Alice", ...(await crypto.generateKeys()) };
  device = await createDevice(crypto, identity, 3, 1_700_000_000_000);
});

describe("a device certificate", () => {
  it("says what it certifies, the username in lower case", async () => {
    expect(await verifyCertificate(crypto, device.certificate)).toEqual({
      identityKey: identity.publicKey,
      username: "alice",
      deviceId: device.id,
      deviceKey: device.publicKey,
      counter: 3,
      issuedAt: 1_700_000_000_000,
    });
  });

  it("is refused when any byte was changed, or bytes are missing or added", async () => {
    const { certificate } = device;
    for (let at = 0; at < certificate.length; at++) {
      const changed = certificate.slice();
      changed[at]! ^= 1;
      expect(await verifyCertificate(crypto, changed)).toBeUndefined();
      expect(await verifyCertificate(crypto, certificate.slice(0, at))).toBeUndefined();
    }
    expect(await verifyCertificate(crypto, Uint8Array.of(...certificate, 0))).toBeUndefined();
    expect(await verifyCertificate(crypto, Uint8Array.of(...certificate, ...lengthPrefixed("more")))).toBeUndefined();
  });

  it("is refused when another key signed it, the device's own included", async () => {
    const fields = (await verifyCertificate(crypto, device.certificate)) as DeviceCertificate;
    const body = certificateBody(fields);
    for (const key of [device.privateKey, (await crypto.generateKeys()).privateKey])
      expect(await verifyCertificate(crypto, encodeCertificate(fields, await crypto.sign(key, body)))).toBeUndefined();
  });

  it.each([
    ["username", "no spaces"],
    ["username", "al"],
    ["deviceId", ""],
    ["deviceId", "a".repeat(65)],
    ["deviceKey", new Uint8Array(31)],
    ["identityKey", new Uint8Array(33)],
  ])("is refused when its %s is malformed (%#), though well signed", async (field, value) => {
    const fields = (await verifyCertificate(crypto, device.certificate)) as DeviceCertificate;
    expect(await verifyCertificate(crypto, await signed({ ...fields, [field]: value }))).toBeUndefined();
  });

  it("is refused with upper case in its username, though well signed", async () => {
    const fields = (await verifyCertificate(crypto, device.certificate)) as DeviceCertificate;
    const body = lengthPrefixed(
      "aimessage device certificate",
      1,
      fields.identityKey,
      "Alice",
      fields.deviceId,
      fields.deviceKey,
      fields.counter,
      fields.issuedAt,
    );
    const certificate = lengthPrefixed(body, await crypto.sign(identity.privateKey, body));
    expect(await verifyCertificate(crypto, certificate)).toBeUndefined();
  });

  it("of one device never equals that of the next", async () => {
    const next = await createDevice(crypto, identity, 4, 1_700_000_000_000);
    expect(next.id).not.toBe(device.id);
    expect(next.publicKey).not.toEqual(device.publicKey);
  });
});

describe("a fingerprint", () => {
  it("has all 256 bits in 52 characters, and does not mind the case of the username", async () => {
    const plain = await fingerprint("Alice", identity.publicKey);
    expect(plain).toMatch(/^[A-Z2-7]{52}$/);
    expect(await fingerprint("aLICE", identity.publicKey)).toBe(plain);
    expect(await fingerprint("alic3", identity.publicKey)).not.toBe(plain);
    expect(await fingerprint("alice", device.publicKey)).not.toBe(plain);
  });

  it("is the base32 of SHA-256 over context, username and key", async () => {
    const digest = createHash("sha256")
      .update(lengthPrefixed("aimessage fingerprint 1", "alice", identity.publicKey))
      .digest();
    const bits = [...digest].map((byte) => byte.toString(2).padStart(8, "0")).join("");
    const text = bits
      .match(/.{1,5}/g)!
      .map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(five.padEnd(5, "0"), 2)]);
    expect(await fingerprint("alice", identity.publicKey)).toBe(text.join(""));
  });

  it("is shown in thirteen groups of four, and read as people type it", async () => {
    const plain = await fingerprint("alice", identity.publicKey);
    const shown = formatFingerprint(plain);
    expect(shown).toMatch(/^([A-Z2-7]{4} ){12}[A-Z2-7]{4}$/);
    for (const typed of [plain, shown, shown.toLowerCase(), shown.replaceAll(" ", "-"), ` ${shown}\n`])
      expect(parseFingerprint(typed)).toBe(plain);
    for (const wrong of ["", plain.slice(1), `${plain}A`, `${plain.slice(1)}1`, `${plain.slice(1)}8`, "alice"])
      expect(parseFingerprint(wrong)).toBeUndefined();
  });
});

describe("usernames that could be taken for one another", () => {
  it.each([
    ["paypal", "paypa1"],
    ["alice", "aIice"],
    ["b0b-bot", "bob_bot"],
    ["modern", "modem"],
    ["ILL", "1l1"],
    ["vvorker", "worker"],
    ["clave", "dave"],
    ["c1ave", "Dave"],
    ["rnallory", "mallory"],
    ["agent-1", "agent1"],
    ["agent_1", "agent-l"],
    ["-bob_", "bob"],
    ["b_o-b", "BOB"],
    ["5ales", "sales"],
    ["dev-2", "devz"],
    ["8ob", "bob"],
    ["que", "gue"],
    ["winclovv", "vvinDow"],
  ])("%s and %s", (a, b) => {
    expect(looksLike(a, b)).toBe(true);
    expect(looksLike(b, a)).toBe(true);
  });

  it.each([
    ["alice", "ALICE"],
    ["alice", "alicia"],
    ["bob", "rob"],
    ["agent-1", "agent-2"],
    ["agent1", "agent11"],
    ["worker", "vorker"],
  ])("but not %s and %s", (a, b) => {
    expect(looksLike(a, b)).toBe(false);
  });
});

async function signed(fields: DeviceCertificate): Promise<Uint8Array> {
  return encodeCertificate(fields, await crypto.sign(identity.privateKey, certificateBody(fields)));
}
