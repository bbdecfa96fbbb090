/**
 * What a member does with what it gets. The decisions are the rules' own; the steps around them follow `conversation/team-commits.ts` and
 * `team-welcome.ts` and `team-founded.ts`.
 */
import type { Invited, LastKnown } from "../../packages/sdk/src/crypto/team/foundings.ts";
import type { TeamSettings } from "../../packages/sdk/src/crypto/team/settings.ts";
import { type Book, certificate, type Commit, type Epoch, NAMES } from "./book.ts";
import { lacksRight, risenBetween, Violation } from "./check.ts";
import { keep, submit, submitFounding, tableOf } from "./relay.ts";
import type { State } from "./state.ts";

/** A step of one member, on a state that may be changed. Each says what has happened. */
export interface Step {
  state: State;
  book: Book;
  who: number;
}

const epochOf = ({ state, book, who }: Step): Epoch | undefined => book.epochs[state.at[who]!];

/** Sends a commit. `lost`: the relay does not get it, or it does and its answer is lost. */
export function send(step: Step, commit: Commit, lost?: "request" | "answer"): string {
  const { state, who } = step;
  state.pending[who] = { commit: commit.id, after: -1 };
  if (lost === "request") return "the relay does not get it";
  const refused = submit(state, commit);
  if (lost === "answer") return `${refused ?? "admitted"}, but the answer is lost`;
  return answer(step, commit, refused);
}

/** Sends the pending commit again: the relay knows what it has admitted. */
export function repeat(step: Step): string {
  const { state, book, who } = step;
  const commit = book.commits[state.pending[who]!.commit]!;
  const isKnown = tableOf(state, commit.on.group)?.log.includes(commit.id) === true;
  return answer(step, commit, isKnown ? undefined : submit(state, commit));
}

function answer(step: Step, commit: Commit, refused: string | undefined): string {
  const { state, who } = step;
  if (refused === undefined) {
    state.pending[who] = { commit: commit.id, after: state.box[who]!.length };
    if (state.box[who]!.length === 0) applyOwn(step);
    return "admitted";
  }
  state.pending[who] = undefined;
  // The relay has been put back: it knows no epoch that we know.
  if (refused === "stale_epoch" && state.phase[who] === "open") return `${refused}: ${stuck(step)}`;
  return refused;
}

function applyOwn(step: Step): void {
  const { state, book, who } = step;
  const pending = state.pending[who];
  if (pending === undefined) return;
  const commit = book.commits[pending.commit]!;
  state.pending[who] = undefined;
  if (commit.on.id !== state.at[who])
    throw new Violation(`${NAMES[who]} applies a commit of its own to an epoch that it was not made in`);
  enter(step, commit);
}

function enter({ state, book, who }: Step, commit: Commit): void {
  const wrong = commit.verdict === undefined ? lacksRight(commit, book) : undefined;
  if (wrong !== undefined) throw new Violation(`${NAMES[who]} follows a commit without a right: ${wrong}`);
  state.at[who] = commit.next.id;
}

/** The next of what waits in its mailbox. */
export function deliver(step: Step): string {
  const { state, who } = step;
  const mail = state.box[who]!.shift()!;
  const number = Number(mail.slice(1));
  const said = receive(step, mail, number);
  const pending = state.pending[who];
  if (pending !== undefined && pending.after > 0) {
    const after = pending.after - 1;
    state.pending[who] = { ...pending, after };
    if (after === 0) applyOwn(step);
  }
  return said;
}

function receive(step: Step, mail: string, number: number): string {
  const { state, book, who } = step;
  if (mail.startsWith("c")) return receiveCommit(step, book.commits[number]!);
  if (mail.startsWith("w")) return receiveWelcome(step, book.commits[number]!.next, mail);
  if (mail.startsWith("f")) return receiveWelcome(step, book.epochs[number]!, mail);
  return state.phase[who] === "open" && epochOf(step)?.group === book.epochs[number]!.group
    ? stuck(step)
    : "passes over it";
}

function receiveCommit(step: Step, commit: Commit): string {
  const { state, book, who } = step;
  const { on, plan, verdict } = commit;
  const at = epochOf(step);
  if (at === undefined || state.phase[who] !== "open" || at.group !== on.group || on.epoch < at.epoch)
    return "passes over it";
  const pending = state.pending[who];
  // Another one follows ours: it was admitted, though its answer has not come.
  if (
    on.epoch === at.epoch + 1 &&
    pending !== undefined &&
    book.commits[pending.commit]!.on === at &&
    book.rules.takesUnanswered
  )
    applyOwn(step);
  const now = epochOf(step)!;
  if (on.epoch > now.epoch) return cannotFollow(step, "a commit is missing");
  if (on !== now || commit.unfit === -1) return cannotFollow(step, "it does not open");
  if (verdict !== undefined) {
    state.accused[who] = [...new Set([...state.accused[who]!, commit.by])].sort((a, b) => a - b);
    return cannotFollow(step, `forbidden (${verdict})`);
  }
  const own = on.roster.find(({ name }) => name === NAMES[who]);
  if (plan.removes.some(({ leaf }) => leaf === own?.leaf)) {
    const wrong = lacksRight(commit, book);
    if (wrong !== undefined) throw new Violation(`${NAMES[who]} follows a commit without a right: ${wrong}`);
    state.phase[who] = "out";
    state.pending[who] = undefined;
    return "is out";
  }
  if (commit.unfit === who) return cannotFollow(step, "its keys do not fit");
  state.pending[who] = undefined;
  enter(step, commit);
  return "follows";
}

function cannotFollow(step: Step, why: string): string {
  if (step.book.isCalm) throw new Violation(`${NAMES[step.who]} cannot follow, though all are honest: ${why}`);
  return `${why}: ${stuck(step)}`;
}

/** Cannot go on, and asks to be taken in again. */
export function stuck(step: Step): string {
  step.state.phase[step.who] = "stuck";
  return ask(step);
}

/** Does not let itself be taken in. Its leaf is another one all the same: what it says from now on is of that one, too. */
function refuse(step: Step, to: Epoch): string {
  step.state.offered[step.who] = to.id;
  return `does not let itself be taken in: ${ask(step)}`;
}

/** Asks to be taken in again: by a word for its leaf, for the one to come if a commit of its own is under way, and for one in which it would not be taken in. */
export function ask(step: Step): string {
  const { state, book, who } = step;
  const group =
    epochOf(step)?.group ??
    state.relay.findLast(({ members }) => members.some(({ box }) => Math.floor(box / 100) === who + 1))?.group;
  if (group === undefined) return "asks nobody";
  return saying(step, "rejoin", group, () => {
    const pending = state.pending[who];
    return [epochOf(step), pending && book.commits[pending.commit]!.next, book.epochs[state.offered[who]!]];
  });
}

export function leave(step: Step): string {
  return saying(step, "leave", epochOf(step)!.group, () => [epochOf(step)]);
}

function saying(
  { state, book, who }: Step,
  kind: "leave" | "rejoin",
  group: string,
  where: () => (Epoch | undefined)[],
): string {
  const statements = where().flatMap((epoch) => {
    const own = epoch?.roster.find(({ name }) => name === NAMES[who]);
    if (epoch === undefined || own === undefined) return [];
    return [
      book.statement({
        kind,
        group,
        name: own.name,
        device: own.device,
        epoch: epoch.epoch,
        leaf: epoch.digests.get(own.leaf)!,
      }),
    ];
  });
  const refused = keep(state, who, { group, kind, statements });
  if (refused === undefined) state.said = [...new Set([...state.said, ...statements])].sort((a, b) => a - b);
  if (kind === "leave" || refused === "not_a_member") {
    state.phase[who] = "out";
    state.pending[who] = undefined;
    return "is out";
  }
  return "asks to be taken in again";
}

function knownTo({ state, book }: Step, who: number, at: number): LastKnown {
  const { settings, roster } = book.epochs[at]!;
  return { settings, roster, accused: new Set(state.accused[who]!.map((one) => NAMES[one]!)) };
}

/** A group as those see it who are invited. */
function invitedBy({ group, settings, roster, founder, by }: Epoch, { commits }: Book): Invited {
  const { on, plan } = by === undefined ? {} : commits[by]!;
  return { group, settings, roster, inviter: on?.roster.find(({ leaf }) => leaf === plan?.committer) ?? founder };
}

function receiveWelcome(step: Step, to: Epoch, mail: string): string {
  const { state, book, who } = step;
  const own = certificate(NAMES[who]!, state.device[who]!).device;
  if (!to.roster.some(({ device }) => device === own)) return "cannot open it";
  if (book.rules.forbiddenTeam(to.settings, to.roster) !== undefined) return "does not take it";
  const at = epochOf(step);
  if (at === undefined) return joins(step, to);
  if (to.group === at.group) {
    if (state.phase[who] === "open" || to.epoch <= at.epoch) return "takes it for a replay";
    const isAgain = state.phase[who] === "stuck";
    if (isAgain && !mayTakeIn(step, to, at)) return refuse(step, to);
    const wrong = isAgain ? risenBetween(at, to, book) : undefined;
    if (wrong !== undefined) throw new Violation(`${NAMES[who]} is taken in where ${wrong}`);
    return joins(step, to);
  }
  if (mail.startsWith("w") && state.phase[who] !== "out") return "takes it for another team";
  if (mail.startsWith("w")) return joins(step, to);
  return receiveFounding(step, to, at);
}

function mayTakeIn(step: Step, to: Epoch, at: Epoch): boolean {
  const invited = invitedBy(to, step.book);
  const known = knownTo(step, step.who, at.id);
  // Nobody who keeps to the rules has followed a forbidden commit: what comes after it is its maker's.
  if (known.accused.size > 0 && !known.settings.admins.includes(invited.inviter.name)) return false;
  return step.book.rules.mayTakeIn(invited, known);
}

function receiveFounding(step: Step, to: Epoch, at: Epoch): string {
  const { state, book, who } = step;
  const { rules } = book;
  const first = book.epochs.find(({ group, by }) => group === at.group && by === undefined)!;
  const isRival = state.before[who]! >= 0 && first.settings.replaces === to.settings.replaces;
  const base = isRival ? state.before[who]! : at.id;
  const known = knownTo(step, who, base);
  if (!rules.isFoundedAnew(invitedBy(to, book), known)) {
    state.aside[who] = to.id;
    return "takes it for another team";
  }
  if (isRival && rules.firstFounding(invitedBy(first, book), invitedBy(to, book)).group === first.group)
    return "stays with the one that it has";
  const by = NAMES.indexOf(to.founder.name);
  if (state.accused[who]!.includes(by))
    throw new Violation(`${NAMES[who]} takes a founding of ${to.founder.name}, whom it saw sign a forbidden commit`);
  if (!known.settings.admins.includes(to.founder.name))
    throw new Violation(`${NAMES[who]} takes a founding of ${to.founder.name}, who was no admin`);
  state.before[who] = base;
  return joins(step, to);
}

function joins({ state, book, who }: Step, to: Epoch): string {
  state.at[who] = to.id;
  state.phase[who] = "open";
  if (book.rules.dropsCommit) state.pending[who] = undefined;
  state.offered[who] = -1;
  return `joins epoch ${to.epoch}`;
}

/** Founds the team anew, with its present devices. */
export function foundAnew(
  step: Step,
  settings: TeamSettings = step.book.rules.settingsAnew(
    knownTo(step, step.who, step.state.at[step.who]!),
    epochOf(step)!.group,
  ),
): string {
  const { state, book, who } = step;
  const at = epochOf(step)!;
  const all = at.roster
    .map(({ name }) => NAMES.indexOf(name))
    .filter((one) => one !== who && !state.accused[who]!.includes(one));
  const roster = [who, ...all].map((one) => certificate(NAMES[one]!, state.device[one]!));
  const epoch = 2;
  const earlier = state.relay.length;
  const founded = book.founding(settings, roster, { epoch, salt: `${who} ${at.id} ${earlier}` });
  const refused = submitFounding(state, who, founded);
  if (refused !== undefined) return refused;
  state.before[who] = at.id;
  return joins(step, founded);
}
