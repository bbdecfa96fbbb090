import { strict as assert } from "node:assert";
import { accepted, assertRefused, type StoreCase, StoreWorld } from "./store-world.ts";

const DAY = 24 * 3600 * 1000;
const KIB = 1024;

/** A store's duties so that nobody takes its disk for long: budgets, and an end for what is not used. */
export const budgetCases: Record<string, StoreCase["run"]> = {
  async "accounts of one address leave so much lying here, and room comes back when it is read"(open) {
    await using world = await StoreWorld.open(open, { addressBytes: 64 * KIB });
    const bob = await world.token("bob");
    world.address = "192.0.2.1";
    const eves = await Promise.all(["eve-1", "eve-2", "eve-3"].map((name) => world.token(name)));
    await world.peers(bob, { allow: ["eve-1", "eve-2", "eve-3", "frank"] });
    const message = "x".repeat(7 * KIB);
    const fill = async () => {
      let taken = 0;
      for (let turn = 0; turn < 12; turn++)
        if (!("refused" in (await world.send(eves[turn % 3]!, "bob", { message })))) taken += 1;
      return taken;
    };
    assert.equal(await fill(), 8);
    assertRefused(await world.send(eves[0]!, "bob", { message }), "storage_quota");
    world.address = "192.0.2.2";
    accepted(await world.send(await world.token("frank"), "bob", { message }));
    await world.store.received(bob.mailbox, Number.MAX_SAFE_INTEGER);
    assert.equal(await fill(), 8);
  },

  async "what one account leaves is bounded, whatever its address has left"(open) {
    await using world = await StoreWorld.open(open, { accountBytes: 20 * KIB });
    const [eve, frank] = [await world.token("eve"), await world.token("frank")];
    const message = "x".repeat(6 * KIB);
    for (const to of ["bob-1", "bob-2", "bob-3"])
      accepted(await world.send(eve, (await world.token(to)).username, { message }));
    assertRefused(await world.send(eve, "bob-1", { message }), "storage_quota");
    accepted(await world.send(frank, "bob-1", { message }));
    const read = await world.store.account("bob-2");
    await world.store.received(read?.kind === "token" ? read.mailbox : 0, Number.MAX_SAFE_INTEGER);
    accepted(await world.send(eve, "bob-1", { message }));
  },

  async "key packages, groups and peers are charged to the address of their account, until they go"(open) {
    await using world = await StoreWorld.open(open, { addressBytes: 4 * KIB });
    const bob = await world.agent("bob");
    world.address = "192.0.2.1";
    const eve = await world.agent("eve");
    assertRefused((await world.store.publishKeys(eve.mailbox, stock(5), undefined, false)) as object, "storage_quota");
    assert.equal(await world.store.publishKeys(eve.mailbox, stock(3), undefined, false), 5);
    // The stock that is replaced is given back, and needs no room beside what takes its place.
    assert.equal(await world.store.publishKeys(eve.mailbox, stock(3, 10), undefined, true), 3);
    assertRefused(
      (await world.store.publishKeys(eve.mailbox, stock(9, 20), undefined, true)) as object,
      "storage_quota",
    );
    const names = Array.from({ length: 12 }, (_, index) => `name-${index}`);
    const peers = { clear: undefined, allow: names, block: [] };
    assertRefused(await world.store.setPeers(eve.mailbox, peers), "storage_quota");
    accepted(await world.open(eve, bob, "g"));
    accepted(await world.open(eve, bob, "h"));
    assertRefused(await world.open(eve, bob, "i"), "storage_quota");
    world.now += 89 * DAY;
    await world.sweep();
    assert.equal(await world.store.setPeers(eve.mailbox, peers), undefined);
    await world.store.removeAccount(eve.mailbox, true);
    await world.sweep();
    await world.peers(await world.agent("eve"), { allow: [...names, ...names.map((name) => `${name}-2`)] });
  },

  async "one address registers so many names, and a reserved one counts until it is released"(open) {
    await using world = await StoreWorld.open(open, { addressAccounts: 2 });
    const register = (name: string, address: string) => world.store.registerToken(name, new Uint8Array(32), address);
    const one = accepted(await register("one", "192.0.2.1"));
    world.address = "192.0.2.1";
    const two = await world.agent("two");
    assertRefused(await register("three", "192.0.2.1"), "storage_quota");
    assertRefused(await world.store.registerDevice(world.newDevice("three")), "storage_quota");
    // Another device of one that is known is no other name.
    accepted(await world.store.registerDevice(world.newDevice("two", 2)));
    accepted(await register("three", "192.0.2.2"));
    await world.store.removeAccount(one.mailbox, false);
    assertRefused(await register("four", "192.0.2.1"), "storage_quota");
    await world.administer("remove", "one", true);
    accepted(await register("four", "192.0.2.1"));
    assert.equal(await world.store.removeAccount(two.mailbox, true), false);
  },

  async "a group that rests for too long is forgotten, and its id with it; one that is used is not"(open) {
    await using world = await StoreWorld.open(open);
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    accepted(await world.open(alice, bob, "used"));
    accepted(await world.open(alice, bob, "rests"));
    for (let month = 0; month < 4; month++) {
      world.now += 30 * DAY;
      accepted(await world.send(bob, "alice", { groupId: "used", epoch: 1 }));
      await world.sweep();
    }
    accepted(await world.send(alice, "bob", { groupId: "used", epoch: 1 }));
    assertRefused(await world.send(alice, "bob", { groupId: "rests", epoch: 1 }), "not_a_member");
    accepted(await world.open(alice, bob, "rests"));
  },

  async "the id of a group that has ended is taken for as long as mail of it could wait"(open) {
    await using world = await StoreWorld.open(open);
    const [alice, bob, carol] = [await world.agent("alice"), await world.agent("bob"), await world.agent("carol")];
    accepted(await world.open(alice, bob, "g"));
    await world.store.removeAccount(bob.mailbox, false);
    await world.sweep();
    world.now += 14 * DAY;
    await world.sweep();
    assertRefused(await world.open(alice, carol, "g"), "group_exists");
    world.now += DAY;
    assertRefused(await world.open(carol, alice, "g"), "group_exists");
    world.now += 2 * DAY;
    await world.sweep();
    accepted(await world.open(carol, alice, "g"));
  },

  async "an account goes in no time, however many groups it is in: they end some at a time, and nobody sends in them meanwhile"(
    open,
  ) {
    await using world = await StoreWorld.open(open, { handshakeMessages: 1_000_000, groups: 10_000 });
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    const GROUPS = 1_200;
    for (let group = 0; group < GROUPS; group++) {
      accepted(await world.open(alice, bob, `g${group}`));
      if (group % 10 === 9) await world.store.received(bob.mailbox, Number.MAX_SAFE_INTEGER);
    }
    await world.store.removeAccount(bob.mailbox, true);
    const again = await world.agent("bob");
    assertRefused(await world.send(alice, "bob", { groupId: "g0", epoch: 1 }), "not_a_member");
    let sweeps = 1;
    for (; (await world.store.sweep()).more; sweeps++)
      assertRefused(await world.send(alice, "bob", { groupId: `g${GROUPS - 1}`, epoch: 1 }), "not_a_member");
    assert.ok(sweeps > 3, `${sweeps} sweeps for ${GROUPS} groups`);
    world.now += 16 * DAY;
    await world.sweep();
    accepted(await world.open(alice, again, "g0"));
  },

  async "who opens too many groups loses those that were not used for longest"(open) {
    await using world = await StoreWorld.open(open, { groups: 3, handshakeMessages: 1000 });
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    for (const group of ["1", "2", "3"]) accepted(await world.open(alice, bob, group));
    world.now += DAY;
    accepted(await world.send(alice, "bob", { groupId: "1", epoch: 1 }));
    for (const group of ["4", "5"]) accepted(await world.open(alice, bob, group));
    // Nobody else's room is taken by it.
    accepted(await world.open(bob, alice, "6"));
    for (const group of ["1", "4", "5", "6"]) accepted(await world.send(alice, "bob", { groupId: group, epoch: 1 }));
    for (const group of ["2", "3"])
      assertRefused(await world.send(alice, "bob", { groupId: group, epoch: 1 }), "not_a_member");
  },

  async "an account with which nothing was ever done is removed, and its name is free"(open) {
    await using world = await StoreWorld.open(open);
    const [idle, late, waits] = [await world.agent("idle"), await world.agent("late"), await world.agent("waits")];
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    await world.token("script");
    const used = await world.token("used");
    world.store.entered(used.mailbox);
    assert.equal(await world.store.login(idle.mailbox, 1), undefined);
    accepted(await world.open(alice, bob, "g"));
    world.now += 60 * DAY;
    assert.equal(await world.store.login(late.mailbox, 1), undefined);
    // An agent that nobody has written to yet renews its last resort, however long it has been connected.
    assert.equal(await world.store.publishKeys(waits.mailbox, [], stock(1)[0], false), 2);
    accepted(await world.send(alice, "bob", { groupId: "g", epoch: 1 }));
    world.now += 31 * DAY;
    await world.sweep();
    const kinds = ["idle", "script", "late", "waits", "alice", "bob", "used"].map(
      async (name) => (await world.store.account(name))?.kind,
    );
    assert.deepEqual(await Promise.all(kinds), [undefined, undefined, "key", "key", "key", "key", "token"]);
  },

  async "the mailbox of a name that nobody has goes with its last message"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.token("alice");
    const send = async (extra: { expiresAt?: number } = {}): Promise<number | undefined> => {
      accepted(await world.send(alice, "nobody", extra));
      return world.stored.at(-1)?.mailbox;
    };
    const first = await send({ expiresAt: world.now + 1000 });
    await send();
    world.now += 1000;
    await world.sweep();
    assert.equal(await send(), first);
    world.now += 15 * DAY;
    await world.sweep();
    assert.notEqual(await send(), first);
    assert.deepEqual((await world.ids((await world.token("nobody")).mailbox)).length, 1);
  },

  async "of many replaced devices the newest are still known"(open) {
    await using world = await StoreWorld.open(open, { devices: 2 });
    for (let counter = 1; counter <= 5; counter++)
      accepted(await world.store.registerDevice(world.newDevice("bob", counter)));
    await world.sweep();
    const known = [1, 2, 3, 4, 5].map(async (counter) => (await world.store.device("bob", `bob-${counter}`))?.active);
    assert.deepEqual(await Promise.all(known), [undefined, undefined, false, false, true]);
  },

  async "a claim that is not used is held for a day"(open) {
    await using world = await StoreWorld.open(open);
    const [alice] = [await world.agent("alice"), await world.agent("bob")];
    const claim = async () => accepted(await world.store.claimKeys(alice.mailbox, "bob", false)).keyPackage;
    const first = await claim();
    world.now += DAY - 1;
    assert.deepEqual(await claim(), first);
    world.now += 1;
    assert.notDeepEqual(await claim(), first);
  },

  async "so many requests are known again, the newest"(open) {
    await using world = await StoreWorld.open(open, { rememberedRequests: 3 });
    const alice = await world.token("alice");
    const send = (messageId: string) => world.send(alice, "alice", { messageId, message: "m" });
    for (const id of ["1", "2", "3", "4"]) {
      await send(id);
      world.now += 1;
    }
    await world.sweep();
    await world.store.received(alice.mailbox, Number.MAX_SAFE_INTEGER);
    const repeats = [];
    for (const id of ["2", "3", "4", "1"]) repeats.push(accepted(await send(id)).waiting);
    assert.deepEqual(repeats, [false, false, false, true]);
  },
};

function stock(count: number, first = 1): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => new Uint8Array(1000).fill(index + first));
}
