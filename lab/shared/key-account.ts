import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { certificateBody, encodeCertificate, loginBytes, registrationBytes, toBase64 } from "@aimessage/sdk/protocol";
import type { LoadSocket } from "./load-socket.ts";

/** A key account as its device holds it. */
export interface KeyAccount {
  username: string;
  deviceKey: KeyObject;
  logins: number;
}

const DEVICE = "bench";

/** Registers a key account whose key packages are random bytes. */
export async function registerKey(socket: LoadSocket, relay: string, username: string): Promise<KeyAccount> {
  const identity = newKey();
  const device = newKey();
  const body = {
    identityKey: identity.bytes,
    username,
    deviceId: DEVICE,
    deviceKey: device.bytes,
    counter: 1,
    issuedAt: Date.now(),
  };
  const certificate = encodeCertificate(body, sign(null, certificateBody(body), identity.secret));
  const lastResort = randomBytes(64);
  const signed = registrationBytes({
    relay,
    username,
    identityKey: identity.bytes,
    device: DEVICE,
    certificate,
    keyPackages: [],
    lastResort,
  });
  const { type, data } = await socket.ask({
    type: "register",
    id: "1",
    data: {
      username,
      identity_key: toBase64(identity.bytes),
      device: { id: DEVICE, key: toBase64(device.bytes), certificate: toBase64(certificate) },
      key_packages: [],
      last_resort: toBase64(lastResort),
      relay,
      signature: toBase64(sign(null, signed, device.secret)),
    },
  });
  if (type !== "registered") throw new Error(`${username} cannot register: ${data.message}`);
  return { username, deviceKey: device.secret, logins: 0 };
}

/** Logs in by the device key's signature. */
export async function loginKey(socket: LoadSocket, relay: string, account: KeyAccount): Promise<void> {
  const { username } = account;
  const { data } = await socket.ask({ type: "authenticate", id: "2", data: { username, device: DEVICE, relay } });
  const counter = ++account.logins;
  const bytes = loginBytes({ relay, username, device: DEVICE, counter, challenge: data.challenge });
  const signature = toBase64(sign(null, bytes, account.deviceKey));
  const answer = await socket.ask({
    type: "authenticate",
    id: "3",
    data: { username, device: DEVICE, relay, counter, signature },
  });
  if (answer.data.status !== "authenticated") throw new Error(`${username} cannot log in: ${answer.data.message}`);
}

function newKey(): { secret: KeyObject; bytes: Uint8Array } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { secret: privateKey, bytes: publicKey.export({ format: "der", type: "spki" }).subarray(-32) };
}
