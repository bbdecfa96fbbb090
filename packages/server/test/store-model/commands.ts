import * as fc from "fast-check";
import { expect } from "vitest";
import { asDevice, login, registerDevice, registerToken, remove, setPeers } from "./account-commands.ts";
import { advance, compareBlobs, removeBlob, reserve, seal, sweepBlobs } from "./blob-commands.ts";
import { type Command, command } from "./command.ts";
import { claim, publish } from "./key-commands.ts";
import { asCommit, commits, reads, received, sends } from "./mail-commands.ts";
import { DAY } from "./days.ts";
import type { Entry } from "./records.ts";
import { asFounding, changes, founds, listens, offers, says, states, swaps } from "./team-commands.ts";

const pass = (milliseconds: number): Command =>
  command(`${milliseconds} ms pass`, async (model) => {
    model.now += milliseconds;
  });
const wait = fc.constantFrom(1, 1000, 3600_000, DAY, 2 * DAY + 1, 14 * DAY + 1, 88 * DAY).map(pass);
const shortly = fc
  .constantFrom(1, 1000, 1000, 30_000, 30_000, 600_000, 3600_000, DAY, 7 * DAY, 7 * DAY + 1, 88 * DAY)
  .map(pass);
const sweep = fc.constant(
  command("a sweep", async (model, { store }) => {
    model.sweep();
    while ((await store.sweep()).more);
  }),
);
const reopen = fc.constant(command("it is opened again", (_model, real) => real.reopen()));

const weights: [number, fc.Arbitrary<Command>][] = [
  [2, registerToken],
  [4, registerDevice],
  [2, login],
  [1, remove],
  [3, setPeers],
  [10, sends],
  [8, commits],
  [2, received],
  [2, reads],
  [2, claim],
  [1, publish],
  [5, reserve],
  [3, advance],
  [2, seal],
  [1, removeBlob],
  [1, sweepBlobs],
  [2, wait],
  [2, sweep],
  [1, reopen],
];

const ofTeams: [number, fc.Arbitrary<Command>][] = [
  [4, founds],
  [24, says],
  [8, changes],
  [6, swaps],
  [5, states],
  [4, offers],
  [5, listens],
  [2, registerDevice],
  [1, remove],
  [1, setPeers],
  [1, commits],
  [4, received],
  [1, claim],
  [5, shortly],
  [4, sweep],
  [1, reopen],
];

/** Any commands of these, and what has to be there for them. */
export interface Stories {
  prelude: Command[];
  commands: fc.Arbitrary<Command>;
}

/** Two agents that know each other, and are in their second epoch; then anything that can be asked of a store. */
export const pairs: Stories = {
  prelude: [
    asDevice("Alice", 1, 1),
    asDevice("bob", 1, 1),
    asCommit("Alice", false, "bob", true, "g", 0, "open", []),
    asCommit("bob", false, "Alice", false, "g", 0, "first", []),
  ].map(checked),
  commands: anyOf(weights),
};

/** Four agents, three of them in a team. */
export const teams: Stories = {
  prelude: [
    ...["Alice", "bob", "Carol", "dave"].map((own) => asDevice(own, 1, 1)),
    asFounding("Alice", 0, ["bob", "Carol"], "founded"),
  ].map(checked),
  commands: anyOf(ofTeams),
};

function anyOf(some: [number, fc.Arbitrary<Command>][]): fc.Arbitrary<Command> {
  return fc.oneof(...some.map(([weight, arbitrary]) => ({ weight, arbitrary: arbitrary.map(checked) })));
}

function byId(one: { groupId: string }, other: { groupId: string }): number {
  return one.groupId < other.groupId ? -1 : 1;
}

/** Whether the model knows an entry's own message. */
function isShown(kind: Entry["kind"], body: unknown): boolean {
  return kind === "stub" || kind === "direct" || body !== undefined;
}

/** After each of them everything that waits is what waits in the model. */
function checked(inner: Command): Command {
  return {
    check: () => true,
    toString: () => String(inner),
    async run(model, real) {
      await inner.run(model, real);
      const room = { messages: 1000, bytes: 1e9 };
      for (const mailbox of model.boxes.keys()) {
        const { entries } = await real.store.entries(mailbox, 0, room);
        const waiting = model.waiting(mailbox);
        const shown = entries.map(({ kind, from, messageId: own, groupId, reason, pos, body, message }) =>
          [kind, from, own, groupId, reason, pos, body?.text, isShown(kind, body) ? message : ""].join(" "),
        );
        const wanted = waiting.map(({ kind, from, id: own, group: in_, reason, pos, text, message }) =>
          [kind, from, own, in_, reason, pos, text, isShown(kind, text) ? message : ""].join(" "),
        );
        expect(shown).toEqual(wanted);
        real.places.learn(
          waiting.map(({ seq }) => seq),
          entries.map(({ seq }) => seq),
        );
        const { lastRequest, keyPackages, highWater, lastSeq } = await real.store.look(mailbox);
        expect(lastRequest).toBe(model.last.get(mailbox));
        expect(keyPackages).toBe(model.stock(mailbox).length);
        expect(highWater).toBe(real.places.of(model.highWater(mailbox)));
        expect(lastSeq).toBeGreaterThanOrEqual(real.places.highest);
      }
      expect(await real.store.depth()).toBe(model.entries.length);
      await compareBlobs(model, real);
      for (const [own, { kind, username, mailbox }] of model.accounts) {
        expect(await real.store.account(own)).toMatchObject({ kind, username });
        const found = kind === "removed" ? [] : await real.store.teamsOf(mailbox);
        expect(found.toSorted(byId)).toEqual(kind === "removed" ? [] : model.teams.listed(own).toSorted(byId));
      }
      real.look();
    },
  };
}
