import { fromUint64, fromUtf8, lengthPrefixed, splitLengthPrefixed } from "./bytes.ts";
import { Id, Username } from "./names.ts";
import { usernameKey } from "./username-key.ts";

/** Verifies an Ed25519 signature (RFC 8032). The relay and every client bring their own. */
export type VerifySignature = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean | Promise<boolean>;

/**
 * What the identity key says about a device: "this device key speaks for this username". Carried by `register`, `agent`,
 * `keys` and as the MLS credential of the device's leaf.
 */
export interface DeviceCertificate {
  /** Ed25519 public key of 32 bytes. */
  identityKey: Uint8Array;
  /** Lower case. */
  username: string;
  deviceId: string;
  /** Ed25519 public key of 32 bytes; also the signature key of the device's MLS leaves. */
  deviceKey: Uint8Array;
  /** Rises by one with each new device of an identity; contacts refuse a lower one. */
  counter: number;
  /** Unix milliseconds. */
  issuedAt: number;
}

const CERTIFICATE_CONTEXT = "aimessage device certificate";
const CERTIFICATE_VERSION = 1;

/** The bytes that the identity key signs. */
export function certificateBody(certificate: DeviceCertificate): Uint8Array {
  return lengthPrefixed(
    CERTIFICATE_CONTEXT,
    CERTIFICATE_VERSION,
    certificate.identityKey,
    usernameKey(certificate.username),
    certificate.deviceId,
    certificate.deviceKey,
    certificate.counter,
    certificate.issuedAt,
  );
}

/** A certificate as it travels: its body and the identity key's signature, length-prefixed. */
export function encodeCertificate(certificate: DeviceCertificate, signature: Uint8Array): Uint8Array {
  return lengthPrefixed(certificateBody(certificate), signature);
}

/** Parses and verifies a certificate; undefined if it is malformed or its signature is wrong. Says nothing about trust. */
export async function readCertificate(
  bytes: Uint8Array,
  verify: VerifySignature,
): Promise<DeviceCertificate | undefined> {
  const [body, signature, ...rest] = splitLengthPrefixed(bytes) ?? [];
  if (body === undefined || signature?.length !== 64 || rest.length > 0) return undefined;
  const certificate = parseBody(body);
  if (certificate === undefined) return undefined;
  return (await verify(certificate.identityKey, body, signature)) ? certificate : undefined;
}

function parseBody(body: Uint8Array): DeviceCertificate | undefined {
  const fields = splitLengthPrefixed(body);
  if (fields?.length !== 8) return undefined;
  const [context, version, identityKey, name, device, deviceKey, counter, issued] = fields as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const username = fromUtf8(name);
  const deviceId = fromUtf8(device);
  const count = fromUint64(counter);
  const issuedAt = fromUint64(issued);
  if (fromUtf8(context) !== CERTIFICATE_CONTEXT || fromUint64(version) !== CERTIFICATE_VERSION) return undefined;
  if (identityKey.length !== 32 || deviceKey.length !== 32 || count === undefined || issuedAt === undefined)
    return undefined;
  if (!Username.safeParse(username).success || !Id.safeParse(deviceId).success) return undefined;
  if (username === undefined || deviceId === undefined || username !== usernameKey(username)) return undefined;
  return { identityKey, username, deviceId, deviceKey, counter: count, issuedAt };
}

/** The bytes that the device key signs to log in. */
export function loginBytes(login: {
  relay: string;
  username: string;
  device: string;
  counter: number;
  challenge: string;
}): Uint8Array {
  return lengthPrefixed(
    "aimessage login 1",
    login.relay,
    usernameKey(login.username),
    login.device,
    login.counter,
    login.challenge,
  );
}

/** The bytes that the device key signs to register: everything in the frame, so that a relay cannot mix two of them. */
export function registrationBytes(registration: {
  relay: string;
  username: string;
  identityKey: Uint8Array;
  device: string;
  certificate: Uint8Array;
  keyPackages: Uint8Array[];
  lastResort: Uint8Array;
}): Uint8Array {
  return lengthPrefixed(
    "aimessage register 1",
    registration.relay,
    usernameKey(registration.username),
    registration.identityKey,
    registration.device,
    registration.certificate,
    lengthPrefixed(...registration.keyPackages),
    registration.lastResort,
  );
}

/** One of two that pair. */
interface Side {
  username: string;
  identityKey: Uint8Array;
}

/**
 * The bytes whose HMAC under the code of a pairing line proves that its sender has that, and to whom it says so in which conversation:
 * `maker` has made the line, `taker` has read it. Nobody in between can use it for another identity, relay or group. [P-9.15]
 */
export function pairingBytes(pairing: { relay: string; maker: Side; taker: Side; group: string }): Uint8Array {
  const { relay, maker, taker, group } = pairing;
  return lengthPrefixed(
    "aimessage pairing 1",
    relay,
    usernameKey(maker.username),
    maker.identityKey,
    usernameKey(taker.username),
    taker.identityKey,
    group,
  );
}

/** The bytes whose SHA-256 names a pairing line without saying its code. */
export function pairingLineBytes(code: string): Uint8Array {
  return lengthPrefixed("aimessage pairing line 1", code);
}

/** The bytes whose SHA-256 is the fingerprint of an identity. */
export function fingerprintBytes(username: string, identityKey: Uint8Array): Uint8Array {
  return lengthPrefixed("aimessage fingerprint 1", usernameKey(username), identityKey);
}
