/** Signed bytes, certificates, fingerprints, and what a relay says to registrations. */
import { encodeCertificate } from "../../packages/sdk/src/protocol/signing.ts";
import { toBase32 } from "../../packages/sdk/src/protocol/bytes.ts";
import { another, base64, device, DEVICE_ID, hex, identity, RELAY, sha256, signedFields, TIME } from "./vector.ts";
import type { TestKey, Vector } from "./vector.ts";

const CHALLENGE = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";
const KEY_PACKAGES = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6, 7)];
const LAST_RESORT = Uint8Array.of(8, 9);

/** Of a certificate, with whatever is changed in it. */
const bodyOf = (change: {
  context?: string;
  version?: number;
  username?: string | Uint8Array;
  id?: string;
  deviceKey?: Uint8Array;
  counter?: number | Uint8Array;
}) =>
  signedFields(
    change.context ?? "aimessage device certificate",
    change.version ?? 1,
    identity.publicKey,
    change.username ?? "alice",
    change.id ?? DEVICE_ID,
    change.deviceKey ?? device.publicKey,
    change.counter ?? 1,
    TIME,
  );

const certified = (body: Uint8Array, by: TestKey = identity): Uint8Array => signedFields(body, by.sign(body)).bytes;
const CERTIFICATE = certified(bodyOf({}).bytes);

/** A registration, signed as it stands, whatever is changed in it. */
function registered(
  change: { relay?: string; username?: string; identityKey?: TestKey; id?: string; key?: TestKey; by?: TestKey } = {},
) {
  const { relay = RELAY, username = "Alice", identityKey = identity, id = DEVICE_ID, key = device, by = key } = change;
  const { fields, bytes } = signedFields(
    "aimessage register 1",
    relay,
    username.toLowerCase(),
    identityKey.publicKey,
    id,
    CERTIFICATE,
    KEY_PACKAGES,
    LAST_RESORT,
  );
  const data = {
    username,
    identity_key: base64(identityKey.publicKey),
    device: { id, key: base64(key.publicKey), certificate: base64(CERTIFICATE) },
    key_packages: KEY_PACKAGES.map(base64),
    last_resort: base64(LAST_RESORT),
    relay,
    signature: base64(by.sign(bytes)),
  };
  return { fields, bytes, data };
}

export function signedVectors(): Vector[] {
  const texts = signedFields("caf\u{e9}", "", 1, 2 ** 53 - 1, Uint8Array.of(0, 255), ["a", "bc"]);
  const login = { relay: `${RELAY}:8443`, username: "Alice", device: DEVICE_ID, counter: 7, challenge: CHALLENGE };
  const loggedIn = signedFields("aimessage login 1", login.relay, "alice", login.device, login.counter, CHALLENGE);
  const message = { message_id: "m-1--1", from: "Alice", from_device: DEVICE_ID, to: "BOB", to_device: "device-2" };
  const bound = (expires: number) =>
    signedFields("aimessage message 1", message.message_id, "alice", DEVICE_ID, "bob", message.to_device, expires);
  const registration = registered();
  return [
    {
      clause: "P-2.6",
      what: "texts, numbers, bytes, and a list as one field",
      fields: texts.fields,
      bytes: hex(texts.bytes),
    },
    {
      clause: "P-4.3",
      what: "a login: the relay's name has the port that is not the scheme's own",
      login,
      fields: loggedIn.fields,
      bytes: hex(loggedIn.bytes),
      key: hex(device.publicKey),
      signature: hex(device.sign(loggedIn.bytes)),
    },
    {
      clause: "P-3.3",
      what: "a registration",
      register: registration.data,
      fields: registration.fields,
      bytes: hex(registration.bytes),
      key: hex(device.publicKey),
      signature: hex(device.sign(registration.bytes)),
    },
    ...[TIME, 0].map((expires) => ({
      clause: "P-9.6",
      what: `the authenticated data of a message that ${expires === 0 ? "does not expire" : "expires"}`,
      message: { ...message, ...(expires === 0 ? {} : { expires_at: expires }) },
      fields: bound(expires).fields,
      bytes: hex(bound(expires).bytes),
    })),
  ];
}

const sent = (data: object) => ({ type: "register", id: "1", timestamp: TIME / 1000, data });

export function registrationVectors(): Vector[] {
  const { data } = registered();
  const refused = (what: string, changed: object, reason = "invalid_certificate"): Vector => ({
    clause: "P-3.3",
    what,
    relay: RELAY,
    frame: sent(changed),
    answer: { type: "error", code: reason === "wrong_relay_name" ? 401 : 400, reason },
  });
  return [
    {
      clause: "P-3.3",
      what: "a new name",
      relay: RELAY,
      frame: sent(data),
      answer: { type: "registered", username: "Alice", device: DEVICE_ID },
    },
    refused("the identity key has signed what the device key should have", registered({ by: identity }).data),
    refused("another name than the certificate's", registered({ username: "Alicf" }).data),
    refused("a key package that was not signed", { ...data, key_packages: [base64(KEY_PACKAGES[0]!)] }),
    refused("another identity than the certificate's", registered({ identityKey: another }).data),
    refused("another device id than the certificate's", registered({ id: "device-2" }).data),
    refused("another device key than the certificate's", registered({ key: another }).data),
    refused("a certificate that another identity has signed", {
      ...data,
      device: { ...data.device, certificate: base64(certified(bodyOf({}).bytes, another)) },
    }),
    refused("a frame for another relay", registered({ relay: "relay.example.com" }).data, "wrong_relay_name"),
  ];
}

const wrong = (what: string, bytes: Uint8Array): Vector => ({
  clause: "P-3.3",
  what,
  bytes: hex(bytes),
  valid: false,
});

export function certificateVectors(): Vector[] {
  const good = bodyOf({ counter: 3 });
  const signature = identity.sign(good.bytes);
  const bytes = encodeCertificate(
    {
      identityKey: identity.publicKey,
      username: "Alice",
      deviceId: DEVICE_ID,
      deviceKey: device.publicKey,
      counter: 3,
      issuedAt: TIME,
    },
    signature,
  );
  const changed = (what: string, change: Parameters<typeof bodyOf>[0]) => wrong(what, certified(bodyOf(change).bytes));
  return [
    {
      clause: "P-3.3",
      what: "a certificate of Alice's device; her name is signed in lower case",
      certificate: {
        identity_key: hex(identity.publicKey),
        username: "alice",
        device_id: DEVICE_ID,
        device_key: hex(device.publicKey),
        counter: 3,
        issued_at: TIME,
      },
      fields: good.fields,
      body: hex(good.bytes),
      signature: hex(signature),
      bytes: hex(bytes),
      valid: true,
    },
    wrong("signed by another identity", certified(good.bytes, another)),
    wrong("signed by the device", certified(good.bytes, device)),
    wrong("a signature of 63 bytes", signedFields(good.bytes, signature.subarray(1)).bytes),
    wrong("a field behind the signature", signedFields(good.bytes, signature, "more").bytes),
    wrong("a byte behind it", Buffer.concat([bytes, Buffer.of(0)])),
    wrong("cut off", bytes.subarray(0, -1)),
    wrong("empty", new Uint8Array()),
    changed("another text at its beginning", { context: "aimessage device certificat" }),
    changed("version 2", { version: 2 }),
    changed("a name with a capital, though well signed", { username: "Alice" }),
    changed("a name that is none", { username: "al" }),
    changed("a name that is no UTF-8", { username: Uint8Array.of(0x61, 0x62, 0xc3) }),
    changed("a device id that is none", { id: "device.1" }),
    changed("a device key of 31 bytes", { deviceKey: device.publicKey.subarray(1) }),
    changed("a counter of 2^53", { counter: Uint8Array.of(0, 32, 0, 0, 0, 0, 0, 0) }),
    changed("a counter of 4 bytes", { counter: Uint8Array.of(0, 0, 0, 1) }),
  ];
}

const fingerprintOf = (username: string, key: TestKey) => {
  const { fields, bytes } = signedFields("aimessage fingerprint 1", username.toLowerCase(), key.publicKey);
  return { username, identity_key: hex(key.publicKey), fields, fingerprint: toBase32(sha256(bytes)) };
};

export function fingerprintVectors(): Vector[] {
  const { fingerprint } = fingerprintOf("alice", identity);
  const inFours = fingerprint.match(/.{4}/g) ?? [];
  const typed = (what: string, text: string, isOne: boolean): Vector => ({
    clause: "P-9.12",
    what,
    typed: text,
    ...(isOne ? { fingerprint } : { valid: false }),
  });
  return [
    { clause: "P-9.12", what: "a name and its identity key", ...fingerprintOf("alice", identity) },
    { clause: "P-9.12", what: "the same with capitals", ...fingerprintOf("ALICE", identity) },
    { clause: "P-9.12", what: "another key", ...fingerprintOf("alice", another) },
    { clause: "P-9.12", what: "another name", ...fingerprintOf("alicf", identity) },
    typed("as people read it", inFours.join(" "), true),
    typed("as people may type it", `  ${inFours.join("-").toLowerCase()}\n`, true),
    typed("the last character is missing", fingerprint.slice(0, -1), false),
    typed("one character too many", `${fingerprint}A`, false),
    typed("1 is no character of base32", `1${fingerprint.slice(1)}`, false),
    typed("padding", `${fingerprint}====`, false),
  ];
}
