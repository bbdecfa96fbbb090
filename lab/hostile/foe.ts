import { setTimeout as delay } from "node:timers/promises";
import { createDevice, type Device, type Identity } from "../../packages/sdk/src/crypto/identity.ts";
import { GroupCrypto } from "../../packages/sdk/src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../packages/sdk/src/node/provider.ts";
import { loginBytes, registrationBytes, toBase64 } from "../../packages/sdk/src/protocol/index.ts";
import { LoadSocket } from "../shared/load-socket.ts";
import { textFrame } from "../shared/websocket.ts";

/** A relay, and agents at it, to attack. */
export interface Target {
  port: number;
  /** Honest agents that are online, and one that need not be. */
  victims: string[];
  sleeper: string;
  /** Accounts of one attack, at most; each attack has a number that it takes otherwise. */
  accounts?: number;
}

/** One way to do harm, as fast as the target lets it, until the signal. */
export type Attack = (target: Target, signal: AbortSignal) => Promise<void>;

/** Answers that may be outstanding on one connection of an attack. */
const WINDOW = 8;
const PAUSE_MS = 200;
/** Where an id is to be written: no base64 and no hex has such a text in it. */
const ANY_ID = "########";

/** Deeds of this process's attacks so far. */
export const counts = { accounts: 0, connections: 0, requests: 0 };

export const crypto = await GroupCrypto.load(nodeCryptoProvider);

/** A key account that is registered like any other, and does not keep to anything else. */
export interface Foe {
  username: string;
  device: Device;
  logins: number;
}

/**
 * Registers as many accounts as an attack wants, from the given loopback addresses in turn, and has each of them do its work
 * again whenever that ends or fails, on a fresh connection that is logged in, until the signal.
 */
export async function besiege(
  target: Target,
  { name, accounts, from }: { name: string; accounts: number; from: string[] },
  signal: AbortSignal,
  work: (socket: LoadSocket, foe: Foe, index: number) => Promise<void>,
): Promise<void> {
  const all = Array.from({ length: Math.min(accounts, target.accounts ?? accounts) }, async (_, index) => {
    const own = from[index % from.length] as string;
    let foe: Foe | undefined;
    let socket: LoadSocket | undefined;
    // A request waits for its answer no longer than the attack lasts.
    signal.addEventListener("abort", () => socket?.drop(), { once: true });
    await persist(signal, async () => {
      socket = await LoadSocket.open(target.port, own);
      try {
        signal.throwIfAborted();
        foe ??= await enlist(target, socket, `${name}-${index}`, signal);
        await login(target, socket, foe);
        await work(socket, foe, index);
      } finally {
        await socket.close();
      }
    });
  });
  await Promise.all(all);
}

/** Registers an account. Waits while the relay takes no more of that address. */
async function enlist(target: Target, socket: LoadSocket, username: string, signal: AbortSignal): Promise<Foe> {
  const identity: Identity = { username, ...(await crypto.generateKeys()) };
  const device = await createDevice(crypto, identity, 1, Date.now());
  const lastResort = (await crypto.makeKeyPackage(device, Date.now())).public;
  const relay = `127.0.0.1:${target.port}`;
  const signed = registrationBytes({
    relay,
    username,
    identityKey: identity.publicKey,
    device: device.id,
    certificate: device.certificate,
    keyPackages: [],
    lastResort,
  });
  const data = {
    username,
    identity_key: toBase64(identity.publicKey),
    device: { id: device.id, key: toBase64(device.publicKey), certificate: toBase64(device.certificate) },
    key_packages: [],
    last_resort: toBase64(lastResort),
    relay,
    signature: toBase64(await crypto.sign(device.privateKey, signed)),
  };
  const answer = await insist(socket, { type: "register", id: "1", data }, signal);
  if (answer.type !== "registered") throw new Error(`${username}: ${answer.data.message}`);
  counts.accounts += 1;
  return { username, device, logins: 0 };
}

async function login(target: Target, socket: LoadSocket, foe: Foe): Promise<void> {
  const { username, device } = foe;
  const relay = `127.0.0.1:${target.port}`;
  counts.connections += 1;
  const { data } = await socket.ask({ type: "authenticate", id: "2", data: { username, device: device.id, relay } });
  const counter = ++foe.logins;
  const bytes = loginBytes({ relay, username, device: device.id, counter, challenge: data.challenge });
  const signature = toBase64(await crypto.sign(device.privateKey, bytes));
  const answer = await socket.ask({
    type: "authenticate",
    id: "3",
    data: { username, device: device.id, relay, counter, signature },
  });
  if (answer.data.status !== "authenticated") throw new Error(`${username}: ${answer.data.message}`);
}

/** Sends one request, and again whenever the relay says that it comes too early, until the signal. */
export async function insist(socket: LoadSocket, value: object, signal: AbortSignal) {
  for (;;) {
    const answer = await socket.ask(value);
    counts.requests += 1;
    if (answer.data?.reason !== "rate_limited") return answer;
    await delay(PAUSE_MS);
    signal.throwIfAborted();
  }
}

/**
 * Writes frames as fast as they are answered, with a few outstanding, until the signal, the end of the frames, or that of
 * the connection.
 */
export async function pour(socket: LoadSocket, frames: Iterator<Buffer>, signal: AbortSignal): Promise<void> {
  let outstanding = 0;
  let proceed: (() => void) | undefined;
  const stop = () => proceed?.();
  socket.onText = () => {
    outstanding -= 1;
    proceed?.();
  };
  socket.onClose = stop;
  signal.addEventListener("abort", stop, { once: true });
  while (!signal.aborted && !socket.closed) {
    if (outstanding < WINDOW) {
      const { value, done } = frames.next();
      if (done === true) break;
      outstanding += 1;
      counts.requests += 1;
      socket.write(value);
      // One turn of the event loop at least: the attacker is no more than one client.
      if (outstanding < WINDOW) continue;
    }
    await new Promise<void>((resolve) => (proceed = resolve));
  }
  signal.removeEventListener("abort", stop);
  socket.onClose = () => {};
}

/** Does the work again whenever it ends or fails, until the signal. */
export async function persist(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work().catch(() => {});
    await delay(PAUSE_MS);
  }
}

/** One frame without end. */
export function* again(frame: Buffer): Generator<Buffer, never> {
  for (;;) yield frame;
}

/** Frames without end, each with another id: one that is written once, and copied, so that the attacker's own work is little. */
export function* frames(make: (id: string) => unknown): Generator<Buffer, never> {
  const pattern = textFrame(JSON.stringify(make(ANY_ID)));
  const places: number[] = [];
  for (let at = pattern.indexOf(ANY_ID); at >= 0; at = pattern.indexOf(ANY_ID, at + 1)) places.push(at);
  for (let count = 0; ; count++) {
    const frame = Buffer.from(pattern);
    for (const at of places) frame.write(String(count).padStart(ANY_ID.length, "0"), at);
    yield frame;
  }
}

/** The victims in turn. */
export function victimOf({ victims }: Target, index: number): string {
  return victims[index % victims.length] as string;
}
