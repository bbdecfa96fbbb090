import type { GroupCrypto } from "../crypto/mls/group.ts";
import type { KeyPackagePair } from "../crypto/mls/seam.ts";
import { createDevice, type Identity, verifyCertificate } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import {
  equal,
  fromBase64,
  loginBytes,
  MOST_FRAME_BYTES,
  PROTOCOL_VERSION,
  registrationBytes,
  type RelayFrameData,
  relayName,
  toBase64,
  usernameKey,
} from "../protocol/index.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { hasLeft, rowById } from "../records/outbox-records.ts";
import { raiseAlert } from "../trust/alerts.ts";
import { APART_MS, span } from "../records/clock.ts";
import { type Connection, type Refusal, refused } from "../wire/connection.ts";
import { renewalIsDue } from "./key-stock.ts";
import { saveKeyPackages } from "../records/key-records.ts";
import { type Account, changeRelay, toDeviceRecord, updateRelay } from "../records/own-account.ts";
import { get, list, put } from "../records/records.ts";
import type { RelayRecord } from "../records/tables.ts";

/** So many travel with `register`, whose frame is small. */
const REGISTER_PACKAGES = 10;
/** With frames smaller than this no conversation could be opened; nothing is refused for such a limit. Bytes. */
const LEAST_FRAME = 16_384;

/** Makes the identity and its first device, and saves them: before anybody else hears of them. */
export async function createAccount(
  store: ClientStore,
  crypto: GroupCrypto,
  { username, server, insecure }: { username: string; server: URL; insecure: boolean },
): Promise<Account> {
  const identity: Identity = { username, ...(await crypto.generateKeys()) };
  const device = await createDevice(crypto, identity, 1, Date.now());
  const relay: RelayRecord = {
    server: server.href,
    insecure,
    registered: false,
    login_counter: 0,
    position: 0,
    clock_offset: 0,
    frame_bytes: 0,
  };
  await store.write(async (tx) => {
    await put(tx, "meta/identity", "", {
      username,
      private_key: toBase64(identity.privateKey),
      public_key: toBase64(identity.publicKey),
    });
    await put(tx, "meta/device", "", toDeviceRecord(device));
    await put(tx, "meta/relay", "", relay);
  });
  return { identity, device, relay, server: server.href };
}

/**
 * Registers the account's device, with a first stock of key packages. Repeating it is safe: the relay answers the same.
 * @returns why the relay refused, if it did
 * @throws AgentError relay_unreachable
 */
export async function registerDevice(
  store: ClientStore,
  crypto: GroupCrypto,
  account: Account,
  connection: Connection,
): Promise<Refusal | undefined> {
  const { identity, device } = account;
  const now = Date.now();
  // Others judge a lifetime by the relay's clock.
  const there = now + account.relay.clock_offset;
  const lastResort = await crypto.makeKeyPackage(device, there);
  const packages: KeyPackagePair[] = [];
  for (let index = 0; index < REGISTER_PACKAGES; index++) packages.push(await crypto.makeKeyPackage(device, there));
  await store.write(async (tx) => {
    await saveKeyPackages(tx, packages, { last_resort: false, created_at: now, made_at: there });
    await saveKeyPackages(tx, [lastResort], { last_resort: true, created_at: now, made_at: there });
  });
  const relay = relayName(new URL(account.server));
  const signature = await crypto.sign(
    device.privateKey,
    registrationBytes({
      relay,
      username: identity.username,
      identityKey: identity.publicKey,
      device: device.id,
      certificate: device.certificate,
      keyPackages: packages.map((pair) => pair.public),
      lastResort: lastResort.public,
    }),
  );
  const answer = await connection.ask("register", {
    username: identity.username,
    identity_key: toBase64(identity.publicKey),
    device: { id: device.id, key: toBase64(device.publicKey), certificate: toBase64(device.certificate) },
    key_packages: packages.map((pair) => toBase64(pair.public)),
    last_resort: toBase64(lastResort.public),
    relay,
    signature: toBase64(signature),
    ...(account.invite === undefined ? {} : { invite: account.invite }),
  });
  return "refusal" in answer ? answer.refusal : undefined;
}

/** How a login ended: we are in, or the relay knows more of what this device has done than its store. */
export type Login =
  | { kind: "in"; info: RelayFrameData<"info">; listening: RelayFrameData<"ack"> }
  | { kind: "old_copy" };

/**
 * Logs in and listens. The login counter is committed before it is used, so that the relay's being higher means that
 * this store is an old copy.
 * @throws AgentError refused, relay_unreachable, relay_protocol
 */
export async function login(
  store: ClientStore,
  crypto: GroupCrypto,
  account: Account,
  connection: Connection,
): Promise<Login> {
  const { identity, device } = account;
  const relay = relayName(new URL(account.server));
  const who = { username: usernameKey(identity.username), device: device.id, relay };
  const [info, { challenge, time }] = await Promise.all([
    readInfo(connection),
    askForChallenge(crypto, account, connection, who),
  ]);
  const offset = time - Date.now();
  account.relay = await store.write(async (tx) => {
    await warnOfClock(tx, offset);
    return changeRelay(tx, (record) => ({
      ...record,
      login_counter: record.login_counter + 1,
      clock_offset: offset,
      clock_since: isAsBefore(record, offset) ? record.clock_since : Date.now(),
      ...limitsOf(info),
    }));
  });
  const counter = account.relay.login_counter;
  const signature = await crypto.sign(device.privateKey, loginBytes({ ...who, counter, challenge }));
  // What is loaded is loaded while the relay's disk is at work.
  const [answer] = await Promise.all([
    connection.ask("authenticate", { ...who, counter, signature: toBase64(signature) }),
    crypto.prepare(),
  ]);
  if ("refusal" in answer) {
    if (answer.refusal.reason === "login_counter") return { kind: "old_copy" };
    throw await refusedLogin(crypto, account, answer.refusal);
  }
  const listened = await connection.ask("listen", {});
  if ("refusal" in listened) throw await refusedLogin(crypto, account, listened.refusal);
  if (listened.frame.type !== "ack")
    throw new AgentError("relay_protocol", `the relay answered listen with ${listened.frame.type}`);
  const listening = listened.frame.data;
  const log = listening.log_id ?? "";
  const last = listening.last_request;
  if (account.relay.log_id === log) {
    if (last !== undefined && !(await hasSent(store, last))) return { kind: "old_copy" };
    if (last !== undefined && last !== account.relay.last_taken)
      await updateRelay(store, (record) => ({ ...record, last_taken: last }));
    // No honest relay has given what we remember: mail that we have not seen waits below it.
    if (account.relay.position > (listening.last_seq ?? Infinity))
      account.relay = await updateRelay(store, (record) => ({ ...record, position: 0 }));
  } else {
    // It hands out key packages that are used.
    if (account.relay.log_id !== undefined) await store.write((tx) => renewalIsDue(tx, 0));
    account.relay = await updateRelay(store, (record) => ({ ...record, log_id: log, position: 0 }));
  }
  return { kind: "in", info, listening };
}

async function askForChallenge(
  crypto: GroupCrypto,
  account: Account,
  connection: Connection,
  who: { username: string; device: string; relay: string },
): Promise<RelayFrameData<"challenge">> {
  const answer = await connection.ask("authenticate", who);
  if ("refusal" in answer) throw await refusedLogin(crypto, account, answer.refusal);
  if (answer.frame.type === "challenge") return answer.frame.data;
  throw new AgentError("relay_protocol", `the relay answered authenticate with ${answer.frame.type}`);
}

/**
 * The error for a refused login. That another device has taken over ends this one for good, so the relay's word is not
 * enough: it shows the newer certificate, which only our own identity can have signed.
 */
async function refusedLogin(crypto: GroupCrypto, account: Account, refusal: Refusal): Promise<AgentError> {
  const { identity, device, relay, server } = account;
  if (refusal.reason === "invalid_credentials" && server !== relay.server)
    return refused({ ...refusal, hint: `this agent is registered at ${relay.server}: check -s or AIMESSAGE_SERVER` });
  if (refusal.reason === "invalid_credentials") {
    const again = `aimessage register -u ${identity.username} -s ${server}`;
    return refused({
      ...refusal,
      message: `${refusal.message}: it does not know ${identity.username} any more`,
      hint: `${again} registers it there again, with the same keys and contacts`,
    });
  }
  if (refusal.reason !== "device_replaced") return refused(refusal);
  const shown = refusal.certificate;
  const certificate = shown === undefined ? undefined : await verifyCertificate(crypto, fromBase64(shown));
  const proven =
    certificate !== undefined &&
    equal(certificate.identityKey, identity.publicKey) &&
    certificate.username === usernameKey(identity.username) &&
    certificate.counter > device.counter;
  if (proven) return deviceReplaced();
  return new AgentError("relay_protocol", "the relay says that this device was replaced, and cannot prove it", {
    hint: "ask the relay's operator; another device of yours would have signed that",
  });
}

/** Whether a login was refused since the relay knows nothing of this agent. */
export function isForgotten(error: unknown): boolean {
  return error instanceof AgentError && error.reason === "invalid_credentials";
}

/** The error of a device that is not the agent's any more, for another one has taken its place. */
export function deviceReplaced(): AgentError {
  return new AgentError("device_replaced", "another device has taken this agent over", {
    reason: "device_replaced",
    hint: "use the agent there, or register under another name here",
  });
}

/**
 * Whether this store knows the last request that the relay has taken from this device: if not, another copy of it has
 * sent that. The login counter alone does not tell a copy that was taken between two logins.
 */
function hasSent(store: ClientStore, id: string): Promise<boolean> {
  return store.read(async (tx) => {
    if (id === (await get(tx, "meta/relay"))?.last_taken) return true;
    // One that waits, for its files perhaps, has not been sent by this store, but by the one that it is a copy of.
    const row = await rowById(tx, id);
    if (row !== undefined && hasLeft(row)) return true;
    if (
      String((await tx.get("meta/dropped")) ?? "")
        .split(" ")
        .includes(id)
    )
      return true;
    return (await list(tx, "commit/")).some((commit) => commit.commit_id === id);
  });
}

/** What a relay takes, as it is remembered for whoever has something to send. */
export function limitsOf({
  limits,
  features,
}: RelayFrameData<"info">): Pick<RelayRecord, "frame_bytes" | "mailbox_age_ms" | "blob_bytes"> {
  const { frame_bytes, mailbox_age_ms, blob_bytes = 0 } = limits;
  return { frame_bytes, mailbox_age_ms, blob_bytes: features.includes("blobs") ? blob_bytes : 0 };
}

/** @throws AgentError relay_protocol if the relay speaks another version */
export async function readInfo(connection: Connection): Promise<RelayFrameData<"info">> {
  const info = await connection.request("info", {}, "info");
  if (info.protocol !== PROTOCOL_VERSION)
    throw new AgentError(
      "relay_protocol",
      `the relay speaks protocol ${info.protocol}, this agent ${PROTOCOL_VERSION}`,
      {
        reason: "protocol_version",
        hint: info.protocol > PROTOCOL_VERSION ? "update aimessage" : "ask the relay's operator to update it",
      },
    );
  if (info.limits.frame_bytes < LEAST_FRAME)
    throw new AgentError(
      "relay_protocol",
      `the relay says that it takes no more than ${info.limits.frame_bytes} bytes`,
      {
        hint: "ask the relay's operator",
      },
    );
  // Nobody takes larger ones, whatever their relay says.
  return { ...info, limits: { ...info.limits, frame_bytes: Math.min(info.limits.frame_bytes, MOST_FRAME_BYTES) } };
}

function isAsBefore(record: RelayRecord, offset: number): record is RelayRecord & { clock_since: number } {
  return record.clock_since !== undefined && Math.abs(offset - record.clock_offset) <= APART_MS;
}

/** One of two clocks that are far apart is wrong: expiry, and the lifetimes of keys, are judged by them. */
async function warnOfClock(tx: WriteTransaction, offset: number): Promise<void> {
  if (Math.abs(offset) <= APART_MS) return;
  const text = `the relay's clock is ${span(offset)} ${offset > 0 ? "ahead of" : "behind"} this machine's; one of them is wrong`;
  await raiseAlert(tx, Date.now(), { kind: "clock", text });
}
