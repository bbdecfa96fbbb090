import { becomeOwnerOf } from "@aimessage/sdk/program";
import { UsageError } from "../config.ts";
import { lastLines } from "../store/audit.ts";
import { AdminError } from "./admin-error.ts";
import { backup } from "./backup.ts";
import { check } from "./check.ts";
import type { CommandName } from "./commands.ts";
import { perform } from "./perform.ts";
import { openSnapshot } from "./read-only.ts";
import { restore } from "./restore.ts";
import { stats } from "./stats.ts";
import * as text from "./text.ts";
import { listUsers, showUser } from "./users.ts";

export interface Flags {
  /** The user of the operating system who does it. */
  who: string;
  db: string;
  json: boolean;
  force: boolean;
  release: boolean;
  last: number;
  limit: number;
  only: string | undefined;
}

/** Where a command writes: data, and what people should know beside it. */
export interface Out {
  data(line: string): void;
  note(line: string): void;
}

type Action = (flags: Flags, out: Out, argument: string) => void | Promise<void>;

/** What each command does, and how it says so. */
export const actions: Record<CommandName, Action> = {
  async backup(flags, out, file) {
    const done = backup(flags.db, file, flags.force);
    say(flags, out, done, text.backupText(done));
    try {
      becomeOwnerOf(flags.db);
      await perform(flags.db, { who: flags.who, what: "backup", target: done.file, release: false });
    } catch (error) {
      // The copy is there and whole: that nobody wrote it down does not spoil it.
      out.note(`the audit log does not have this: ${error instanceof Error ? error.message : String(error)}`);
    }
  },

  restore(flags, out, file) {
    const done = restore(flags.db, file, flags.force, flags.who);
    say(flags, out, done, text.restoreText(done));
  },

  check(flags, out) {
    const checked = check(flags.db);
    say(flags, out, checked, text.checkText(checked));
    if (checked.ok) return;
    const words = new Set(checked.problems.map(({ problem }) => problem));
    throw new AdminError(
      `The database in ${flags.db} is not as it should be: ${[...words].join(", ")}`,
      "make a backup of what can be read, and restore the newest good one",
    );
  },

  stats(flags, out) {
    const found = stats(flags.db);
    say(flags, out, found, text.statsText(found));
  },

  audit({ db, json, last, only }, out) {
    if (only !== undefined && only !== "deed" && only !== "refusal")
      throw new UsageError(`--only needs deed or refusal, not '${only}'`, "for example: --only deed");
    const database = openSnapshot(db);
    try {
      const lines = lastLines(database, last, only);
      if (!json) out.data(text.auditText(lines));
      else for (const line of lines) out.data(text.json(line));
    } finally {
      database.close();
    }
  },

  list({ db, json, limit }, out, prefix) {
    const { users, more } = listUsers(db, prefix, limit);
    if (!json) out.data(text.usersText(users));
    else for (const user of users) out.data(text.json(user));
    if (more > 0) out.note(`${more} more: see --limit`);
  },

  show(flags, out, name) {
    const found = showUser(flags.db, name);
    if (found === undefined) throw noAccount(name);
    say(flags, out, found, text.userText(found));
  },

  async remove(flags, out, name) {
    const rest = flags.release ? "the name can be registered again" : "the name stays reserved";
    await change(flags, out, name, "remove", `is removed; ${rest}`, `was removed before; ${rest}`);
  },

  async disable(flags, out, name) {
    await change(flags, out, name, "disable", "is disabled", "is disabled already");
  },

  async enable(flags, out, name) {
    await change(flags, out, name, "enable", "is enabled", "is not disabled");
  },
};

async function change(
  flags: Flags,
  out: Out,
  name: string,
  what: "remove" | "disable" | "enable",
  done: string,
  unchanged: string,
): Promise<void> {
  const outcome = await perform(flags.db, { who: flags.who, what, target: name, release: flags.release });
  if (outcome === "unknown_user") throw noAccount(name);
  say(flags, out, { username: name, what, outcome }, `${text.plain(name)} ${outcome === "done" ? done : unchanged}`);
}

function say(flags: Flags, out: Out, data: object, line: string): void {
  out.data(flags.json ? text.json(data) : line);
}

function noAccount(name: string): AdminError {
  return new AdminError(`There is no account ${text.plain(name)}`, "aimessage-server user list names all");
}
