/** What a hostile member does: commits that may not be, and such as are right and do not work. */
import { type Book, certificate, type Change, type Epoch, NAMES } from "./book.ts";
import { foundAnew, send } from "./members.ts";
import { isOpen, type Move } from "./move.ts";
import type { State } from "./state.ts";

/** Commits of which the rules should take none, but for statements that hold. */
export function crimesIn(on: Epoch, who: number, said: number[], book: Book): Change[] {
  const own = on.roster.find(({ name }) => name === NAMES[who]);
  if (own === undefined) return [];
  const { settings, roster } = on;
  const others = roster.filter((one) => one !== own);
  const rise = { ...settings, admins: [own.name] };
  const fresh = NAMES.find((name) => roster.every((one) => one.name !== name)) ?? "zoe";
  const all: Change[] = [
    ...(settings.admins.includes(own.name) ? [] : [{ what: "makes itself the admin", settings: [rise] }]),
    { what: "makes an admin of somebody who is not there", settings: [{ ...settings, admins: [own.name, fresh] }] },
    { what: "gives the team another key", settings: [{ ...settings, key: new Uint8Array(16).fill(9) }] },
    { what: "changes settings twice", settings: [rise, settings] },
    { what: "changes nothing, without a path", odd: { path: "none" } },
    { what: "drops what its leaf announces", odd: { path: "changed" } },
    { what: "has a custom proposal", odd: { hasOthers: true } },
    { what: "says nothing of itself", odd: { data: undefined } },
    { what: "has a malformed statement", odd: { statements: [undefined] } },
    { what: "adds somebody without a certificate", add: [undefined] },
    { what: "removes itself", remove: [own.leaf] },
    { what: "removes nobody's leaf", remove: [99] },
    ...(settings.admins.includes(own.name) ? [] : [{ what: `adds ${fresh}`, add: [certificate(fresh, 1)] }]),
  ];
  for (const { name, leaf, counter } of others) {
    const same = certificate(name, counter);
    const isOfAdmin = settings.admins.includes(own.name) && !settings.admins.includes(name);
    all.push(
      { what: `removes ${name} and changes settings`, remove: [leaf], settings: [rise] },
      { what: `removes ${name} twice`, remove: [leaf, leaf] },
      { what: `adds ${name} twice`, add: [certificate(name, counter + 1)] },
      {
        what: `puts another one in the place of ${name}`,
        remove: [leaf],
        add: [certificate(name, counter + 1, "mallory")],
      },
      {
        what: `adds ${name} and says nobody`,
        remove: [leaf],
        add: [certificate(name, counter + 1)],
        odd: { data: { commitId: "x", added: [], removed: [], statements: [] } },
      },
    );
    if (!isOfAdmin)
      all.push(
        { what: `removes ${name}`, remove: [leaf] },
        { what: `puts ${name} on another leaf`, remove: [leaf], add: [same] },
      );
    for (const at of said) {
      const { kind } = book.statements[at]!;
      if (book.statements[at]!.name !== name) continue;
      all.push({
        what: `${kind === "leave" ? "removes" : "swaps"} ${name} by its word s${at}`,
        remove: [leaf],
        ...(kind === "leave" ? {} : { add: [same] }),
        statements: [at],
      });
    }
  }
  return all;
}

/** Forbidden ones are all the same to those who refuse them, so one of them is sent, after each was judged. */
export function* crimes(state: State, book: Book, who: number): Generator<Move> {
  const { left } = state;
  const on = book.epochs[state.at[who]!];
  if (on === undefined || !isOpen(state, who) || state.pending[who] !== undefined) return;
  if (left.crimes > 0 && left.commits > 0) {
    let hasForbidden = false;
    for (const change of crimesIn(on, who, state.said, book)) {
      const commit = book.commit(on, who, change);
      if (commit.verdict !== undefined) book.refused.set(commit.verdict, (book.refused.get(commit.verdict) ?? 0) + 1);
      if (commit.verdict !== undefined && hasForbidden) continue;
      hasForbidden ||= commit.verdict !== undefined;
      yield crime(book, on, who, change);
    }
    // What is behind it nobody sees; an admin may change who is one in any case.
    const isAdmin = on.settings.admins.includes(NAMES[who]!);
    const hidden = isAdmin ? {} : { settings: [{ ...on.settings, admins: [NAMES[who]!] }] };
    yield crime(book, on, who, { what: "junk, with what only it knows", ...hidden, unfit: -1 });
    for (const [victim, name] of NAMES.entries())
      if (victim !== who && on.roster.some((one) => one.name === name))
        yield crime(book, on, who, { what: `an update that ${name} cannot follow`, unfit: victim });
  }
  if (left.crimes > 0 && left.foundings > 0) {
    const others = on.settings.admins.filter((one) => one !== NAMES[who] && on.roster.some(({ name }) => name === one));
    const first = { ...on.settings, admins: [NAMES[who]!, ...others], replaces: on.group };
    yield {
      who,
      what: "founds the team anew, itself in front",
      act: (step) => foundAnew(step, first),
      costs: { crimes: 1, foundings: 1 },
    };
  }
}

function crime(book: Book, on: Epoch, who: number, change: Change): Move {
  const commit = book.commit(on, who, change);
  const what = `commits c${commit.id}: ${change.what}`;
  return { who, what, act: (step) => send(step, commit), costs: { crimes: 1, commits: 1 } };
}
