import { join } from "node:path";
import { table } from "@aimessage/sdk/program";
import type { AuditLine } from "../store/store.ts";
import { type BackedUp, filesOf } from "./backup.ts";
import type { Checked } from "./check.ts";
import type { Invite } from "./invites.ts";
import type { Moved } from "./move/tables.ts";
import type { Restored } from "./restore.ts";
import type { Stats } from "./stats.ts";
import type { User, UserDetails } from "./users.ts";

export function backupText(done: BackedUp): string[] {
  const { file, bytes, entries, accounts } = done;
  return [
    `Backup written to ${file}: ${size(bytes)}, ${plural(entries, "entry", "entries")}, ${plural(accounts, "account")}`,
    ...filesText(done, filesOf(file)),
  ];
}

export function restoreText(done: Restored): string[] {
  const { db, bytes, entries, kept } = done;
  const lines = [
    `Restored into ${db}: ${size(bytes)}, ${plural(entries, "entry", "entries")}; its log has a new id`,
    ...filesText(done, join(db, "blobs")),
  ];
  if (kept !== null) lines.push(`The database that was there is now ${kept}`);
  return lines;
}

interface Files {
  files: number;
  file_bytes: number;
  missing_files: number;
}

/** What has become of encrypted files; nothing where there are none. */
function filesText({ files, file_bytes, missing_files }: Files, folder: string): string[] {
  return [
    ...(files > 0 ? [`Encrypted files in ${folder}: ${files}, ${size(file_bytes)}`] : []),
    ...(missing_files > 0
      ? [`Encrypted files that are missing: ${missing_files}. Whoever asks for one hears that it is not there`]
      : []),
  ];
}

export function movedText({ from, to, finished, rows, seconds, ...files }: Moved): string[] {
  if (finished) return [`${from} has moved to ${to}: only the last step was left`];
  const counted = Object.entries(rows).filter(([, count]) => count > 0);
  return [
    ...table(counted.map(([name, count]) => [name.replaceAll("_", " "), `${count}`])),
    ...filesText(files, "the new place"),
    `${from} has moved to ${to} in ${seconds.toFixed(1)} s; counts and sums agree`,
  ];
}

export function checkText({ ok, schema_version, problems }: Checked): string[] {
  if (ok) return [`Nothing is wrong (schema version ${schema_version})`];
  return problems.map(({ problem, count, about }) => `${problem} (${count}): ${about}`);
}

export function statsText(stats: Stats): string[] {
  const { accounts } = stats;
  const rows: [string, string][] = [
    [
      "accounts",
      `${accounts.key} key, ${accounts.token} token, ${accounts.removed} removed; ${accounts.disabled} disabled`,
    ],
    ["devices", `${stats.devices}`],
    ["mailboxes with mail", `${stats.mailboxes_with_mail}`],
    ["entries", `${stats.entries}, ${size(stats.bytes)}`],
    ["oldest entry", time(stats.oldest_entry)],
    ["groups", `${stats.groups}`],
    ["key packages", `${stats.key_packages}`],
    ["files", `${stats.files}, ${size(stats.file_bytes)}; ${stats.files_to_come} to come`],
    ["database", size(stats.database_bytes)],
  ];
  const fullest = stats.fullest.map(({ username, device, entries, bytes, oldest_entry }) => [
    username,
    device === "" ? "-" : device,
    `${entries}`,
    size(bytes),
    time(oldest_entry),
  ]);
  return [
    ...table(rows),
    ...(fullest.length === 0 ? [] : ["", ...table([["FULLEST", "DEVICE", "ENTRIES", "SIZE", "OLDEST"], ...fullest])]),
  ];
}

/** The same each time, with what has changed since the time before. */
export function watchText(stats: Stats, { before, everyMs }: { before: Stats | undefined; everyMs: number }): string[] {
  const now = `${time(Date.now())} UTC, each ${everyMs / 1000} s until Ctrl+C`;
  const since = before === undefined ? undefined : stats.entries - before.entries;
  const change = since === undefined ? "" : `; entries ${since < 0 ? "" : "+"}${since} since the time before`;
  return [`${now}${change}`, "", ...statsText(stats)];
}

export function usersText(users: User[]): string[] {
  const rows = users.map((user) => [
    user.username,
    user.disabled ? `${user.kind}, disabled` : user.kind,
    `${user.devices}`,
    `${user.entries}`,
    size(user.bytes),
    `${user.login_counter ?? "-"}`,
  ]);
  return table([["NAME", "KIND", "DEVICES", "WAITING", "SIZE", "LOGINS"], ...rows]);
}

export function userText(user: UserDetails): string[] {
  const rows: [string, string][] = [
    ["name", user.username],
    ["kind", user.disabled ? `${user.kind}, disabled` : user.kind],
    ["waiting", `${plural(user.entries, "entry", "entries")}, ${size(user.bytes)}`],
    ["oldest entry", time(user.oldest_entry)],
    ["key packages", `${user.key_packages}`],
    ["groups", `${user.groups}`],
    ["last login counter", `${user.login_counter ?? "-"}`],
  ];
  const devices = user.all_devices.map((device) => [
    device.id,
    `${device.counter}`,
    `${device.login_counter}`,
    device.state,
    `${device.entries}`,
    size(device.bytes),
  ]);
  return [
    ...table(rows),
    ...(devices.length === 0
      ? []
      : ["", ...table([["DEVICE", "COUNTER", "LOGINS", "STATE", "WAITING", "SIZE"], ...devices])]),
  ];
}

/** A note beside an invite that was made. */
export function inviteNote({ id, uses, expires_at }: Pick<Invite, "id" | "uses" | "expires_at">, db: string): string {
  return `Invite ${id} to the relay on ${db}, for ${plural(uses, "name")}, until ${time(expires_at)} UTC. It is not shown again.`;
}

export function invitesText(invites: Invite[]): string[] {
  if (invites.length === 0) return ["There are no invites"];
  const rows = invites.map(({ id, state, used, uses, created_at, expires_at }) => [
    id,
    state.replace("_", " "),
    `${used} of ${uses}`,
    time(created_at),
    time(expires_at),
  ]);
  return table([["ID", "STATE", "USED", "MADE (UTC)", "UNTIL (UTC)"], ...rows]);
}

export function auditText(lines: AuditLine[]): string[] {
  if (lines.length === 0) return ["Nothing is written down"];
  const rows = lines.map((line) =>
    line.kind === "deed"
      ? [time(line.at), line.who, line.what, line.target, line.outcome]
      : [`${time(line.hour).slice(0, 13)}h`, line.who, "refused", line.reason, plural(line.count, "time")],
  );
  return table([["WHEN (UTC)", "WHO", "WHAT", "TARGET", "OUTCOME"], ...rows]);
}

function time(milliseconds: number | null): string {
  return milliseconds === null ? "-" : new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ");
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
