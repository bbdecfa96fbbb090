import type { Device, Identity } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import { fromBase64, toBase64 } from "../protocol/index.ts";
import type { ClientStore, ReadTransaction, WriteTransaction } from "../store/store.ts";
import { checkFormat } from "./format.ts";
import { get, put } from "./records.ts";
import type { DeviceRecord, RelayRecord } from "./tables.ts";

/** The agent as its store has it. */
export interface Account {
  identity: Identity;
  device: Device;
  relay: RelayRecord;
  /** URL by which this process reaches the relay: the remembered one, unless it was given another. */
  server: string;
  /** The relay's invite, shown where this process registers a name that is new to it. */
  invite?: string | undefined;
}

/**
 * Reads the agent, or undefined if the store is new.
 * @throws AgentError store_newer
 */
export async function readAccount(tx: ReadTransaction): Promise<Account | undefined> {
  await checkFormat(tx);
  const identity = await get(tx, "meta/identity");
  const device = await get(tx, "meta/device");
  const relay = await get(tx, "meta/relay");
  if (identity === undefined || device === undefined || relay === undefined) return undefined;
  return {
    identity: {
      username: identity.username,
      privateKey: fromBase64(identity.private_key),
      publicKey: fromBase64(identity.public_key),
    },
    device: fromDeviceRecord(device),
    relay,
    server: relay.server,
  };
}

export function updateRelay(store: ClientStore, change: (record: RelayRecord) => RelayRecord): Promise<RelayRecord> {
  return store.write((tx) => changeRelay(tx, change));
}

export async function changeRelay(
  tx: WriteTransaction,
  change: (record: RelayRecord) => RelayRecord,
): Promise<RelayRecord> {
  const before = await get(tx, "meta/relay");
  if (before === undefined) throw new AgentError("not_registered", "the store has no agent");
  const after = change(before);
  await put(tx, "meta/relay", "", after);
  return after;
}

export function toDeviceRecord(device: Device): DeviceRecord {
  return {
    id: device.id,
    counter: device.counter,
    private_key: toBase64(device.privateKey),
    public_key: toBase64(device.publicKey),
    certificate: toBase64(device.certificate),
  };
}

function fromDeviceRecord(record: DeviceRecord): Device {
  return {
    id: record.id,
    counter: record.counter,
    privateKey: fromBase64(record.private_key),
    publicKey: fromBase64(record.public_key),
    certificate: fromBase64(record.certificate),
  };
}
