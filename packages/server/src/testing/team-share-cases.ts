import { strict as assert } from "node:assert";
import type { KeyAccount } from "../store/store.ts";
import { accepted, assertRefused, type StoreCase, StoreWorld } from "./store-world.ts";
import { agents, OTHER, read, team, TEAM } from "./team-cases.ts";

const DAY = 24 * 3600 * 1000;

/** Somebody who has said something there. */
async function settled(world: StoreWorld, member: KeyAccount): Promise<void> {
  await read(world, member);
  accepted(await world.say(member, TEAM, 2, `hello-${member.name}`));
}

/** A file of somebody's own that is whole. */
async function file(world: StoreWorld, { mailbox }: KeyAccount, requestId: string) {
  const token = Buffer.alloc(32, 1);
  const asked = { mailbox, requestId, bytes: 100, readers: 1, readHash: token, tokenHash: token, ttl: undefined };
  const { id } = accepted(await world.store.blobs.reserve(asked));
  await world.store.blobs.seal(id);
  return { blob: id, token: token.toString("base64"), bytes: 100, sha256: token.toString("base64") };
}

/** Cases of the acceptance suite about what whoever is in a team takes of others' room, and who is in one. */
export const teamShareCases: Record<string, StoreCase["run"]> = {
  async "whoever registers the name of an account that was removed is in none of its teams"(open) {
    await using world = await StoreWorld.open(open, { accountGroups: 1 });
    const { alice, bob } = await team(world);
    await world.store.removeAccount(bob.mailbox, true);
    await world.sweep();
    const other = accepted(await world.store.registerDevice(world.newDevice("bob", 2, "another"))).account;
    assert.deepEqual(await world.store.teamsOf(other.mailbox), []);
    for (const kind of ["leave", "rejoin"] as const) {
      const asked = { sender: other.mailbox, groupId: TEAM, kind, statement: "c2lnbmVk" };
      assertRefused(await world.store.keepStatement(asked), "not_a_member");
    }
    // Nor do they count among its own.
    accepted(await world.found(other, [await world.agent("dave")], OTHER));
    assert.deepEqual(accepted(await world.say(alice, TEAM, 2, "m1")).team?.lapsed, ["bob"]);
    accepted(await world.change(alice, TEAM, 2, { remove: [bob] }));
  },

  async "what an account has said of leaving is still to be done when it is removed, and it is taken in again by nobody"(
    open,
  ) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    const asked = { groupId: TEAM, statement: "c2lnbmVk" };
    assert.equal(await world.store.keepStatement({ ...asked, sender: bob.mailbox, kind: "leave" }), undefined);
    assert.equal(await world.store.keepStatement({ ...asked, sender: carol.mailbox, kind: "rejoin" }), undefined);
    for (const { mailbox } of [bob, carol]) await world.store.removeAccount(mailbox, false);
    await world.sweep();
    await world.store.listen(alice.mailbox);
    const { offers } = await world.store.offers();
    assert.deepEqual(
      offers.map(({ username, kind }) => [username, kind]),
      [["bob", "leave"]],
    );
  },

  async "a statement that nobody was there for is given to whoever listens next, at once"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    const asked = { groupId: TEAM, statement: "c2lnbmVk", kind: "leave" } as const;
    assert.equal(await world.store.keepStatement({ ...asked, sender: bob.mailbox }), undefined);
    for (let look = 0; look < 5; look++) {
      const { offers, next } = await world.store.offers();
      assert.deepEqual(offers, []);
      world.now = next;
    }
    await world.store.offers();
    // Of another member it is not due yet, nor of who is in no group.
    const dave = await world.agent("dave");
    for (const { mailbox } of [alice, carol, dave]) await world.store.listen(mailbox);
    assert.deepEqual((await world.store.offers([dave.mailbox])).offers, []);
    const { offers } = await world.store.offers([carol.mailbox]);
    assert.deepEqual(
      offers.map(({ username, kind }) => [username, kind]),
      [["bob", "leave"]],
    );
    // Once somebody has it, nobody else does who comes.
    assert.deepEqual((await world.store.offers([alice.mailbox])).offers, []);
  },

  async "an account is in so many teams at most, also of those that others add it to; to be added anew makes no more"(
    open,
  ) {
    await using world = await StoreWorld.open(open, { accountGroups: 1 });
    const { alice, bob } = await team(world);
    const dave = await world.agent("dave");
    const refused = await world.found(dave, [bob], OTHER);
    assert.deepEqual(refused, { refused: "group_quota", username: "bob" });
    accepted(await world.change(alice, TEAM, 2, { remove: [bob], add: [bob] }));
    // Whoever leaves waits for nobody to have room for another one.
    await world.store.keepStatement({ sender: bob.mailbox, groupId: TEAM, kind: "leave", statement: "bGVhdmU=" });
    accepted(await world.found(dave, [bob], OTHER));
  },

  async "nobody alone adds an account to so many teams that it finds room in no other"(open) {
    await using world = await StoreWorld.open(open, { accountGroups: 4 });
    const [victim, friend] = [await world.agent("victim"), await world.agent("friend")];
    world.address = "192.0.2.1";
    const [one, other] = await agents(world, ["mallory1", "mallory2"]);
    const groups = ["1", "2", "3", "4"].map((digit) => digit.repeat(64));
    const taken: boolean[] = [];
    for (const [index, group] of groups.entries())
      taken.push(!("refused" in (await world.found((index % 2 === 0 ? one : other) as KeyAccount, [victim], group))));
    assert.deepEqual(taken, [true, true, false, false]);
    accepted(await world.found(friend, [victim], TEAM));
    accepted(await world.found(victim, [friend], OTHER));
  },

  async "a founder is named once, with the rest of what it founds"(open) {
    await using world = await StoreWorld.open(open);
    const [alice, bob] = (await agents(world, ["alice", "bob"])) as [KeyAccount, KeyAccount];
    const members = ["alice", "ALICE", "bob"].map((username) => ({
      username,
      device: `${username.toLowerCase()}-1`,
    }));
    assertRefused(await world.found(alice, [bob], TEAM, { members }), "invalid_data");
    const more = { messages: [{ to: "bob", message: "m", messageId: "m1", expiresAt: undefined }] };
    assertRefused(await world.found(alice, [bob], TEAM, more), "invalid_data");
    accepted(await world.found(alice, [bob], TEAM));
  },

  async "who was added says nothing of the epochs before either"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    const dave = await world.agent("dave");
    accepted(await world.change(alice, TEAM, 2, { add: [dave] }));
    assertRefused(await world.say(dave, TEAM, 2, "m1"), "stale_epoch");
    const direct = { direct: true, groupId: TEAM, epoch: 2 };
    assertRefused(await world.send(dave, bob.name, direct), "stale_epoch");
    assert.equal(accepted(await world.say(bob, TEAM, 2, "m2")).team?.pos, 1);
  },

  async "whoever says something to one member is no newcomer any more either"(open) {
    await using world = await StoreWorld.open(open, { mailboxMessages: 16 });
    const { alice, bob, carol } = await team(world);
    await settled(world, bob);
    await read(world, carol);
    accepted(await world.send(carol, "alice", { direct: true, groupId: TEAM, epoch: 2 }));
    // As Alice's, who is a stranger, there would be room for one message.
    for (const id of ["m1", "m2", "m3"])
      assert.deepEqual(accepted(await world.say(alice, TEAM, 2, id)).team?.lapsed, []);
  },

  async "a direct frame to somebody who is no member, or not by this device, says who that is"(open) {
    await using world = await StoreWorld.open(open);
    const { alice } = await team(world);
    await world.agent("dave");
    await world.agent("bob", 2);
    const direct = { direct: true, groupId: TEAM, epoch: 2 };
    for (const [to, refused] of [
      ["dave", "not_a_member"],
      ["bob", "device_replaced"],
    ] as const)
      assert.deepEqual(await world.send(alice, to, direct), { refused, username: to });
    const dave = await world.agent("dave", 2);
    assert.deepEqual(await world.send(dave, "alice", direct), { refused: "not_a_member" });
  },

  async "a direct frame to a member that leaves is refused as one to a member that has lapsed"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    await world.store.keepStatement({ sender: bob.mailbox, groupId: TEAM, kind: "leave", statement: "bGVhdmU=" });
    assertRefused(await world.send(alice, "bob", { direct: true, groupId: TEAM, epoch: 2 }), "member_lapsed");
  },

  async "whoever has left is in the team no more, also by another device"(open) {
    await using world = await StoreWorld.open(open);
    const { bob } = await team(world);
    const left = { groupId: TEAM, kind: "leave", statement: "bGVhdmU=" } as const;
    assert.equal(await world.store.keepStatement({ ...left, sender: bob.mailbox }), undefined);
    const next = await world.agent("bob", 2);
    for (const kind of ["leave", "rejoin"] as const)
      assertRefused(await world.store.keepStatement({ ...left, kind, sender: next.mailbox }), "not_a_member");
  },

  async "who was added anew loses nothing by the age of what it was sent before"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    accepted(await world.say(alice, TEAM, 2, "m1"));
    world.now += 10 * DAY;
    accepted(await world.change(alice, TEAM, 2, { remove: [bob], add: [bob] }));
    world.now += 5 * DAY;
    await world.sweep();
    assert.equal((await world.store.teamsOf(bob.mailbox))[0]?.lapsed, false);
    const waiting = (await world.waiting(bob.mailbox)).map(({ kind, epoch }) => [kind, epoch]);
    assert.deepEqual(waiting, [
      ["commit", 2],
      ["welcome", 3],
    ]);
  },

  async "whoever has no more room for what others have not read is refused, and no member lapses for it"(open) {
    await using world = await StoreWorld.open(open, { accountBytes: 20_000 });
    const { alice, bob, carol } = await team(world);
    for (const member of [bob, carol]) await settled(world, member);
    const message = "x".repeat(6_000);
    for (const id of ["m1", "m2", "m3"])
      assert.deepEqual(accepted(await world.say(alice, TEAM, 2, id, { message })).team?.lapsed, []);
    assertRefused(await world.say(alice, TEAM, 2, "m4", { message }), "storage_quota");
    // Others have room of their own, in the same team too.
    assert.deepEqual(accepted(await world.say(bob, TEAM, 2, "m5", { message })).team?.lapsed, []);
    for (const member of [bob, carol]) await read(world, member);
    assert.deepEqual(accepted(await world.say(alice, TEAM, 2, "m4", { message })).team?.lapsed, []);
  },

  async "what a member says to those whom another has added is its own, and not that one's, on the disk"(open) {
    await using world = await StoreWorld.open(open, { accountBytes: 12_000 });
    const { alice, bob, carol } = await team(world);
    const message = "x".repeat(6_000);
    accepted(await world.say(bob, TEAM, 2, "m1", { message }));
    assertRefused(await world.say(bob, TEAM, 2, "m2", { message }), "storage_quota");
    // Carol has said nothing, and her room is the part of Alice, who has added her.
    assert.deepEqual(accepted(await world.say(alice, TEAM, 2, "m3", { message })).team?.lapsed, []);
    for (const member of [alice, carol]) await read(world, member);
    accepted(await world.say(bob, TEAM, 2, "m2", { message }));
  },

  async "what a member signs is charged to it until a commit has done it"(open) {
    await using world = await StoreWorld.open(open, { accountBytes: 3_000 });
    const { alice, bob, carol } = await team(world);
    for (const member of [bob, carol]) await settled(world, member);
    const rejoin = { sender: bob.mailbox, groupId: TEAM, kind: "rejoin", statement: "A".repeat(1_024) } as const;
    assert.equal(await world.store.keepStatement(rejoin), undefined);
    const message = "x".repeat(2_000);
    assertRefused(await world.say(bob, TEAM, 2, "m1", { message }), "storage_quota");
    world.now += 600_000;
    // Once more it is the same: what was before is given back.
    assert.equal(await world.store.keepStatement({ ...rejoin, statement: "B".repeat(1_000) }), undefined);
    accepted(await world.change(alice, TEAM, 2, { remove: [bob], add: [bob] }));
    accepted(await world.say(bob, TEAM, 3, "m2", { message }));
    for (const member of [alice, bob, carol]) await read(world, member);
    assertRefused(
      await world.store.keepStatement({ ...rejoin, sender: carol.mailbox, statement: "A".repeat(3_000) }),
      "storage_quota",
    );
  },

  async "nothing is kept of what was signed to leave a team that all have left"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world, ["bob"]);
    for (const { mailbox } of [alice, bob])
      await world.store.keepStatement({ sender: mailbox, groupId: TEAM, kind: "leave", statement: "bGVhdmU=" });
    assert.deepEqual(await world.store.offers(), { offers: [], next: Infinity });
  },

  async "a place among the messages of a team is high water also when what stands there has expired"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    await read(world, bob);
    accepted(await world.say(alice, TEAM, 2, "m1", { expiresAt: world.now + 1000 }));
    world.now += 1000;
    const [entry] = await world.waiting(bob.mailbox);
    assert.equal((await world.store.look(bob.mailbox)).highWater, entry?.seq);
  },

  async "a repeat names those that had lapsed when it was first asked for, of whom nothing is kept with it"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, carol } = await team(world);
    const said = (id: string) => world.say(alice, TEAM, 2, id);
    const rejoin = { sender: carol.mailbox, groupId: TEAM, kind: "rejoin", statement: "YWdhaW4=" } as const;
    assert.deepEqual(accepted(await said("m1")).team?.lapsed, []);
    world.now += 1000;
    assert.equal(await world.store.keepStatement(rejoin), undefined);
    assert.deepEqual(accepted(await said("m2")).team?.lapsed, ["carol"]);
    assert.deepEqual(accepted(await said("m1")).team?.lapsed, []);
    assert.deepEqual(accepted(await said("m2")).team?.lapsed, ["carol"]);
    assert.deepEqual(accepted(await world.change(alice, TEAM, 2)).lapsed, ["carol"]);
    assert.deepEqual(accepted(await world.change(alice, TEAM, 2)).lapsed, ["carol"]);
    // Who was added anew asks itself for what it lacks.
    accepted(await world.change(alice, TEAM, 3, { remove: [carol], add: [carol] }));
    assert.deepEqual(accepted(await said("m2")).team?.lapsed, []);
  },

  async "a statement that nobody is there to take is looked at less and less, up to a minute"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    await world.store.keepStatement({ sender: bob.mailbox, groupId: TEAM, kind: "leave", statement: "bGVhdmU=" });
    const waits: number[] = [];
    for (let count = 0; count < 6; count++) {
      const { next } = await world.store.offers();
      waits.push(next - world.now);
      world.now = next;
    }
    assert.deepEqual(waits, [4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    await world.store.listen(alice.mailbox);
    assert.equal((await world.store.offers()).offers.length, 1);
  },

  async "many large messages that expire at once become stubs some at a time, so that nobody waits for all of them"(
    open,
  ) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world, ["bob"]);
    await settled(world, bob);
    const message = "x".repeat(1_000_000);
    const expiresAt = world.now + 1000;
    for (let count = 1; count <= 12; count++)
      accepted(await world.say(alice, TEAM, 2, `m${count}`, { message, expiresAt }));
    world.now += 1000;
    assert.equal((await world.store.sweep()).more, true);
    const kinds = new Set((await world.waiting(bob.mailbox)).map(({ kind }) => kind));
    assert.ok(kinds.has("stub") && kinds.has("application"));
    await world.sweep();
    assert.ok((await world.waiting(bob.mailbox)).every(({ kind }) => kind === "stub"));
  },

  async "a file stands for one thing alone that a commit brings"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, rest } = await team(world);
    const dave = await world.agent("dave");
    const [one, other] = [await file(world, alice, "one"), await file(world, alice, "other")];
    const add = [dave].map(({ username, device }) => ({ username, device: device.id }));
    const change = { add: [dave], team: { add, remove: [], body: one, tree: one } };
    assertRefused(await world.change(alice, TEAM, 2, change), "unknown_blob");
    accepted(await world.change(alice, TEAM, 2, { ...change, team: { ...change.team, tree: other } }));
    for (const member of rest) await read(world, member);
    // Each is kept as long as what names it, and a day longer: whoever has acknowledged that may come for it still.
    const keeps = async () =>
      Promise.all([one, other].map(async ({ blob }) => (await world.store.blobs.find(blob))?.held));
    world.now += DAY - 1;
    await world.store.blobs.removeOverdue(10);
    assert.deepEqual(await keeps(), [true, true]);
    assert.equal(await world.store.blobs.remove(one.blob, alice.mailbox), false);
    world.now += 1;
    assert.deepEqual(await keeps(), [undefined, true]);
    assert.deepEqual(await world.store.blobs.removeOverdue(10), [one.blob]);
  },

  async "a commit is known again when its files are gone, since everybody has read them"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, rest } = await team(world);
    const change = { add: [], remove: [], body: await file(world, alice, "one"), tree: undefined };
    const first = accepted(await world.change(alice, TEAM, 2, { team: change }));
    for (const member of rest) await read(world, member);
    assert.deepEqual(await world.change(alice, TEAM, 2, { team: change, isAsSaid: false }), first);
    assertRefused(await world.change(alice, TEAM, 3, { team: change, isAsSaid: false }), "unknown_blob");
  },
};
