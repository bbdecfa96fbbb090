import { setTimeout as delay } from "node:timers/promises";
import { becomeOwnerOf, type Output } from "@aimessage/sdk/program";
import type { BlobsAddress } from "../config/blobs-address.ts";
import { UsageError } from "../config/usage-error.ts";
import { AdminError } from "./admin-error.ts";
import { backup } from "./backup.ts";
import type { CommandName } from "../config/commands.ts";
import { hashed, newInvite } from "./invites.ts";
import { perform } from "./perform.ts";
import { openPlace } from "./open-place.ts";
import { restore } from "./restore.ts";
import type { Stats } from "./stats.ts";
import * as text from "./text.ts";

export interface Flags {
  /** The user of the operating system who does it. */
  who: string;
  db: string;
  /** URL of a cluster's database, instead of the folder. */
  store: string | undefined;
  json: boolean;
  force: boolean;
  release: boolean;
  last: number;
  limit: number;
  reserveBytes: number;
  only: string | undefined;
  /** How often it is done again. */
  watchMs: number | undefined;
  /** From a cluster into a folder. */
  back: boolean;
  /** Where a cluster has encrypted files. */
  files: BlobsAddress | undefined;
  /** Of an invite. */
  uses: number;
  expiresMs: number;
}

type Action = (flags: Flags, out: Output, argument: string) => Promise<void>;

/** What each command does, and how it says so. */
export const actions: Record<CommandName, Action> = {
  async backup(flags, out, file) {
    refuseCluster(flags, "A cluster is backed up by PostgreSQL");
    const done = backup(flags.db, file, flags.force);
    await out.data(text.backupText(done), done);
    try {
      becomeOwnerOf(flags.db);
      await perform(flags.db, { who: flags.who, what: "backup", target: done.file, release: false });
    } catch (error) {
      // The copy is there and whole: that nobody wrote it down does not spoil it.
      out.note(`the audit log does not have this: ${error instanceof Error ? error.message : String(error)}`);
    }
  },

  async restore(flags, out, file) {
    refuseCluster(flags, "A cluster is restored by PostgreSQL");
    const done = restore(flags.db, file, flags.force, flags.who);
    await out.data(text.restoreText(done), done);
  },

  async migrate({ store, back, ...rest }, out) {
    if (store === undefined)
      throw new UsageError("`migrate` needs --store", "for example: --store postgres://aimessage@db1/aimessage");
    // Nothing else needs the driver.
    const flags = { ...rest, store };
    const done = back
      ? await (await import("./move/move-out.ts")).moveOut(flags)
      : await (await import("./move/move-in.ts")).moveIn(flags);
    await out.data(text.movedText(done), done);
  },

  async check(flags, out) {
    await using place = await openPlace(flags);
    const checked = await place.check(flags.reserveBytes);
    await out.data(text.checkText(checked), checked);
    if (checked.ok) return;
    const words = new Set(checked.problems.map(({ problem }) => problem));
    if (words.has("storage_full"))
      throw new AdminError(
        `There is no room for mail on the disk of ${flags.db}`,
        "make room on it; deleting always works, and what is deleted is room for new mail",
      );
    throw new AdminError(
      `The database in ${place.name} is not as it should be: ${[...words].join(", ")}`,
      flags.store === undefined
        ? "make a backup of what can be read, and restore the newest good one"
        : "mail goes on; keep a backup of PostgreSQL's as it is now, and report this",
    );
  },

  async stats(flags, out) {
    await using place = await openPlace(flags);
    if (flags.watchMs === undefined) {
      const found = await place.stats();
      return out.data(text.statsText(found), found);
    }
    for (let before: Stats | undefined; ;) {
      const found = await place.stats();
      await out.again(text.watchText(found, { before, everyMs: flags.watchMs }), found);
      before = found;
      await delay(flags.watchMs);
    }
  },

  async audit(flags, out) {
    const { last, only } = flags;
    if (only !== undefined && only !== "deed" && only !== "refusal")
      throw new UsageError(`--only needs deed or refusal, not '${only}'`, "for example: --only deed");
    await using place = await openPlace(flags);
    const lines = await place.audit(last, only);
    await out.each(text.auditText(lines), lines);
  },

  async "user list"(flags, out, prefix) {
    await using place = await openPlace(flags);
    const { users, more } = await place.users(prefix, flags.limit);
    await out.each(text.usersText(users), users);
    if (more > 0) out.note(`${more} more: see --limit`);
  },

  async "user show"(flags, out, name) {
    await using place = await openPlace(flags);
    const found = await place.user(name);
    if (found === undefined) throw noAccount(name);
    await out.data(text.userText(found), found);
  },

  async "user remove"(flags, out, name) {
    const rest = flags.release ? "the name can be registered again" : "the name stays reserved";
    await change(flags, out, name, {
      what: "remove",
      done: `is removed; ${rest}`,
      unchanged: `was removed before; ${rest}`,
    });
  },

  async "user disable"(flags, out, name) {
    await change(flags, out, name, { what: "disable", done: "is disabled", unchanged: "is disabled already" });
  },

  async "user enable"(flags, out, name) {
    await change(flags, out, name, { what: "enable", done: "is enabled", unchanged: "is not disabled" });
  },

  async "invite create"(flags, out) {
    const { invite, ...made } = newInvite(flags, Date.now());
    const { id, uses, expiresAt } = made;
    await using place = await openPlace(flags);
    const outcome = await place.perform({
      who: flags.who,
      what: "invite",
      target: id,
      release: false,
      invite: hashed(invite, made),
    });
    // An invite that the relay has not would be refused to whoever shows it.
    if (outcome !== "done")
      throw new AdminError(
        `The relay on ${place.name} has not taken the invite (${outcome}); it was thrown away`,
        "run it again: another one is drawn each time",
      );
    await out.data([invite], { id, invite, uses, expires_at: expiresAt });
    out.note(text.inviteNote({ id, uses, expires_at: expiresAt }, place.name));
  },

  async "invite list"(flags, out) {
    await using place = await openPlace(flags);
    const invites = await place.invites();
    await out.each(text.invitesText(invites), invites);
  },

  async "invite revoke"(flags, out, id) {
    await using place = await openPlace(flags);
    const outcome = await place.perform({ who: flags.who, what: "revoke", target: id, release: false });
    if (outcome === "unknown_invite")
      throw new AdminError(`There is no invite ${id}`, "aimessage-server invite list names all, by their ids");
    const done = outcome === "done" ? "is revoked" : "was revoked before";
    await out.data([`Invite ${id} ${done}`], { id, what: "revoke", outcome });
  },
};

async function change(
  flags: Flags,
  out: Output,
  name: string,
  { what, done, unchanged }: { what: "remove" | "disable" | "enable"; done: string; unchanged: string },
): Promise<void> {
  await using place = await openPlace(flags);
  const outcome = await place.perform({ who: flags.who, what, target: name, release: flags.release });
  if (outcome === "unknown_user") throw noAccount(name);
  await out.data([`${name} ${outcome === "done" ? done : unchanged}`], { username: name, what, outcome });
}

function noAccount(name: string): AdminError {
  return new AdminError(`There is no account ${name}`, "aimessage-server user list names all");
}

/** @param why A sentence without its end. */
function refuseCluster({ store }: Flags, why: string): void {
  if (store === undefined) return;
  throw new AdminError(
    `${why}'s own means`,
    "docs/cluster.md says how, in its section Backup; --db names the folder of a relay of its own",
  );
}
