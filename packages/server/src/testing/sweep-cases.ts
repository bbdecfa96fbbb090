import { strict as assert } from "node:assert";
import { DAY_MS } from "../store/days.ts";
import { accepted, type StoreCase, StoreWorld } from "./store-world.ts";

/** What one sweep does is there for whatever it decides behind that. */
export const sweepCases: Record<string, StoreCase["run"]> = {
  async "an account that was in a group alone goes with the sweep that forgets the group"(open) {
    await using world = await StoreWorld.open(open, { unusedAccountAge: DAY_MS, groupAge: DAY_MS, mailboxAge: DAY_MS });
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    accepted(await world.open(alice, bob, "g"));
    await world.store.received(bob.mailbox, (await world.store.look(bob.mailbox)).lastSeq);
    world.now += 10 * DAY_MS;
    await world.sweep();
    // One that has sent something is used, and bob has not.
    assert.equal((await world.store.account("alice"))?.kind, "key");
    assert.equal(await world.store.account("bob"), undefined);
  },

  async "a Welcome is kept for no message that expires with the same sweep"(open) {
    await using world = await StoreWorld.open(open, { mailboxAge: DAY_MS });
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    accepted(await world.open(alice, bob, "g"));
    accepted(await world.send(alice, "bob", { groupId: "g", epoch: 1, expiresAt: world.now + 1_000 }));
    world.now += 2 * DAY_MS;
    await world.sweep();
    assert.deepEqual(await world.ids(bob.mailbox), []);
  },
};
