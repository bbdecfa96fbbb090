/** What may happen in a state: honest members, a hostile one, faults, a relay that lies; and how all come together again. */
import { type Book, certificate, type Change, type Epoch, NAMES } from "./book.ts";
import { apart } from "./check.ts";
import { crimes } from "./crimes.ts";
import { ask, deliver, foundAnew, leave, repeat, send } from "./members.ts";
import { lapse, memberIn, tableOf } from "./relay.ts";
import { lies } from "./lies.ts";
import { asked, isOpen, type Move } from "./move.ts";
import { type Bounds, copy, type State } from "./state.ts";
import type { Wish, World } from "./worlds.ts";

export function* moves(state: State, book: Book, world: World): Generator<Move> {
  const { left } = state;
  for (const who of NAMES.keys()) {
    const isHonest = who !== world.hostile;
    if (state.box[who]!.length > 0) yield delivery(who);
    if (state.pending[who]?.after === -1) yield { who, what: "repeats its commit", act: repeat };
    if (isOpen(state, who) && state.pending[who] === undefined && left.commits > 0)
      yield* commits(state, book, who, world);
    if (!isHonest) yield* crimes(state, book, who);
    if (isHonest && mayAsk(state, who)) yield asking(who);
    if (isHonest && mayFound(state, book, who, world.hostile) && left.foundings > 0)
      yield { ...founding(who), costs: { foundings: 1 } };
    if (isHonest && isOpen(state, who)) yield* faults(state, who);
  }
  if (left.lies > 0) yield* lies(state, book);
}

const delivery = (who: number): Move => ({
  who,
  what: "gets",
  act: (step) => `${step.state.box[who]![0]}: ${deliver(step)}`,
});
const asking = (who: number): Move => ({ who, what: "asks again", act: ask });
const founding = (who: number): Move => ({ who, what: "founds the team anew", act: (step) => foundAnew(step) });

function* commits(state: State, book: Book, who: number, { wishes, hostile }: World): Generator<Move> {
  const on = book.epochs[state.at[who]!]!;
  for (const wish of wishes) {
    if (wish[0] === "leave") {
      if (who === hostile || on.settings.admins.includes(NAMES[who]!)) continue;
      yield { who, what: "leaves", act: leave, costs: { commits: 1 } };
      continue;
    }
    const change = changeOf(on, who, wish, state);
    if (change !== undefined) yield* sending(state, book, who, change);
  }
  for (const change of asked(state, book, who)) yield* sending(state, book, who, change);
}

/** A commit that the rules let its maker make: answered, or lost on the way. */
function* sending(state: State, book: Book, who: number, change: Change): Generator<Move> {
  const commit = book.commit(book.epochs[state.at[who]!]!, who, change);
  if (commit.verdict !== undefined) return;
  const what = `commits c${commit.id}, ${change.what}`;
  yield { who, what, act: (step) => send(step, commit), costs: { commits: 1 } };
  if (state.left.losses === 0) return;
  yield { who, what, act: (step) => send(step, commit, "request"), costs: { commits: 1, losses: 1 } };
  yield { who, what, act: (step) => send(step, commit, "answer"), costs: { commits: 1, losses: 1 } };
}

function changeOf({ roster, settings }: Epoch, who: number, [kind, whom = -1]: Wish, state: State): Change | undefined {
  const { admins } = settings;
  const name = NAMES[whom] ?? "";
  const member = roster.find((one) => one.name === name);
  const isAdmin = admins.includes(NAMES[who]!);
  if (kind === "update") return { what: "an update" };
  if (!isAdmin || (whom === who && kind !== "demote")) return undefined;
  if (kind === "add")
    return member ? undefined : { what: `adds ${name}`, add: [certificate(name, state.device[whom]!)] };
  if (member === undefined) return undefined;
  if (kind === "remove") return { what: `removes ${name}`, remove: [member.leaf] };
  const changed = kind === "promote" ? [...new Set([...admins, name])] : admins.filter((one) => one !== name);
  if (changed.length === 0 || changed.length === admins.length) return undefined;
  return { what: `${kind}s ${name}`, settings: [{ ...settings, admins: changed }] };
}

function* faults({ left }: State, who: number): Generator<Move> {
  if (left.lapses > 0)
    yield {
      who,
      what: "has no room for what comes",
      act: ({ state, book }) => {
        const { group } = book.epochs[state.at[who]!]!;
        if (tableOf(state, group) === undefined || memberIn(tableOf(state, group)!, who)?.lapsed !== false)
          return undefined;
        lapse(state, who, group);
        state.box[who]!.push(`n${state.at[who]}`);
        return "lapses";
      },
      costs: { lapses: 1 },
    };
  if (left.devices > 0)
    yield {
      who,
      what: "loses its state, and has a new device",
      act: (step) => {
        const { state } = step;
        lapse(state, who);
        state.box[who] = [];
        state.device[who]!++;
        state.at[who] = state.before[who] = state.offered[who] = state.aside[who] = -1;
        state.phase[who] = "never";
        state.pending[who] = undefined;
        state.accused[who] = [];
        return ask(step);
      },
      costs: { devices: 1 },
    };
}

/** Whoever is stuck, or is a new device, and has read all that came, while the relay has no word of it. */
function mayAsk(state: State, who: number): boolean {
  const { phase, wishes, relay, box } = state;
  if (box[who]!.length > 0 || wishes.some((wish) => wish.who === who)) return false;
  if (phase[who] === "never") return relay.some((table) => memberIn(table, who)?.lapsed === true);
  return phase[who] === "stuck";
}

/** Whether an admin founds the team anew: it is stuck, has read all that came, and of those who could take it in within two minutes there is none, or it has refused one. */
function mayFound(state: State, book: Book, who: number, hostile: number | undefined): boolean {
  const at = book.epochs[state.at[who]!];
  if (state.phase[who] !== "stuck" || state.box[who]!.length > 0 || at?.settings.admins.includes(NAMES[who]!) !== true)
    return false;
  if (state.offered[who]! >= 0) return true;
  const table = tableOf(state, at.group);
  return ![...NAMES.keys()].some((other) => {
    const theirs = book.epochs[state.at[other]!];
    if (other === hostile || !isOpen(state, other) || theirs?.group !== at.group || theirs.epoch !== table?.epoch)
      return false;
    return asked(state, book, other).some(
      (change) => change.add?.[0]?.name === NAMES[who] && book.commit(theirs, other, change).verdict === undefined,
    );
  });
}

/** From now on nothing goes wrong: what brings all together again, the next of it. Undefined: nothing more is to be done. */
export function mending(
  state: State,
  book: Book,
  { world: { hostile }, isLong }: { world: World; isLong: boolean },
): Move | undefined {
  const honest = [...NAMES.keys()].filter((who) => who !== hostile);
  const due = honest.find((who) => state.box[who]!.length > 0);
  if (due !== undefined) return delivery(due);
  const unanswered = honest.find((who) => state.pending[who]?.after === -1);
  if (unanswered !== undefined) return { who: unanswered, what: "repeats its commit", act: repeat };
  const silent = honest.find((who) => mayAsk(state, who));
  if (silent !== undefined) return asking(silent);
  const rank = (who: number) => book.epochs[state.at[who]!]!.settings.admins.indexOf(NAMES[who]!);
  const [first] = honest
    .filter((who) => mayFound(state, book, who, hostile))
    .sort((one, other) => rank(one) - rank(other));
  // An admin waits for others to take it in, but not for ever.
  if (first !== undefined && isLong) return founding(first);
  const open = honest.filter((who) => isOpen(state, who));
  // The relay asks one after another.
  const turn = state.relay.reduce((sum, { epoch }) => sum + epoch, 0) % Math.max(1, open.length);
  for (const who of [...open.slice(turn), ...open.slice(0, turn)]) {
    const on = book.epochs[state.at[who]!]!;
    const wanted = asked(state, book, who)
      .map((change) => book.commit(on, who, change))
      .find(({ verdict }) => verdict === undefined);
    const commit = wanted ?? book.commit(on, who, { what: "an update" });
    if (wanted !== undefined || !isCurrent(state, book, on))
      return { who, what: `commits c${commit.id}, ${commit.what}`, act: (step) => send(step, commit) };
  }
  if (first !== undefined) return founding(first);
  if (apart(state, book, { hostile }) === undefined) return undefined;
  return lastResort(state, book, { open, lost: honest.filter((who) => state.phase[who] === "stuck"), isLong });
}

/** Members give themselves new keys now and then: a word of an epoch to come holds then. At last an owner demotes an admin that is stuck. */
function lastResort(
  state: State,
  book: Book,
  { open, lost, isLong }: { open: number[]; lost: number[]; isLong: boolean },
): Move | undefined {
  if (lost.length === 0) return undefined;
  const updates = open.map((who): Command => [who, { what: "an update" }]);
  const demotions = open.flatMap((who) =>
    lost.flatMap((whom): Command[] => {
      const change = changeOf(book.epochs[state.at[who]!]!, who, ["demote", whom], state);
      return change === undefined ? [] : [[who, change]];
    }),
  );
  const [command] = isLong ? [...demotions, ...updates] : updates;
  if (command === undefined) return undefined;
  const [who, change] = command;
  const commit = book.commit(book.epochs[state.at[who]!]!, who, change);
  return { who, what: `commits c${commit.id}, ${commit.what}`, act: (step) => send(step, commit) };
}

type Command = [who: number, change: Change];

/** Whether the relay has a group in an epoch, by the same commits. */
function isCurrent(state: State, book: Book, { id, group, epoch }: Epoch): boolean {
  const table = tableOf(state, group);
  const last = table?.log.at(-1);
  return table?.epoch === epoch && (last === undefined || book.commits[last]!.next.id === id);
}

/** Makes a move. Undefined: it cannot be. */
export function make(
  state: State,
  book: Book,
  { who, act, costs = {} }: Move,
): { next: State; said: string } | undefined {
  const next = copy(state);
  const said = act({ state: next, book, who });
  if (said === undefined) return undefined;
  for (const [bound, cost] of Object.entries(costs)) next.left[bound as keyof Bounds] -= cost;
  return { next, said };
}
