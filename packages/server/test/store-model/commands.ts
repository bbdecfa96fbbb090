import * as fc from "fast-check";
import { expect } from "vitest";
import { asDevice, login, registerDevice, registerToken, remove, setPeers } from "./account-commands.ts";
import { advance, compareBlobs, removeBlob, reserve, seal, sweepBlobs } from "./blob-commands.ts";
import { type Command, command } from "./command.ts";
import { claim, publish } from "./key-commands.ts";
import { asCommit, commits, reads, received, sends } from "./mail-commands.ts";
import { DAY } from "./days.ts";

const wait = fc.constantFrom(1, 1000, 3600_000, DAY, 2 * DAY + 1, 14 * DAY + 1, 88 * DAY).map((milliseconds) =>
  command(`${milliseconds} ms pass`, async (model) => {
    model.now += milliseconds;
  }),
);
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

/** Two agents that know each other, and are in their second epoch. */
export const prelude: Command[] = [
  asDevice("Alice", 1, 1),
  asDevice("bob", 1, 1),
  asCommit("Alice", false, "bob", true, "g", 0, "open", []),
  asCommit("bob", false, "Alice", false, "g", 0, "first", []),
];

/** Anything that can be asked of a store. */
export const commands: fc.Arbitrary<Command> = fc.oneof(
  ...weights.map(([weight, arbitrary]) => ({ weight, arbitrary: arbitrary.map(checked) })),
);

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
        const shown = entries.map(({ seq, kind, from, messageId, groupId, reason }) =>
          [seq, kind, from, messageId, groupId, reason].join(" "),
        );
        const wanted = model
          .waiting(mailbox)
          .map(({ seq, kind, from, id: own, group: in_, reason }) => [seq, kind, from, own, in_, reason].join(" "));
        expect(shown).toEqual(wanted);
        expect(await real.store.lastRequest(mailbox)).toBe(model.last.get(mailbox));
        expect(await real.store.countKeys(mailbox)).toBe(model.stock(mailbox).length);
        expect(await real.store.highWater(mailbox)).toBe(model.highWater(mailbox));
      }
      expect(await real.store.depth()).toBe(model.entries.length);
      expect(await real.store.lastSeq()).toBe(model.seq);
      await compareBlobs(model, real);
      for (const [own, { kind, username }] of model.accounts)
        expect(await real.store.account(own)).toMatchObject({ kind, username });
    },
  };
}
