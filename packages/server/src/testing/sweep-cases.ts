import { strict as assert } from "node:assert";
import { DAY_MS } from "../store/days.ts";
import { accepted, type StoreCase, StoreWorld } from "./store-world.ts";

/** More than accounts, their packages, and a team take. Bytes. */
const ROOM = 32 * 1024;

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

  async "a team that is forgotten takes along what its members have signed, and what that was charged"(open) {
    const addressBytes = 3 * ROOM;
    await using world = await StoreWorld.open(open, { groupAge: DAY_MS, mailboxAge: DAY_MS, addressBytes });
    world.address = "192.0.2.1";
    const [alice, bob, carol] = [await world.agent("alice"), await world.agent("bob"), await world.agent("carol")];
    const [old, young] = ["o".repeat(64), "y".repeat(64)];
    const sign = (groupId: string) =>
      world.store.keepStatement({ sender: bob.mailbox, groupId, kind: "leave", statement: "x".repeat(2 * ROOM) });
    accepted(await world.found(alice, [bob, carol], old));
    assert.equal(await sign(old), undefined);
    world.now += 10 * DAY_MS;
    for (const { mailbox } of [alice, bob, carol]) await world.store.received(mailbox, Number.MAX_SAFE_INTEGER);
    await world.sweep();
    accepted(await world.found(alice, [bob, carol], young));
    assert.equal(await sign(young), undefined);
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
