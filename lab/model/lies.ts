/** What a relay does that lies. */
import { type Book, NAMES } from "./book.ts";
import { asked, isOpen, type Move } from "./move.ts";
import { send } from "./members.ts";
import { submit, tableOf } from "./relay.ts";
import type { State, Table } from "./state.ts";

export function* lies(state: State, book: Book): Generator<Move> {
  for (const table of state.relay) {
    yield* replays(book, table);
    if (table.log.length > 0)
      yield {
        who: -1,
        what: "is put back by an epoch",
        act: ({ state }) => back(state, book, table.group),
        costs: { lies: 1 },
      };
  }
  for (const who of NAMES.keys()) {
    if (!isOpen(state, who)) continue;
    const on = book.epochs[state.at[who]!]!;
    // An old word, to somebody who takes it for a new one.
    for (const at of state.said) {
      const said = book.statements[at]!;
      const wish = { group: on.group, who: NAMES.indexOf(said.name), kind: said.kind, statements: [at] };
      for (const change of asked({ ...state, wishes: [wish] }, book, who)) {
        const commit = book.commit(on, who, change);
        if (commit.verdict === undefined && state.pending[who] === undefined)
          yield {
            who,
            what: `is told an old word, and commits c${commit.id}, ${change.what}`,
            act: (step) => send(step, commit),
            costs: { lies: 1 },
          };
      }
    }
    yield* forks(state, book, who);
  }
}

/** A Welcome by a package of last resort, once more. */
function* replays(book: Book, { log }: Table): Generator<Move> {
  for (const id of log)
    for (const one of book.commits[id]!.plan.adds) {
      const who = NAMES.indexOf(one?.name ?? "");
      if (who < 0) continue;
      yield {
        who,
        what: `is pushed the Welcome w${id} again`,
        act: ({ state }) => `${state.box[who]!.push(`w${id}`)}`,
        costs: { lies: 1 },
      };
    }
}

/** Of a commit that came too late some are told that it was first: those that have not had the other one yet. */
function* forks(state: State, book: Book, who: number): Generator<Move> {
  const on = book.epochs[state.at[who]!]!;
  const table = tableOf(state, on.group);
  const taken = table?.log.find((id) => book.commits[id]!.on === on);
  if (taken === undefined || state.pending[who] !== undefined || book.commits[taken]!.by === who) return;
  const commit = book.commit(on, who, { what: "an update" });
  const act: Move["act"] = ({ state }) => {
    for (const [other, box] of state.box.entries()) {
      const at = box.indexOf(`c${taken}`);
      if (at < 0) continue;
      // What was behind it is withheld, but for other groups' Welcomes.
      const rest = box.splice(at).filter((mail) => mail.startsWith("f"));
      box.push(...(other === who ? [] : [`c${commit.id}`]), ...rest);
    }
    state.at[who] = commit.next.id;
    return "some are told that it was first";
  };
  yield { who, what: `commits c${commit.id}, an update`, act, costs: { lies: 1 } };
}

/** The relay's tables are those of before its last commit. What it has pushed stays pushed. */
function back(state: State, book: Book, group: string): string {
  const table = tableOf(state, group)!;
  const log = table.log.slice(0, -1);
  const first = book.commits[table.log[0]!]!.on;
  const box = state.box.map((one) => [...one]);
  const { device, wishes } = state;
  state.device = NAMES.map((name) => first.roster.find((one) => one.name === name)?.counter ?? 1);
  Object.assign(table, tableOfEpoch(first));
  for (const id of log) {
    for (const one of book.commits[id]!.plan.adds)
      if (one !== undefined) state.device[NAMES.indexOf(one.name)] = one.counter;
    submit(state, book.commits[id]!);
  }
  Object.assign(state, { box, device, wishes });
  return `is in epoch ${table.epoch}`;
}

/** The table of a group as it begins in an epoch. */
export function tableOfEpoch({ group, epoch, roster }: Book["epochs"][number]): Table {
  const members = roster.map(({ name, counter }) => ({
    box: 100 * (NAMES.indexOf(name) + 1) + counter,
    joined: epoch,
    lapsed: false,
    leaves: false,
  }));
  return { group, epoch, floor: epoch, members, log: [] };
}
