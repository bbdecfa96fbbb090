import { strict as assert } from "node:assert";
import { accepted, assertRefused, type StoreCase, StoreWorld } from "./store-world.ts";

/** What a store must do for administrators. */
export const administrationCases: Record<string, StoreCase["run"]> = {
  async "a disabled account does not log in, send or be written to, and keeps what waits for it"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    const bob = await world.agent("Bob");
    accepted(await world.open(alice, bob, "g", ["1"]));
    assert.deepEqual(await world.administer("disable", "BOB"), { outcome: "done", mailbox: bob.mailbox });
    assert.deepEqual(await world.administer("disable", "bob"), { outcome: "unchanged", mailbox: bob.mailbox });

    const message = { groupId: "g", epoch: 1, messageId: "2" };
    assertRefused(await world.store.login(bob.mailbox, 1), "account_disabled");
    assertRefused(await world.send(bob, "alice", message), "account_disabled");
    assertRefused(await world.send(alice, "bob", message), "account_disabled");
    assertRefused(await world.commit(bob, "g", 1, "c"), "account_disabled");
    assertRefused(await world.commit(alice, "g", 1, "c"), "account_disabled");
    assertRefused(await world.open(alice, bob, "h"), "account_disabled");
    assertRefused(await world.open(bob, alice, "h"), "account_disabled");
    const claim = (by: { mailbox: number }, name: string) => world.store.claimKeys(by.mailbox, name, false);
    assertRefused(await claim(alice, "bob"), "account_disabled");
    assertRefused(await claim(bob, "alice"), "account_disabled");
    assertRefused(await world.store.registerDevice(world.newDevice("Bob", 2)), "account_disabled");

    assert.deepEqual(await world.administer("enable", "bob"), { outcome: "done", mailbox: bob.mailbox });
    assert.equal(await world.store.login(bob.mailbox, 1), undefined);
    accepted(await world.send(alice, "bob", message));
    assert.deepEqual(await world.ids(bob.mailbox), ["open-g", "1", "2"]);
  },

  async "a disabled token account neither sends nor is written to"(open) {
    await using world = await StoreWorld.open(open);
    const [alice, bob] = [await world.token("alice"), await world.token("bob")];
    accepted(await world.send(alice, "bob"));
    await world.administer("disable", "bob");
    const account = await world.store.account("bob");
    assert.ok(account?.kind === "token" && account.disabled);
    assertRefused(await world.send(alice, "bob"), "account_disabled");
    assertRefused(await world.send(bob, "alice"), "account_disabled");
    assert.deepEqual(await world.ids(bob.mailbox), ["m1"]);
  },

  async "an administrator removes an account as it would itself, and can release its name later"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    const bob = await world.agent("bob");
    accepted(await world.open(alice, bob, "g", ["1"]));
    await world.administer("disable", "bob");
    assert.deepEqual(await world.administer("remove", "bob"), { outcome: "done", mailbox: bob.mailbox });
    await world.sweep();
    const [notice] = await world.waiting(alice.mailbox);
    assert.deepEqual([notice?.messageId, notice?.status, notice?.reason], ["1", "dropped", "unregistered"]);
    assertRefused(await world.store.registerToken("bob", new Uint8Array(32), ""), "username_taken");
    assert.equal((await world.administer("enable", "bob")).outcome, "unknown_user");
    assert.equal((await world.administer("remove", "bob")).outcome, "unchanged");
    assert.equal((await world.administer("remove", "bob", true)).outcome, "done");
    assert.equal((await world.administer("remove", "bob", true)).outcome, "unknown_user");
    await world.token("bob");
  },

  async "a device that is gone leaves no key packages behind"(open) {
    await using world = await StoreWorld.open(open);
    const bob = await world.agent("bob");
    await world.administer("remove", "bob");
    const published = await world.store.publishKeys(bob.mailbox, [new Uint8Array(32)], new Uint8Array(32), true);
    assertRefused(published as object, "device_replaced");
    assert.equal((await world.store.look(bob.mailbox)).keyPackages, 0);
    await world.agent("alice");
    assertRefused(await world.store.claimKeys(bob.mailbox, "alice", false), "device_replaced");
  },

  async "what administrators did is written down, and refusals are added up"(open) {
    await using world = await StoreWorld.open(open);
    await world.token("bob");
    await world.administer("backup", "/backups/relay.db");
    const hour = world.now;
    await world.store.countRefusals([{ hour, reason: "expired", who: "bob", count: 2 }]);
    world.now += 1;
    await world.administer("remove", "bob", true);
    await world.store.countRefusals([
      { hour, reason: "expired", who: "bob", count: 3 },
      { hour, reason: "expired", who: "10.0.0.1", count: 1 },
    ]);
    const deed = { kind: "deed", who: "root", outcome: "done" };
    const refusal = { kind: "refusal", hour, reason: "expired" };
    const lines = [
      { ...deed, at: hour, what: "backup", target: "/backups/relay.db" },
      { ...refusal, who: "bob", count: 5 },
      { ...deed, at: hour + 1, what: "remove, release", target: "bob" },
      { ...refusal, who: "10.0.0.1", count: 1 },
    ];
    assert.deepEqual(await world.store.audit(10), lines);
    assert.deepEqual(await world.store.audit(2), lines.slice(2));
  },

  async "the newest 100,000 lines are kept, and refusals do not wash away what administrators did"(open) {
    await using world = await StoreWorld.open(open);
    await world.administer("backup", "/backups/relay.db");
    const counts = Array.from({ length: 100_001 }, (_, index) => ({
      hour: index,
      reason: "rate_limited",
      who: "10.0.0.1",
      count: 1,
    }));
    await world.store.countRefusals(counts);
    const lines = await world.store.audit(200_000);
    assert.ok(lines.length <= 100_000);
    assert.equal(lines[0]?.kind, "deed");
    assert.deepEqual(lines.at(-1), { kind: "refusal", ...counts.at(-1) });
  },
};
