/** Goes through all states that can be reached, those first that are nearest: what is found wrong is found by a shortest way. */
import { Book, certificate, FIRST, NAMES } from "./book.ts";
import { apart, check, isConcerned, Violation } from "./check.ts";
import { tableOfEpoch } from "./lies.ts";
import type { Move } from "./move.ts";
import { make, mending, moves } from "./moves.ts";
import type { Rules } from "./rules.ts";
import { Seen } from "./seen.ts";
import { BOUNDS, type State, textOf } from "./state.ts";
import type { World } from "./worlds.ts";

/** Steps after which whoever is not well yet never will be. */
const PATIENCE = 60;
/** And those for which an admin waits to be taken in. */
const LONG = 20;

export interface Found {
  states: number;
  depth: number;
  edges: number;
  /** The last states have nothing behind them; false: there were more than could be looked at. */
  isWhole: boolean;
  violation?: { text: string; trace: string[] };
  refused: ReadonlyMap<string, number>;
}

export function search(
  world: World,
  rules: Rules,
  { most, onDepth }: { most: number; onDepth?: (depth: number, states: number) => void },
): Found {
  const book = new Book(rules, world.hostile === undefined && world.bounds.lies === 0);
  const start = startOf(world, book);
  const seen = new Seen();
  const well = new Seen();
  seen.add(keyOf(start), -1, 0);
  let layer: { state: State; id: number }[] = [{ state: start, id: 0 }];
  let [depth, edges] = [0, 0];
  const found = (rest: Partial<Found>): Found => ({
    states: seen.size,
    depth,
    edges,
    isWhole: true,
    refused: book.refused,
    ...rest,
  });
  const trace = (id: number, more: number | undefined): string[] =>
    replay(start, { book, world }, [...seen.pathTo(id), ...(more === undefined ? [] : [more])]);

  for (; layer.length > 0; depth++) {
    onDepth?.(depth, seen.size);
    const next: typeof layer = [];
    for (const { state, id } of layer) {
      let at = -1;
      try {
        const way = mend(state, { book, world, well });
        if (way !== undefined)
          return found({ violation: { text: way.text, trace: [...trace(id, undefined), ...way.trace] } });
        for (const move of moves(state, book, world)) {
          at++;
          const made = make(state, book, move);
          if (made === undefined) continue;
          edges++;
          const isHonestRelay = made.next.left.lies === world.bounds.lies;
          check(made.next, book, { hostile: world.hostile, isHonestRelay });
          const place = seen.add(keyOf(made.next), id, at);
          if (place !== undefined) next.push({ state: made.next, id: place });
        }
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        return found({ violation: { text: error.message, trace: trace(id, at < 0 ? undefined : at) } });
      }
      if (seen.size >= most) return found({ isWhole: false });
    }
    layer = next;
  }
  return found({});
}

function keyOf(state: State): string {
  return `${textOf(state)}|${BOUNDS.map((bound) => state.left[bound]).join()}`;
}

/** Whether there is a way back to all honest members in one group, if nothing goes wrong any more. @returns why not */
function mend(
  from: State,
  { book, world, well }: { book: Book; world: World; well: Seen },
): { text: string; trace: string[] } | undefined {
  const trace: string[] = ["-- and from here on nothing goes wrong any more:"];
  let state = from;
  for (let step = 0; step < PATIENCE; step++) {
    if (
      well.add(textOf(state), -1, 0) === undefined ||
      apart(state, book, { hostile: world.hostile, isStrict: true }) === undefined
    )
      return undefined;
    const move = mending(state, book, { world, isLong: step > LONG });
    if (move === undefined) break;
    try {
      const made = make(state, book, move)!;
      trace.push(told(move, made.said));
      state = made.next;
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return { text: error.message, trace: [...trace, told(move, error.message)] };
    }
  }
  const text = apart(state, book, world);
  return text === undefined || isClosed(state, book, world)
    ? undefined
    : { text: `there is no way back: ${text}`, trace };
}

/** No honest admin is left who could found the team anew: that is its owners' to do. */
function isClosed(state: State, book: Book, { hostile }: World): boolean {
  return NAMES.every(
    (name, who) =>
      who === hostile ||
      !isConcerned(state, book, who, hostile) ||
      !(book.epochs[state.at[who]!]?.settings.admins.includes(name) ?? false),
  );
}

function startOf({ members, admins, bounds }: World, book: Book): State {
  const settings = { key: new Uint8Array(16), name: "team", about: "", foundedAt: 1, admins, replaces: "" };
  const roster = members.map((who) => certificate(NAMES[who]!, 1));
  const epoch = book.founding(settings, roster, { epoch: FIRST, salt: "first" });
  // Words of long ago, of leaves that are still there.
  const old = epoch.roster
    .slice(1)
    .flatMap(({ name, device, leaf }) =>
      (["leave", "rejoin"] as const).map((kind) =>
        book.statement({ kind, group: epoch.group, name, device, epoch: FIRST - 64, leaf: epoch.digests.get(leaf)! }),
      ),
    );
  const of = <T>(there: T, elsewhere: T) => NAMES.map((_, who) => (members.includes(who) ? there : elsewhere));
  return {
    relay: [tableOfEpoch(epoch)],
    box: NAMES.map(() => []),
    device: NAMES.map(() => 1),
    phase: of("open", "never"),
    at: of(epoch.id, -1),
    pending: NAMES.map(() => undefined),
    accused: NAMES.map(() => []),
    before: NAMES.map(() => -1),
    offered: NAMES.map(() => -1),
    aside: NAMES.map(() => -1),
    wishes: [],
    said: old,
    left: bounds,
  };
}

/** Tells a way again, by the places of its moves among those that there were. */
function replay(start: State, { book, world }: { book: Book; world: World }, path: number[]): string[] {
  let state = start;
  return path.map((at) => {
    const move = [...moves(state, book, world)][at]!;
    try {
      const made = make(state, book, move)!;
      state = made.next;
      return told(move, made.said);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return told(move, error.message);
    }
  });
}

function told({ who, what }: Move, said: string): string {
  return `${who < 0 ? "the relay" : NAMES[who]} ${what}: ${said}`;
}
