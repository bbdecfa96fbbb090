/** What must always hold [design, sections 9 and 11], in words of its own: nothing here asks the rules. */
import { STATEMENT_EPOCHS } from "../../packages/sdk/src/crypto/team/statements.ts";
import { equal } from "../../packages/sdk/src/protocol/index.ts";
import { type Book, type Commit, type Epoch, NAMES } from "./book.ts";
import { groupOf, ownerOf } from "./relay.ts";
import type { State } from "./state.ts";

export class Violation extends Error {}

const judged = new WeakMap<Commit, string | undefined>();

/** Why nobody had the right to a commit that an honest member has followed. */
export function lacksRight(commit: Commit, book: Book): string | undefined {
  if (!judged.has(commit)) judged.set(commit, wrongIn(commit, book));
  return judged.get(commit);
}

function wrongIn({ on, next, by, statements = [] }: Commit, book: Book): string | undefined {
  const name = NAMES[by]!;
  const { admins } = on.settings;
  const isAdmin = admins.includes(name);
  const own = on.roster.find((one) => one.name === name);
  if (own === undefined) return "its committer is no member";
  if (next.settings !== on.settings && !isAdmin) return "settings changed by one that is no admin";
  const has = (kind: "leave" | "rejoin", leaf: number) =>
    statements.some((at) => {
      const said = book.statements[at]!;
      const isOld = on.epoch - said.epoch >= STATEMENT_EPOCHS;
      return said.kind === kind && said.group === on.group && !isOld && equal(said.leaf, on.digests.get(leaf)!);
    });
  for (const one of on.roster) {
    const after = next.roster.find((other) => other.name === one.name);
    if (after === undefined && admins.includes(one.name)) return `the admin ${one.name} is removed`;
    if (after === undefined && !isAdmin && !has("leave", one.leaf))
      return `${one.name}, who has not said so, is removed by one that is no admin`;
    if (after === undefined) continue;
    if (!equal(after.identityKey, one.identityKey)) return `${one.name} is another one`;
    if (after.counter < one.counter) return `${one.name} is put back to an older device`;
    const isNewLeaf = !equal(on.digests.get(one.leaf)!, next.digests.get(after.leaf)!) && one !== own;
    // Whom an admin removes, and adds at once, is no worse off: but an admin is not removed.
    const mayPut = isAdmin && !admins.includes(one.name);
    if (isNewLeaf && after.counter === one.counter && !has("rejoin", one.leaf) && !mayPut)
      return `${one.name} gets another leaf without having said so`;
  }
  const isNew = ({ name }: { name: string }) => on.roster.every((one) => one.name !== name);
  return next.roster.some(isNew) && !isAdmin ? "somebody is added by one that is no admin" : undefined;
}

/** Who has become an admin, or has ceased to be one, without a right, between an epoch that a member knows and one into which it is taken. */
export function risenBetween(known: Epoch, to: Epoch, book: Book): string | undefined {
  for (let at = to; at !== known && at.by !== undefined;) {
    const { on, by } = book.commits[at.by]!;
    if (at.settings !== on.settings && !on.settings.admins.includes(NAMES[by]!))
      return `${NAMES[by]}, who was no admin, has said who is one`;
    at = on;
  }
  return undefined;
}

/** What is wrong with an epoch that an honest member holds. */
function wrongWith({ settings, roster }: Epoch): string | undefined {
  const names = new Set(roster.map(({ name }) => name));
  if (names.size < roster.length) return "a name is in the group twice";
  return settings.admins.every((admin) => names.has(admin)) ? undefined : "an admin is no member";
}

/** @throws Violation */
export function check(
  state: State,
  book: Book,
  { hostile, isHonestRelay }: { hostile: number | undefined; isHonestRelay: boolean },
): void {
  const seen = new Map<string, number>();
  for (const [who, at] of state.at.entries()) {
    if (who === hostile || at < 0 || state.phase[who] !== "open") continue;
    const epoch = book.epochs[at]!;
    const wrong = wrongWith(epoch);
    if (wrong !== undefined) throw new Violation(`${wrong}, in the epoch that ${NAMES[who]} holds`);
    const place = `${epoch.group} ${epoch.epoch}`;
    if (isHonestRelay && (seen.get(place) ?? at) !== at)
      throw new Violation(`two members hold different epochs ${epoch.epoch} of one group`);
    seen.set(place, at);
  }
  if (isHonestRelay) checkRemoved(state, book);
}

/** Of the epoch that ended with a removal, and of those before, nothing is admitted any more. */
function checkRemoved(state: State, book: Book): void {
  for (const table of state.relay) {
    const group = groupOf(table);
    for (const id of table.log) {
      const { on, plan, verdict } = book.commits[id]!;
      const gone = on.roster.find(({ leaf }) => plan.removes.some((one) => one.leaf === leaf));
      if (gone !== undefined && verdict === undefined && book.rules.admits(group, on.epoch))
        throw new Violation(
          `${gone.name} was removed, and the relay still admits what it can read, of epoch ${on.epoch}`,
        );
    }
  }
}

/**
 * Whether all honest members are in one group, up to date, with nothing under way, but for those whom that has left out. Who takes a founding for
 * another team is in it, too, under another name, but not where that `isStrict`. `undefined`: they are.
 */
export function apart(
  state: State,
  book: Book,
  { hostile, isStrict = false }: { hostile: number | undefined; isStrict?: boolean },
): string | undefined {
  const honest = [...NAMES.keys()].filter((who) => who !== hostile && isConcerned(state, book, who, hostile));
  const busy = honest.find((who) => state.box[who]!.length > 0 || state.pending[who] !== undefined);
  if (busy !== undefined) return `${NAMES[busy]} has something under way`;
  const open = honest.filter((who) => state.phase[who] === "open");
  const isOne = open.some((one) => {
    const at = state.at[one]!;
    const { group, epoch, roster, settings } = book.epochs[at]!;
    const isThere = (who: number) => state.phase[who] === "open" && state.at[who] === at;
    const ofAnew = (who: number) => [book.epochs[state.at[who]!]].find((own) => (own?.settings.replaces ?? "") !== "");
    // Of several foundings all choose the same.
    const hasAside = (who: number) =>
      !isStrict && ofAnew(who) === undefined && book.epochs[state.aside[who]!]?.group === group;
    // Whoever was demoted where it did not see it, and founds the team anew, parts from those who go on in the old group.
    const hasParted = (who: number) =>
      settings.replaces === "" &&
      ofAnew(who)?.founder.name === NAMES[who] &&
      !settings.admins.includes(NAMES[who] ?? "");
    const isCurrent = state.relay.some((table) => table.group === group && table.epoch === epoch);
    return (
      isCurrent &&
      honest.every(
        (who) => isThere(who) || hasParted(who) || hasAside(who) || roster.every(({ name }) => name !== NAMES[who]),
      )
    );
  });
  if (isOne || honest.length === 0) return undefined;
  return honest
    .map((who) => `${NAMES[who]} is ${state.phase[who] === "open" ? `in epoch e${state.at[who]}` : state.phase[who]}`)
    .join(", ");
}

/** Whoever was never in it, or is out, is no matter, unless the relay has a device of it there; nor is whom a hostile admin has led away, since it could have removed it. */
export function isConcerned(state: State, book: Book, who: number, hostile: number | undefined): boolean {
  const founder = book.epochs[state.at[who]!]?.founder.name;
  if (founder !== undefined && founder === NAMES[hostile ?? -1] && state.before[who]! >= 0) return false;
  if (state.phase[who] === "never")
    return state.relay.some(({ members }) => members.some(({ box }) => ownerOf(box).who === who));
  return state.phase[who] !== "out";
}
