import { BlockedGroups } from "../store/blocked-groups.ts";
import { strict as assert } from "node:assert";
import { administrationCases } from "./administration-cases.ts";
import { budgetCases } from "./budget-cases.ts";
import { blobCases } from "./blob-cases.ts";
import { inviteCases } from "./invite-cases.ts";
import { peerCases } from "./peer-cases.ts";
import { sweepCases } from "./sweep-cases.ts";
import { teamCases } from "./team-cases.ts";
import { teamShareCases } from "./team-share-cases.ts";
import { accepted, assertRefused, type StoreCase, StoreWorld } from "./store-world.ts";

const HOUR = 3600 * 1000;
const DAY = 24 * HOUR;

const cases: Record<string, StoreCase["run"]> = {
  async "names are unique without regard to case"(open) {
    await using world = await StoreWorld.open(open);
    await world.token("Alice");
    assertRefused(await world.store.registerToken("alice", new Uint8Array(32), ""), "username_taken");
    assertRefused(await world.store.registerDevice(world.newDevice("ALICE")), "username_taken");
    assert.equal((await world.store.account("aLICE"))?.username, "Alice");
  },

  async "a login counter only rises"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    assert.equal(await world.store.login(alice.mailbox, 3), undefined);
    for (const counter of [1, 3])
      assert.deepEqual(await world.store.login(alice.mailbox, counter), { refused: "login_counter", highest: 3 });
    assert.equal(await world.store.login(alice.mailbox, 4), undefined);
  },

  async "the last request of a device, a repeat too, is known for as long as the device; refusals do not change it"(
    open,
  ) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    const bob = await world.agent("bob");
    assert.equal((await world.store.look(alice.mailbox)).lastRequest, undefined);
    accepted(await world.open(alice, bob, "g", ["first"]));
    assert.equal((await world.store.look(alice.mailbox)).lastRequest, "open-g");
    const message = { groupId: "g", epoch: 1, message: "m" };
    accepted(await world.send(alice, "bob", { ...message, messageId: "second" }));
    accepted(await world.send(alice, "bob", { ...message, messageId: "third" }));
    accepted(await world.send(alice, "bob", { ...message, messageId: "second" }));
    assertRefused(await world.send(alice, "bob", { ...message, epoch: 9, messageId: "fourth" }), "stale_epoch");
    world.now += 90 * DAY;
    await world.sweep();
    assert.equal((await world.store.look(alice.mailbox)).lastRequest, "second");
    assert.equal((await world.store.look(bob.mailbox)).lastRequest, undefined);
  },

  async "who gives a mailbox up hears whether nobody has taken it over"(open) {
    await using world = await StoreWorld.open(open);
    const { mailbox } = await world.token("alice");
    const [before, after] = [await world.store.listen(mailbox), await world.store.listen(mailbox)];
    assert.ok(after.claim > before.claim);
    assert.equal(await world.store.unlisten(mailbox, before.claim), false);
    assert.equal(await world.store.unlisten(mailbox, after.claim), true);
    assert.equal(await world.store.unlisten(mailbox, after.claim), false);
  },

  async "entries come in order, as much as fits, and are deleted by their position"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.token("alice");
    const bob = await world.token("bob");
    await Promise.all(Array.from({ length: 10 }, () => world.send(alice, "bob")));
    const ids = Array.from({ length: 10 }, (_, index) => `m${index + 1}`);
    assert.deepEqual(await world.ids(bob.mailbox), ids);
    const first = await world.store.entries(bob.mailbox, 0, { messages: 4, bytes: 1e6 });
    assert.deepEqual([first.entries.length, first.more], [4, true]);
    const one = await world.store.entries(bob.mailbox, 0, { messages: 4, bytes: 1 });
    assert.deepEqual([one.entries.length, one.more], [1, true]);
    const last = first.entries.at(-1)?.seq ?? 0;
    assert.equal(await world.store.received(bob.mailbox, last), 4);
    assert.equal(await world.store.received(bob.mailbox, last), 0);
    assert.deepEqual(await world.ids(bob.mailbox), ids.slice(4));
    assert.equal(await world.store.depth(), 6);
  },

  async "positions are never used again, even when a mailbox is empty"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.token("alice");
    await world.send(alice, "alice");
    const before = (await world.store.look(alice.mailbox)).highWater;
    await world.store.received(alice.mailbox, before);
    assert.equal((await world.store.look(alice.mailbox)).highWater, 0);
    await world.send(alice, "alice");
    assert.ok((await world.store.look(alice.mailbox)).highWater > before);
  },

  async "the highest position of a mailbox is that of an entry that may still be pushed"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.token("alice");
    await world.send(alice, "alice");
    const before = (await world.store.look(alice.mailbox)).highWater;
    await world.send(alice, "alice", { expiresAt: world.now + 1_000 });
    assert.ok((await world.store.look(alice.mailbox)).highWater > before);
    world.now += 2_000;
    assert.equal((await world.store.look(alice.mailbox)).highWater, before);
  },

  async "what is received soon is gone for whoever asks next"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.token("alice");
    await world.send(alice, "alice");
    const { promise: deleted, resolve } = Promise.withResolvers<number>();
    world.store.receivedSoon(alice.mailbox, Number.MAX_SAFE_INTEGER, resolve);
    assert.deepEqual(await world.ids(alice.mailbox), []);
    assert.equal(await deleted, 1);
  },

  async "entries are announced in order, before their requests are answered"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.token("alice");
    const answers = [1, 2, 3].map(async () => {
      await world.send(alice, "alice");
      return world.stored.length;
    });
    assert.deepEqual(await Promise.all(answers), [3, 3, 3]);
    assert.deepEqual(
      world.stored.map(({ messageId }) => messageId),
      ["m1", "m2", "m3"],
    );
  },

  async "a message id is remembered for a day; a refused one is not"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.token("alice");
    const send = (message: string, extra = {}) => world.send(alice, "alice", { messageId: "id", message, ...extra });
    assertRefused(await send("x", { expiresAt: world.now }), "expired");
    assert.equal(accepted(await send("x")).waiting, true);
    assert.equal(accepted(await send("x")).waiting, true);
    assertRefused(await send("y"), "message_id_reused");
    await world.store.received(alice.mailbox, Number.MAX_SAFE_INTEGER);
    world.now += DAY;
    await world.sweep();
    assert.equal(accepted(await send("x")).waiting, false);
    assert.deepEqual(await world.ids(alice.mailbox), []);
  },

  async "a refused message blocks its group for what follows it in the same turn"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    const bob = await world.agent("bob");
    accepted(await world.open(alice, bob, "g"));
    const blocked = new BlockedGroups();
    const results = await Promise.all(
      [1, 5, 1].map((epoch) => world.send(alice, "bob", { groupId: "g", epoch }, blocked)),
    );
    assert.ok("messageId" in (results[0] ?? {}));
    assertRefused(results[1], "stale_epoch");
    assertRefused(results[2], "send_blocked");
    assert.deepEqual([...blocked], ["g"]);
  },

  async "of commits at once for one epoch one is admitted"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    const bob = await world.agent("bob");
    accepted(await world.open(alice, bob, "g"));
    const [first, second] = await Promise.all([world.commit(alice, "g", 1, "a"), world.commit(bob, "g", 1, "b")]);
    accepted(first ?? {});
    assertRefused(second, "epoch_taken");
    assert.deepEqual(await world.ids(bob.mailbox), ["open-g", "a"]);
    assert.deepEqual(await world.ids(alice.mailbox), []);
    accepted(await world.commit(alice, "g", 1, "a"));
    assertRefused(await world.commit(alice, "g", 1, "a", "other"), "message_id_reused");
  },

  async "a commit that is refused stores nothing of it"(open) {
    await using world = await StoreWorld.open(open, { mailboxMessages: 8 });
    const alice = await world.agent("alice");
    const bob = await world.agent("bob");
    await world.peers(bob, { allow: ["alice"] });
    assertRefused(await world.open(alice, bob, "g", ["1", "2", "3"]), "mailbox_full");
    assert.deepEqual(await world.waiting(bob.mailbox), []);
    accepted(await world.open(alice, bob, "g", ["1", "2"]));
    assertRefused(await world.open(alice, bob, "g"), "message_id_reused");
  },

  async "key packages are handed out once, and an unused claim again"(open) {
    await using world = await StoreWorld.open(open);
    const [alice, carol, dave] = [await world.agent("alice"), await world.agent("carol"), await world.agent("dave")];
    const bob = await world.agent("bob");
    const claim = async (by: { mailbox: number }) => accepted(await world.store.claimKeys(by.mailbox, "bob", false));
    const [first, second] = await Promise.all([claim(alice), claim(carol)]);
    assert.notDeepEqual(first.keyPackage, second.keyPackage);
    assert.deepEqual((await claim(alice)).keyPackage, first.keyPackage);
    assert.equal((await claim(dave)).lastResort, true);
    assert.equal((await world.store.look(bob.mailbox)).keyPackages, 0);
    accepted(await world.open(alice, bob, "g"));
    assert.equal((await claim(alice)).lastResort, true);
  },

  async "what a device may take of another's key packages, and publish, comes back with time, and not all at once"(
    open,
  ) {
    await using world = await StoreWorld.open(open, { claimsPerHour: 2, publishesPerHour: 2 });
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    const claim = (another = true) => world.store.claimKeys(alice.mailbox, "bob", another);
    const publish = () => world.store.publishKeys(bob.mailbox, [], new Uint8Array(32), false);
    accepted(await claim());
    // What it has already costs nothing.
    accepted(await claim(false));
    accepted(await claim());
    assert.deepEqual(await claim(), { refused: "rate_limited", retryAfterMs: HOUR / 2 });
    for (const asked of [await publish(), await publish()]) assert.equal(typeof asked, "number");
    assert.deepEqual(await publish(), { refused: "rate_limited", retryAfterMs: HOUR / 2 });
    world.now += HOUR / 2;
    await world.sweep();
    accepted(await claim());
    assertRefused(await claim(), "rate_limited");
    assert.equal(typeof (await publish()), "number");
    world.now += 10 * HOUR;
    await world.sweep();
    for (const asked of [await claim(), await claim()]) accepted(asked);
    assertRefused(await claim(), "rate_limited");
  },

  async "whoever registers the name of a removed account hears nothing of what that had sent"(open) {
    await using world = await StoreWorld.open(open);
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    accepted(await world.open(alice, bob, "g", ["m1"]));
    await world.store.removeAccount(alice.mailbox, true);
    const other = accepted(await world.store.registerDevice(world.newDevice("alice", 2, "another"))).account;
    world.now += 15 * DAY;
    await world.sweep();
    assert.deepEqual(await world.waiting(bob.mailbox), []);
    assert.deepEqual(await world.waiting(other.mailbox), []);
  },

  async "expired messages become notices for full agents"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    const bob = await world.agent("Bob");
    accepted(await world.open(alice, bob, "g"));
    await world.send(alice, "bob", { groupId: "g", epoch: 1, messageId: "short", expiresAt: world.now + 10 });
    await world.send(alice, "bob", { groupId: "g", epoch: 1, messageId: "long", expiresAt: world.now + HOUR });
    world.now += 10;
    await world.sweep();
    assert.deepEqual(await world.ids(bob.mailbox), ["open-g", "long"]);
    const [notice] = await world.waiting(alice.mailbox);
    assert.deepEqual(
      [notice?.kind, notice?.from, notice?.messageId, notice?.status, notice?.reason],
      ["notice", "Bob", "short", "expired", "expired"],
    );
  },

  async "old messages expire; a Welcome stays while messages need it"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    const bob = await world.agent("bob");
    accepted(await world.open(alice, bob, "g", ["old"]));
    accepted(await world.open(alice, bob, "h"));
    world.now += 13 * DAY;
    await world.send(alice, "bob", { groupId: "g", epoch: 1, messageId: "young" });
    world.now += 2 * DAY;
    await world.sweep();
    assert.deepEqual(await world.ids(bob.mailbox), ["open-g", "young"]);
    const [notice] = await world.waiting(alice.mailbox);
    assert.deepEqual([notice?.messageId, notice?.reason], ["old", "mailbox_age"]);
  },

  async "what a replaced or removed device leaves comes back to its senders"(open) {
    await using world = await StoreWorld.open(open);
    const alice = await world.agent("alice");
    const bob = await world.agent("bob");
    accepted(await world.open(alice, bob, "g", ["1"]));
    const replaced = accepted(await world.store.registerDevice(world.newDevice("bob", 2)));
    assert.equal(replaced.replaced, bob.mailbox);
    assert.equal((await world.store.device("bob", "bob-1"))?.active, false);
    accepted(await world.open(alice, replaced.account, "h", ["2"]));
    await world.sweep();
    assertRefused(await world.send(alice, "bob", { groupId: "g", epoch: 1 }), "device_replaced");
    assert.equal(await world.store.removeAccount(replaced.account.mailbox, false), true);
    await world.sweep();
    const notices = await world.waiting(alice.mailbox);
    assert.deepEqual(
      notices.map(({ messageId, status, reason }) => [messageId, status, reason]),
      [
        ["1", "dropped", "device_replaced"],
        ["2", "dropped", "unregistered"],
      ],
    );
    assert.equal(await world.store.depth(), 2);
    assert.equal((await world.store.account("bob"))?.kind, "removed");
    assertRefused(await world.open(alice, replaced.account, "i"), "unknown_user");
  },

  async "what waits for an unknown name is for the token account that takes it"(open) {
    await using world = await StoreWorld.open(open, { unknownUserMessages: 2 });
    const alice = await world.token("alice");
    await world.send(alice, "Later");
    await world.send(alice, "never");
    assertRefused(await world.send(alice, "later"), "sender_quota");
    assert.deepEqual(await world.ids((await world.token("later")).mailbox), ["m1"]);
    accepted(await world.send(alice, "nobody"));
    assert.deepEqual(await world.ids((await world.agent("never")).mailbox), []);
  },
};

/** What every relay store must do. Run each case against a factory of empty stores, with any test runner. */
export const relayStoreCases: StoreCase[] = Object.entries({
  ...cases,
  ...peerCases,
  ...sweepCases,
  ...teamCases,
  ...teamShareCases,
  ...budgetCases,
  ...administrationCases,
  ...blobCases,
  ...inviteCases,
}).map(([name, run]) => ({
  name,
  run,
}));
