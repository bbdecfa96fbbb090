/**
 * What a commit of a team may be: a pure function of what all members share, so that all of them judge alike. It sees no pin, no clock and no word
 * of the relay. Forbidden is everything but five kinds: Update, Settings, Members, Leave and Swap. [P-15.3]
 */
import { equal } from "../../protocol/index.ts";
import type { CommitData, NamedDevice } from "./commit-data.ts";
import type { Certified, TeamMember } from "./roster.ts";
import type { TeamSettings } from "./settings.ts";
import { holdsFor, type Statement } from "./statements.ts";

/** Why a commit may not be. */
export type Forbidden =
  | "other_proposal"
  | "leaf_changed"
  | "bad_data"
  | "data_differs"
  | "no_path"
  | "not_admin"
  | "settings_not_alone"
  | "bad_settings"
  | "settings_fixed"
  | "admin_not_member"
  | "committer_removed"
  | "unknown_leaf"
  | "removed_twice"
  | "admin_removed"
  | "bad_certificate"
  | "too_many_added"
  | "name_twice"
  | "identity_changed"
  | "bad_statement"
  | "statement_unused";

/** The epoch that a commit would end. */
export interface EpochBefore {
  /** The group's id in hex. */
  group: string;
  epoch: number;
  settings: TeamSettings;
  roster: readonly TeamMember[];
}

/** A commit, with all that had to be looked up or verified for it. */
export interface Plan {
  /** Its leaf. */
  committer: number;
  path: "none" | "same" | "changed";
  removes: readonly { leaf: number; digest: Uint8Array }[];
  /** Undefined where the certificate is not right. */
  adds: readonly (Certified | undefined)[];
  /** Each is undefined if it is malformed. */
  settings: readonly (TeamSettings | undefined)[];
  hasOthers: boolean;
  data: CommitData | undefined;
  /** Those of the data. Undefined where one is malformed, or not signed by the member of whom it speaks. */
  statements: readonly (Statement | undefined)[];
}

export const MOST_ADDED = 200;

/** Why a commit may not be, or undefined if it may. */
export function forbidden(plan: Plan, before: EpochBefore): Forbidden | undefined {
  const { data, statements } = plan;
  if (plan.hasOthers) return "other_proposal";
  if (plan.path === "changed") return "leaf_changed";
  if (data === undefined) return "bad_data";
  if (statements.includes(undefined)) return "bad_statement";
  const committer = before.roster.find(({ leaf }) => leaf === plan.committer);
  if (committer === undefined) return "unknown_leaf";
  if (plan.removes.length + plan.adds.length > 0) return forbiddenMembers({ ...plan, data }, committer, before);
  if (statements.length > 0) return "statement_unused";
  if (data.added.length + data.removed.length > 0) return "data_differs";
  if (plan.settings.length > 0) return forbiddenSettings(plan.settings, committer, before);
  return plan.path === "same" ? undefined : "no_path";
}

/** What a joiner, who has not seen what came before, asks of a team: of what there is, nothing may be against the rules. */
export function forbiddenTeam(
  settings: TeamSettings | undefined,
  roster: readonly TeamMember[],
): Forbidden | undefined {
  if (settings === undefined) return "bad_settings";
  if (new Set(roster.map(({ name }) => name)).size < roster.length) return "name_twice";
  return areMembers(settings.admins, roster) ? undefined : "admin_not_member";
}

function areMembers(admins: readonly string[], roster: readonly Certified[]): boolean {
  const names = new Set(roster.map(({ name }) => name));
  return admins.every((admin) => names.has(admin));
}

function forbiddenSettings(
  changes: Plan["settings"],
  committer: TeamMember,
  { settings, roster }: EpochBefore,
): Forbidden | undefined {
  const [next, ...others] = changes;
  if (others.length > 0) return "settings_not_alone";
  if (!settings.admins.includes(committer.name)) return "not_admin";
  if (next === undefined) return "bad_settings";
  const isFixed = equal(next.key, settings.key) && next.foundedAt === settings.foundedAt;
  if (!isFixed || next.replaces !== settings.replaces) return "settings_fixed";
  return areMembers(next.admins, roster) ? undefined : "admin_not_member";
}

/** Members, Leaves and Swaps: who goes is judged one by one, who comes in their place with them, and the others then. */
function forbiddenMembers(
  plan: Plan & { data: CommitData },
  committer: TeamMember,
  before: EpochBefore,
): Forbidden | undefined {
  const { removes, data } = plan;
  if (plan.settings.length > 0) return "settings_not_alone";
  if (removes.length > 0 && plan.path === "none") return "no_path";
  const adds = plan.adds.filter((add) => add !== undefined);
  if (adds.length < plan.adds.length) return "bad_certificate";
  if (adds.length > MOST_ADDED) return "too_many_added";
  if (new Set(removes.map(({ leaf }) => leaf)).size < removes.length) return "removed_twice";

  const byLeaf = new Map(before.roster.map((member) => [member.leaf, member]));
  const removed: TeamMember[] = [];
  for (const { leaf } of removes) {
    const member = byLeaf.get(leaf);
    if (member === undefined) return "unknown_leaf";
    removed.push(member);
  }
  if (!areSame(data.added, adds) || !areSame(data.removed, removed)) return "data_differs";

  const unused = new Set(plan.statements.filter((statement) => statement !== undefined));
  const byName = new Map(adds.map((add) => [add.name, add]));
  for (const [at, member] of removed.entries()) {
    if (member.leaf === committer.leaf) return "committer_removed";
    const place = { group: before.group, epoch: before.epoch, leaf: removes[at]!.digest };
    const reason = forbiddenRemove({ member, successor: byName.get(member.name), place, unused }, committer, before);
    if (reason !== undefined) return reason;
  }
  if (unused.size > 0) return "statement_unused";

  const isSuccessor = new Set(removed.map(({ name }) => name));
  const isAdmin = before.settings.admins.includes(committer.name);
  if (!isAdmin && adds.some(({ name }) => !isSuccessor.has(name))) return "not_admin";
  const gone = new Set(removed.map(({ leaf }) => leaf));
  const after = [...before.roster.filter(({ leaf }) => !gone.has(leaf)), ...adds].map(({ name }) => name);
  return new Set(after).size < after.length ? "name_twice" : undefined;
}

interface Removal {
  member: TeamMember;
  /** Who is added under its name. */
  successor: Certified | undefined;
  place: Parameters<typeof holdsFor>[3];
  /** Statements that nothing has needed so far. */
  unused: Set<Statement>;
}

/** Why somebody may not be removed, or put in its own place anew. */
function forbiddenRemove(removal: Removal, committer: TeamMember, { settings }: EpochBefore): Forbidden | undefined {
  const { member, successor } = removal;
  if (successor !== undefined && !equal(successor.identityKey, member.identityKey)) return "identity_changed";
  if (successor !== undefined && maySwap(removal, successor)) return undefined;
  // An admin that leaves is demoted first.
  if (settings.admins.includes(member.name)) return "admin_removed";
  if (successor === undefined && uses(removal, "leave")) return undefined;
  return settings.admins.includes(committer.name) ? undefined : "not_admin";
}

function maySwap(removal: Removal, successor: Certified): boolean {
  if (successor.counter > removal.member.counter) return true;
  return equal(successor.certificate, removal.member.certificate) && uses(removal, "rejoin");
}

/** Whether a statement holds for a removal. It is used up by it. */
function uses({ member, place, unused }: Removal, kind: Statement["kind"]): boolean {
  for (const statement of unused) if (holdsFor(statement, kind, member, place)) return unused.delete(statement);
  return false;
}

function areSame(said: readonly NamedDevice[], real: readonly NamedDevice[]): boolean {
  return (
    said.length === real.length &&
    said.every(({ name, device }, at) => name === real[at]!.name && device === real[at]!.device)
  );
}
