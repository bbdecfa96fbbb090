import { strict as assert } from "node:assert";
import type { KeyAccount } from "../store/store.ts";
import { accepted, assertRefused, type StoreCase, StoreWorld } from "./store-world.ts";

const SMALL = { mailboxMessages: 160, handshakeMessages: 160 };

/** A store's duties to those whom the owner of a mailbox knows, and against everybody else. */
export const peerCases: Record<string, StoreCase["run"]> = {
  async "a peer takes a quarter of what the others leave, and room comes back"(open) {
    await using world = await StoreWorld.open(open, { mailboxMessages: 20 });
    const [alice, carol, bob] = [await world.token("alice"), await world.token("carol"), await world.token("bob")];
    await world.peers(bob, { allow: ["Alice", "carol"] });
    const fill = (from: { mailbox: number }): Promise<number> => world.fill(from, "bob");
    assert.deepEqual([await fill(alice), await fill(carol), await fill(alice)], [5, 3, 0]);
    await world.store.received(bob.mailbox, Number.MAX_SAFE_INTEGER);
    assert.equal(await fill(alice), 5);
  },

  async "strangers of one address cannot fill a mailbox, neither for peers nor for strangers of another"(open) {
    await using world = await StoreWorld.open(open, SMALL);
    const [bob, alice] = [await world.token("bob"), await world.token("alice")];
    await world.peers(bob, { allow: ["alice"] });
    world.address = "192.0.2.1";
    const taken: number[] = [];
    for (let index = 0; index < 28; index++) taken.push(await world.fill(await world.token(`eve-${index}`), "bob"));
    // Half of the room is for strangers, a quarter of that for an address, half of that for an account of it.
    assert.deepEqual(taken.slice(0, 4), [10, 5, 2, 1]);
    assert.equal(
      taken.reduce((sum, count) => sum + count),
      19,
    );
    world.address = "192.0.2.2";
    assert.equal(await world.fill(await world.token("frank"), "bob"), 7);
    assert.equal(await world.fill(alice, "bob"), Math.floor((160 - 26) / 4));
  },

  async "before a recipient that reads little of strangers waits, and nobody of them keeps the next one out"(open) {
    await using world = await StoreWorld.open(open, { strangersAheadBytes: 256 * 1024 });
    const [bob, alice] = [await world.agent("bob"), await world.agent("alice")];
    await world.peers(bob, { allow: ["alice"] });
    const at = (address: string, ...names: string[]) => {
      world.address = address;
      return Promise.all(names.map((name) => world.agent(name)));
    };
    const [eve, mallory, late] = await at("192.0.2.1", "eve", "mallory", "late");
    const [frank] = await at("192.0.2.2", "frank");
    const [grace] = await at("192.0.2.3", "grace");
    const [heidi] = await at("192.0.2.4", "heidi");
    const everybody = [alice, eve, mallory, late, frank, grace, heidi] as KeyAccount[];
    for (const one of everybody) accepted(await world.open(one, bob, one.username));
    const send = async (one: KeyAccount | undefined, length: number) => {
      assert.ok(one !== undefined);
      const sent = await world.send(one, "bob", { groupId: one.username, epoch: 1, message: "x".repeat(length) });
      return "refused" in sent ? sent.refused : "taken";
    };
    const LONG = 40_000;
    // Nobody waits for a mailbox that nobody reads.
    assert.deepEqual([await send(heidi, 300_000), await send(heidi, 300_000)], ["taken", "taken"]);
    await world.store.received(bob.mailbox, Number.MAX_SAFE_INTEGER);
    await world.store.listen(bob.mailbox);
    for (const one of [eve, mallory, frank])
      assert.deepEqual([await send(one, LONG), await send(one, LONG)], ["taken", "recipient_busy"], one?.username);
    // Another account of the crowded address, a short message; another address, a long one; and then only short ones.
    assert.deepEqual([await send(late, 1_000), await send(late, LONG)], ["taken", "recipient_busy"]);
    assert.deepEqual([await send(grace, 200_000), await send(grace, 1_000)], ["taken", "recipient_busy"]);
    assert.deepEqual([await send(heidi, 200_000), await send(heidi, 1_000)], ["recipient_busy", "taken"]);
    assert.deepEqual([await send(alice, 300_000), await send(alice, 300_000)], ["taken", "taken"]);
    await world.store.received(bob.mailbox, Number.MAX_SAFE_INTEGER);
    assert.deepEqual([await send(eve, LONG), await send(heidi, 200_000)], ["taken", "taken"]);
  },

  async "strangers have no more than peers leave"(open) {
    await using world = await StoreWorld.open(open, SMALL);
    const bob = await world.token("bob");
    const names = Array.from({ length: 12 }, (_, index) => `peer-${index}`);
    await world.peers(bob, { allow: names });
    let peers = 0;
    for (const name of names) peers += await world.fill(await world.token(name), "bob");
    const left = 160 - peers;
    assert.ok(left < 80);
    assert.equal(await world.fill(await world.token("eve"), "bob"), Math.floor(Math.floor(left / 4) / 2));
  },

  async "Welcomes and commits of strangers take no room of peers' Welcomes and commits"(open) {
    await using world = await StoreWorld.open(open, SMALL);
    const [bob, alice] = [await world.agent("bob"), await world.agent("alice")];
    await world.peers(bob, { allow: ["alice"] });
    world.address = "192.0.2.1";
    let welcomes = 0;
    let commits = 0;
    for (let index = 0; index < 28; index++) {
      const eve = await world.agent(`eve-${index}`);
      if ("refused" in (await world.open(eve, bob, `g${index}`))) continue;
      welcomes += 1;
      for (let epoch = 1; ; epoch++) {
        const result = await world.commit(eve, `g${index}`, epoch, `c${index}-${epoch}`);
        if ("refused" in result) break;
        commits += 1;
      }
    }
    assert.ok(welcomes <= 20 && commits <= 20, `${welcomes} Welcomes and ${commits} commits`);
    for (let count = 0; count < 16; count++) accepted(await world.open(alice, bob, `a${count}`));
    for (let epoch = 1; epoch <= 20; epoch++) accepted(await world.commit(alice, "a0", epoch, `ac${epoch}`));
  },

  async "who is blocked neither sends, commits nor claims, until it is let in or forgotten"(open) {
    await using world = await StoreWorld.open(open);
    const [alice, bob] = [await world.agent("alice"), await world.agent("Bob")];
    accepted(await world.open(alice, bob, "g"));
    const message = { groupId: "g", epoch: 1 };
    const claim = () => world.store.claimKeys(alice.mailbox, "bob", false);
    for (const lift of [{ allow: ["alice"] }, { clear: "block" as const }, { clear: "all" as const }]) {
      await world.peers(bob, { block: ["ALICE"] });
      assertRefused(await world.send(alice, "bob", message), "blocked");
      assertRefused(await world.commit(alice, "g", 1, "c"), "blocked");
      assertRefused(await world.open(alice, bob, "h"), "blocked");
      assertRefused(await claim(), "blocked");
      // The other way it is open.
      accepted(await world.send(bob, "alice", message));
      await world.peers(bob, lift);
      accepted(await world.send(alice, "bob", message));
    }
    accepted(await claim());
    await world.peers(bob, { allow: ["alice"], block: ["alice"] });
    assertRefused(await claim(), "blocked");
    await world.peers(bob, { clear: "allow" });
    assertRefused(await claim(), "blocked");
  },

  async "peers are the account's, not the device's, and go with the account"(open) {
    await using world = await StoreWorld.open(open);
    const [alice, bob] = [await world.agent("alice"), await world.agent("bob")];
    await world.peers(bob, { block: ["alice"] });
    const { account } = accepted(await world.store.registerDevice(world.newDevice("bob", 2)));
    assertRefused(await world.open(alice, account, "g"), "blocked");
    assertRefused(await world.store.setPeers(bob.mailbox, { clear: "all", allow: [], block: [] }), "device_replaced");
    await world.store.removeAccount(account.mailbox, true);
    accepted(await world.open(alice, await world.agent("bob"), "h"));
  },

  async "of too many peers the newest are kept, and blocks do not push out those who are let in"(open) {
    await using world = await StoreWorld.open(open, { peers: 3, mailboxMessages: 160 });
    const bob = await world.token("bob");
    const of = async (name: string) => world.fill(await world.token(name), "bob");
    await world.peers(bob, { allow: ["one", "two", "three"] });
    await world.peers(bob, { allow: ["one"], block: ["b1", "b2", "b3", "b4"] });
    await world.peers(bob, { allow: ["four"] });
    assert.equal(await of("four"), 40);
    await world.store.received(bob.mailbox, Number.MAX_SAFE_INTEGER);
    assert.equal(await of("one"), 10);
    await world.store.received(bob.mailbox, Number.MAX_SAFE_INTEGER);
    assert.equal(await of("two"), 40);
    assert.equal(await of("b1"), 10);
    assertRefused(await world.send(await world.token("b4"), "bob"), "blocked");
  },
};
