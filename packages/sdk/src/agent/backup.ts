/** What makes an agent itself: its identity, and whom it has pinned. Never a device's keys, and never a ratchet. */
import type { CryptoProvider } from "../crypto/primitives.ts";
import { GroupCrypto } from "../crypto/mls/group.ts";
import { createDevice } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import { fromBase64, Id, isBase64, Username, usernameKey } from "../protocol/index.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import { toDeviceRecord } from "../records/own-account.ts";
import { get, list, put } from "../records/records.ts";
import { policyOf, setStanding, standingOf } from "../trust/standing.ts";

import * as z from "zod/mini";

const Key = z.string().check(z.refine((text) => isBase64(text) && fromBase64(text).length === 32));
const Millis = z.int().check(z.nonnegative());

/** The content of a backup, before it is encrypted. */
const Backup = z.object({
  version: z.literal(1),
  made_at: Millis,
  username: Username,
  private_key: Key,
  public_key: Key,
  server: z.url(),
  insecure: z.boolean(),
  policy: z.exactOptional(z.enum(["open", "contacts", "closed"])),
  /** What of one contact is too much, where the owner has said so. */
  guards: z.exactOptional(z.record(z.string(), z.int().check(z.nonnegative()))),
  contacts: z.array(
    z.object({
      username: Username,
      identity_key: Key,
      pinned_at: Millis,
      verified: z.boolean(),
      trusted: z.exactOptional(z.literal(true)),
      blocked: z.boolean(),
      /** The owner has written to it or accepted it. */
      accepted: z.exactOptional(z.boolean()),
      device_id: Id,
      device_key: Key,
      device_counter: z.int().check(z.positive()),
      stopped: z.exactOptional(z.enum(["identity_changed", "device_changed"])),
      new_identity_key: z.exactOptional(Key),
    }),
  ),
});
export type Backup = z.output<typeof Backup>;

/** @throws AgentError not_registered */
export function makeBackup(store: ClientStore): Promise<Backup> {
  return store.read(async (tx) => {
    const identity = await get(tx, "meta/identity");
    const relay = await get(tx, "meta/relay");
    if (identity === undefined || relay?.registered !== true)
      throw new AgentError("not_registered", "the store has no agent");
    const { username, private_key, public_key } = identity;
    const contacts: Backup["contacts"] = [];
    for (const { reopenings: _count, reopen_at: _at, ...contact } of await list(tx, "contact/"))
      contacts.push({ ...contact, accepted: (await standingOf(tx, contact.username)) === "allow" });
    const { server, insecure } = relay;
    const made = { version: 1 as const, made_at: Date.now(), policy: await policyOf(tx), ...(await guardsIn(tx)) };
    return { ...made, username, private_key, public_key, server, insecure, contacts };
  });
}

async function guardsIn(tx: ReadTransaction): Promise<Pick<Backup, "guards">> {
  const guards = await get(tx, "meta/guards");
  return guards === undefined ? {} : { guards: { ...guards } };
}

/** @throws AgentError bad_backup */
export function readBackup(text: string): Backup {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const backup = Backup.safeParse(value);
  if (backup.success) return backup.data;
  throw new AgentError("bad_backup", "the backup was made by another version, or is damaged", {
    hint: "update aimessage, or use another copy of it",
  });
}

/**
 * Puts a backup into an empty store, as a new device that the relay does not know yet: registering makes it the agent's, and
 * ends the one before. Repeating it for the same agent goes on where it was interrupted.
 * @throws AgentError already_registered
 */
export async function restoreBackup(
  store: ClientStore,
  backup: Backup,
  provider: CryptoProvider | undefined,
): Promise<void> {
  const crypto = await GroupCrypto.load(provider);
  const { username, private_key, public_key, server, insecure } = backup;
  const identity = { username, privateKey: fromBase64(private_key), publicKey: fromBase64(public_key) };
  // The relay names the highest counter when it refuses this one.
  const device = await createDevice(crypto, identity, 1, Date.now());
  await store.write(async (tx) => {
    const known = await get(tx, "meta/identity");
    const registered = (await get(tx, "meta/relay"))?.registered === true;
    if (registered || (known !== undefined && known.private_key !== private_key))
      throw new AgentError("already_registered", `there is an agent here already`, {
        hint: "restore into another home (--home), or move its folder away; unregistering it would end the identity for good",
      });
    if (known !== undefined) return;
    await put(tx, "meta/identity", "", { username, private_key, public_key });
    await put(tx, "meta/device", "", toDeviceRecord(device));
    await put(tx, "meta/relay", "", {
      server,
      insecure,
      registered: false,
      new_device: true,
      login_counter: 0,
      position: 0,
      clock_offset: 0,
      frame_bytes: 0,
    });
    if (backup.guards !== undefined) await tx.put("meta/guards", JSON.stringify(backup.guards));
    if (backup.policy !== undefined) await tx.put("meta/policy", backup.policy);
    for (const { accepted, ...contact } of backup.contacts) {
      const name = usernameKey(contact.username);
      await put(tx, "contact/", name, { ...contact, reopenings: 0, reopen_at: 0 });
      if (contact.blocked) await setStanding(tx, name, "block");
      else if (accepted === true || contact.verified) await setStanding(tx, name, "allow");
    }
  });
}
