/** Groups as people and programs see them: what needs the owner first, then who is in them, in 80 columns at any size. */
import type { Group, GroupMember, WaitingChange } from "@aimessage/sdk/node";
import { escapeLine, table } from "@aimessage/sdk/program";
import { counted } from "./counted.ts";
import { someOf } from "./names.ts";
import { localTime } from "./times.ts";

const WIDTH = 80;
/** Members that are shown by a line each, if not all are asked for; and those whose names are. */
const IN_LINES = 20;
const BY_NAME = 100;
/** Names of a change that waits. */
const SAID = 5;
/** Lines of names beside what they need. */
const NAMES = 2;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Half of what a relay keeps mail for: whoever is silent for as long again lapses. Milliseconds. */
const SILENT_MS = 7 * DAY_MS;

/** A group as JSON. Times are Unix milliseconds. */
export function groupJson({ name, about, state, foundedAt, admins, members, inviter, isLapsed, waiting }: Group): {
  name: string;
  about: string;
  state: Group["state"];
  founded_at: number;
  admins: string[];
  members: string[];
  inviter: string | undefined;
  lapsed: true | undefined;
  waiting: ReturnType<typeof changeJson>[] | undefined;
} {
  return {
    name,
    about,
    state,
    founded_at: foundedAt,
    admins,
    members,
    inviter,
    lapsed: isLapsed ? true : undefined,
    waiting: waiting.length === 0 ? undefined : waiting.map(changeJson),
  };
}

export function changeJson({ kind, names, name, askedAt }: WaitingChange): {
  change: WaitingChange["kind"];
  usernames: string[];
  name: string | undefined;
  asked_at: number;
} {
  return { change: kind, usernames: names, name, asked_at: askedAt };
}

export function memberJson(member: GroupMember): {
  username: string;
  admin: boolean;
  self: boolean;
  verified: boolean;
  trust: GroupMember["trust"];
  identity_changed: true | undefined;
  device: string | undefined;
  device_counter: number | undefined;
  heard_at: number | undefined;
  keys_at: number;
  keys_old: true | undefined;
  lapsed: true | undefined;
} {
  const { name, isAdmin, isSelf, verified, trust, isChanged, device, deviceCounter, heardAt, keysAt } = member;
  return {
    username: name,
    admin: isAdmin,
    self: isSelf,
    verified,
    trust,
    identity_changed: isChanged ? true : undefined,
    device,
    device_counter: deviceCounter,
    heard_at: heardAt,
    keys_at: keysAt,
    keys_old: member.isKeyOld ? true : undefined,
    lapsed: member.isLapsed ? true : undefined,
  };
}

/** Groups in lines of 80 columns, those that wait for the owner first. @param own The name of this agent. */
export function listLines(groups: readonly Group[], own: string): string[] {
  if (groups.length === 0) return ["No groups."];
  const rows = inOrder(groups).map((group) => [
    `@${group.name}`,
    stateOf(group),
    group.admins.includes(own.toLowerCase()) ? "admin" : group.state === "invited" ? "" : "member",
    String(group.members.length),
    group.about,
  ]);
  return table([["NAME", "STATE", "ROLE", "MEMBERS", "ABOUT"], ...rows]).map(cut);
}

/** Who invites this agent to what. */
export function invitationLines(groups: readonly Group[]): string[] {
  return invitedIn(groups).map(({ name, inviter = "somebody" }) => `${inviter} invites this agent to @${name}.`);
}

/** What the owner can do about that. */
export function invitationHints(groups: readonly Group[]): string[] {
  return invitedIn(groups).map(
    ({ name }) => `To join @${name}, or not: aimessage group accept @${name}; aimessage group refuse @${name}`,
  );
}

function invitedIn(groups: readonly Group[]): Group[] {
  return inOrder(groups).filter(({ state }) => state === "invited");
}

function inOrder(groups: readonly Group[]): Group[] {
  return groups.toSorted((a, b) => order(a) - order(b));
}

/** What waits for the owner first, then what waits for others. */
function order({ state, isLapsed, waiting }: Group): number {
  if (state === "invited") return 0;
  return isLapsed ? 1 : state === "founding" || waiting.length > 0 ? 2 : 3;
}

function stateOf({ state, isLapsed, waiting }: Group): string {
  if (state !== "active") return state;
  if (isLapsed) return "lapsed";
  return waiting.length === 0 ? "" : `${counted(waiting.length, "change")} waiting`;
}

/** One group: what it is, what needs its owner, its members. `all`: each by a line, however many. */
export function infoLines(
  group: Group,
  members: readonly GroupMember[],
  { all = false, now = Date.now() }: { all?: boolean; now?: number } = {},
): string[] {
  const { name, about, state, inviter, foundedAt, waiting, isLapsed } = group;
  const admins = members.filter(({ isAdmin }) => isAdmin);
  const verified = members.filter((member) => member.verified && !member.isSelf);
  const rows = [
    ["Group:", `@${name}`],
    ["State:", isLapsed ? "lapsed: waits for a member that takes it in again" : state === "active" ? "" : state],
    ["Invited by:", state === "invited" ? (inviter ?? "") : ""],
    ["About:", about],
    ["Founded:", localTime(foundedAt)],
    [
      "Members:",
      `${members.length}: ${counted(admins.length, "admin")}, ${verified.length} verified beside this agent`,
    ],
    ...waiting.map((change, index) => [index === 0 ? "Waiting:" : "", changeText(change)]),
  ];
  const shown = rows.filter(([, value]) => value !== "");
  const indent = Math.max(...shown.map(([label = ""]) => label.length)) + 2;
  const head = table(shown).flatMap((line) => wrapped(line, indent));
  const needs = needsOf(members, now);
  const attention = needs.length === 0 ? [] : ["", "Needs a look:", ...needs.flatMap(needLines)];
  return [...head, ...attention, "", ...memberLines(members, { name, all, now })];
}

function changeText({ kind, names, name }: WaitingChange): string {
  if (kind === "rename") return `rename to @${name}`;
  if (kind === "create" || kind === "leave") return kind === "create" ? "to be founded" : "leave";
  return `${kind} ${someOf(names, SAID)}`;
}

interface Need {
  what: string;
  names: string[];
}

/** What the owner may have to do something about, the gravest first. */
function needsOf(members: readonly GroupMember[], now: number): Need[] {
  const others = members.filter(({ isSelf }) => !isSelf);
  const isSilent = ({ heardAt }: GroupMember): boolean => heardAt !== undefined && now - heardAt > SILENT_MS;
  const all: [what: string, is: (member: GroupMember) => boolean][] = [
    ["another key than its pin", ({ isChanged }) => isChanged],
    ["lapsed", ({ isLapsed }) => isLapsed],
    ["invited, no word yet", ({ heardAt, isLapsed }) => heardAt === undefined && !isLapsed],
    ["silent for a week", isSilent],
    ["old keys", ({ isKeyOld }) => isKeyOld],
    ["not verified", ({ verified, isChanged }) => !verified && !isChanged],
  ];
  return all.flatMap(([what, is]) => {
    const names = others.filter(is).map(({ name }) => name);
    return names.length === 0 ? [] : [{ what, names }];
  });
}

function needLines({ what, names }: Need): string[] {
  const label = `  ${what} (${names.length})`.padEnd(32);
  const [first = "", ...more] = inLines(names, WIDTH - label.length);
  return [`${label}${first}`, ...more.map((line) => " ".repeat(label.length) + line)].map((line) => line.trimEnd());
}

/** As many names as have room in some lines, and how many are left out. */
function inLines(names: readonly string[], width: number): string[] {
  const lines = [""];
  for (const [index, name] of names.entries()) {
    const word = index === names.length - 1 ? name : `${name}, `;
    const left = names.length - index;
    const isLast = lines.length === NAMES;
    const room = width - (isLast && left > 1 ? `and ${left} more`.length : 0);
    const line = lines.at(-1) ?? "";
    if ((line + word).trimEnd().length <= room || line === "") lines[lines.length - 1] = line + word;
    else if (isLast) {
      lines[lines.length - 1] = `${line}and ${left} more`;
      break;
    } else lines.push(word);
  }
  return lines.map((line) => line.trimEnd());
}

function memberLines(
  members: readonly GroupMember[],
  { name: group, all, now }: { name: string; all: boolean; now: number },
): string[] {
  if (all || members.length <= IN_LINES) {
    const rows = members.map((member) => rowOf(member, now));
    return table([["NAME", "ROLE", "TRUST", "DEVICE", "HEARD", "KEYS"], ...rows]);
  }
  const names = (isAdmin: boolean): string[] =>
    members.filter((member) => member.isAdmin === isAdmin).map(({ name, isSelf }) => (isSelf ? `${name} (you)` : name));
  const [admins, others] = [names(true), names(false)];
  const more = `a line each: aimessage group info @${group} --all`;
  return [
    "Admins:",
    ...columns(admins),
    "Members:",
    ...(others.length > BY_NAME ? [`  ${counted(others.length, "other")}; ${more}`] : columns(others)),
  ];
}

function rowOf(member: GroupMember, now: number): string[] {
  const { name, isAdmin, isSelf, isChanged, trust, deviceCounter, heardAt, keysAt } = member;
  const heard = member.isLapsed
    ? "lapsed"
    : heardAt === undefined
      ? "never"
      : now - heardAt < DAY_MS
        ? "today"
        : age(now - heardAt);
  return [
    name,
    `${isAdmin ? "admin" : "member"}${isSelf ? ", you" : ""}`,
    isChanged ? "other key" : isSelf ? "" : trust,
    deviceCounter === undefined ? "" : String(deviceCounter),
    isSelf ? "" : heard,
    age(now - keysAt),
  ];
}

/** `40m`, `5h`, `12d`. */
function age(ms: number): string {
  if (ms < HOUR_MS) return `${Math.max(0, Math.floor(ms / 60_000))}m`;
  return ms < 2 * DAY_MS ? `${Math.floor(ms / HOUR_MS)}h` : `${Math.floor(ms / DAY_MS)}d`;
}

/** Words in columns as wide as the widest of them. */
function columns(words: readonly string[]): string[] {
  const width = Math.max(...words.map((word) => word.length)) + 2;
  const each = Math.max(1, Math.floor((WIDTH - 2) / width));
  const lines: string[] = [];
  for (let at = 0; at < words.length; at += each)
    lines.push(
      `  ${words
        .slice(at, at + each)
        .map((word) => word.padEnd(width))
        .join("")}`.trimEnd(),
    );
  return lines;
}

/** A line that is too long, as far as it has room. */
function cut(line: string): string {
  const safe = escapeLine(line);
  return safe.length <= WIDTH ? safe : `${safe.slice(0, WIDTH - 3).trimEnd()}...`;
}

/** A line in as many as it needs, broken at spaces where there are some. */
function wrapped(line: string, indent: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > WIDTH) {
    const space = rest.lastIndexOf(" ", WIDTH);
    const end = space > indent ? space : WIDTH;
    lines.push(rest.slice(0, end).trimEnd());
    rest = " ".repeat(indent) + rest.slice(end).trimStart();
  }
  return [...lines, rest];
}
