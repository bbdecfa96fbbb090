import { strict as assert } from "node:assert";
import { hash } from "node:crypto";
import type { Entry, KeyAccount } from "../store/store.ts";
import { accepted, assertRefused, type StoreCase, StoreWorld } from "./store-world.ts";

const DAY = 24 * 3600 * 1000;
export const TEAM = "a".repeat(64);
export const OTHER = "b".repeat(64);

/** What of an entry cases compare. */
const brief = ({ kind, messageId, epoch, pos }: Entry): unknown[] => [kind, messageId, epoch, pos];

/** Alice, Bob and Carol in a team that Alice has founded. */
export async function team(world: StoreWorld, others = ["bob", "carol"]) {
  const [alice, ...rest] = [await world.agent("alice"), ...(await agents(world, others))];
  accepted(await world.found(alice, rest, TEAM));
  return { alice, rest, bob: rest[0] as KeyAccount, carol: rest[1] as KeyAccount };
}

export async function agents(world: StoreWorld, names: string[]): Promise<KeyAccount[]> {
  const found: KeyAccount[] = [];
  for (const name of names) found.push(await world.agent(name));
  return found;
}

/** What waits for an agent, which it reads. */
export async function read(world: StoreWorld, { mailbox }: KeyAccount): Promise<Entry[]> {
  const entries = await world.waiting(mailbox);
  await world.store.received(mailbox, entries.at(-1)?.seq ?? 0);
  return entries;
}

/** Cases of the acceptance suite about groups of more than two. */
export const teamCases: Record<string, StoreCase["run"]> = {
  async "a team is founded with all of its members, each of whom gets its own Welcome and the tree that they share"(
    open,
  ) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    for (const member of [bob, carol]) {
      const [welcome, ...more] = await world.waiting(member.mailbox);
      assert.deepEqual([welcome?.message, welcome?.epoch, more.length], [`welcome ${member.username}`, 2, 0]);
      assert.deepEqual(JSON.parse(welcome?.body?.text ?? ""), { tree: "tree" });
    }
    assert.deepEqual(await world.waiting(alice.mailbox), []);
    assert.deepEqual(await world.store.teamsOf(bob.mailbox), [
      { groupId: TEAM, epoch: 2, device: "bob-1", lapsed: false, leaves: false },
    ]);
    assertRefused(await world.found(bob, [carol], TEAM, { commitId: "again" }), "group_exists");
  },

  async "a repeat of a founding, a commit or a message of a team gets the same answer, and is stored once"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    for (let count = 0; count < 2; count++) {
      assert.deepEqual(accepted(await world.found(alice, [bob, carol], TEAM)).lapsed, []);
      const said = accepted(await world.say(alice, TEAM, 2, "m1"));
      assert.deepEqual([said.team?.pos, said.team?.offline], [1, 2]);
    }
    assertRefused(await world.say(alice, TEAM, 2, "m1", { message: "another" }), "message_id_reused");
    for (let count = 0; count < 2; count++) accepted(await world.change(alice, TEAM, 2));
    assert.deepEqual(await world.ids(bob.mailbox), [`found-${TEAM}`, "m1", `commit-${TEAM}-2-alice`]);
  },

  async "nobody is added who cannot be, and then nothing is stored"(open) {
    await using world = await StoreWorld.open(open, { groupMembers: 4 });
    const { alice, bob } = await team(world);
    const [dave, erin, frank] = await agents(world, ["dave", "erin", "frank"]);
    const tom = await world.token("tom");
    await world.peers(dave as KeyAccount, { block: ["alice"] });
    const notThere = { ...(erin as KeyAccount), name: "nobody", username: "nobody" };
    const gone = { ...(erin as KeyAccount), device: { ...(erin as KeyAccount).device, id: "erin-0" } };
    const asKey = { ...(erin as KeyAccount), name: tom.name, username: tom.username };
    for (const [add, refused, username] of [
      [[dave], "blocked", "dave"],
      [[notThere], "unknown_user", "nobody"],
      [[gone], "device_replaced", "erin"],
      [[asKey], "encryption_required", "tom"],
      [[bob], "invalid_data", "bob"],
      [[erin, frank], "group_quota", undefined],
    ] as const) {
      const result = await world.change(alice, TEAM, 2, { add: add as unknown as KeyAccount[] });
      assert.deepEqual(result, username === undefined ? { refused } : { refused, username });
    }
    assert.deepEqual(await world.waiting((erin as KeyAccount).mailbox), []);
    accepted(await world.change(alice, TEAM, 2, { add: [erin as KeyAccount] }));
  },

  async "the first commit for an epoch of a team wins, and is stored once for all"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    accepted(await world.change(bob, TEAM, 2));
    assertRefused(await world.change(alice, TEAM, 2), "epoch_taken");
    assertRefused(await world.change(alice, TEAM, 4), "stale_epoch");
    const [toAlice, toCarol] = [await world.waiting(alice.mailbox), (await world.waiting(carol.mailbox)).slice(1)];
    assert.equal(toAlice[0]?.body?.id, toCarol[0]?.body?.id);
    assert.deepEqual(JSON.parse(toAlice[0]?.body?.text ?? ""), { body: "commit of 2" });
    assert.deepEqual(
      [toAlice.map(brief), toCarol.map(brief)].map((each) => each[0]),
      [
        ["commit", `commit-${TEAM}-2-bob`, 2, undefined],
        ["commit", `commit-${TEAM}-2-bob`, 2, undefined],
      ],
    );
  },

  async "messages of a team are numbered within their epoch, in the order in which they are stored"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    accepted(await world.say(alice, TEAM, 2, "m1"));
    accepted(await world.say(bob, TEAM, 2, "m2"));
    accepted(await world.change(alice, TEAM, 2));
    accepted(await world.say(bob, TEAM, 2, "m3"));
    accepted(await world.say(alice, TEAM, 3, "m4"));
    accepted(await world.say(bob, TEAM, 2, "m5"));
    accepted(await world.change(bob, TEAM, 3));
    assertRefused(await world.say(bob, TEAM, 2, "m6"), "stale_epoch");
    accepted(await world.say(bob, TEAM, 4, "m7"));
    accepted(await world.say(alice, TEAM, 3, "m8"));
    const places = (await world.waiting(carol.mailbox)).filter(({ pos }) => pos !== undefined);
    assert.deepEqual(
      places.map(({ messageId, epoch, pos }) => [messageId, epoch, pos]),
      [
        ["m1", 2, 1],
        ["m2", 2, 2],
        ["m3", 2, 3],
        ["m4", 3, 1],
        ["m5", 2, 4],
        ["m7", 4, 1],
        ["m8", 3, 2],
      ],
    );
  },

  async "after a removal nothing of the epoch before is taken, and who was removed gets nothing but that commit"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    accepted(await world.change(alice, TEAM, 2, { remove: [carol] }));
    assertRefused(await world.say(bob, TEAM, 2, "m1"), "stale_epoch");
    assertRefused(await world.say(carol, TEAM, 2, "m2"), "not_a_member");
    accepted(await world.say(alice, TEAM, 3, "m3"));
    assert.deepEqual(await world.ids(carol.mailbox), [`found-${TEAM}`, `commit-${TEAM}-2-alice`]);
    assert.deepEqual(await world.ids(bob.mailbox), [`found-${TEAM}`, `commit-${TEAM}-2-alice`, "m3"]);
    assert.deepEqual(await world.store.teamsOf(carol.mailbox), []);
  },

  async "who is added gets nothing of the epochs before"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    const dave = await world.agent("dave");
    accepted(await world.change(alice, TEAM, 2, { add: [dave] }));
    accepted(await world.say(bob, TEAM, 2, "m1"));
    accepted(await world.say(bob, TEAM, 3, "m2"));
    const [welcome, ...said] = await world.waiting(dave.mailbox);
    assert.deepEqual([welcome?.kind, welcome?.epoch, said.map(brief)], ["welcome", 3, [["application", "m2", 3, 1]]]);
  },

  async "a direct frame goes to one member alone, and has no place among the messages"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    for (const member of [bob, carol]) await read(world, member);
    const direct = { to: "bob", direct: true, groupId: TEAM, epoch: 2 };
    accepted(await world.send(alice, "bob", direct));
    const [entry] = await world.waiting(bob.mailbox);
    assert.deepEqual([entry?.kind, entry?.pos, entry?.epoch], ["direct", undefined, 2]);
    assert.deepEqual(await world.waiting(carol.mailbox), []);
    assertRefused(await world.send(alice, "bob", { ...direct, direct: false }), "invalid_data");
    const dave = await world.agent("dave");
    assertRefused(await world.send(alice, "dave", { ...direct, to: "dave" }), "not_a_member");
    assertRefused(await world.send(dave, "bob", direct), "not_a_member");
  },

  async "a member without room lapses, hears so, and delays nobody"(open) {
    await using world = await StoreWorld.open(open, { mailboxMessages: 64 });
    const { alice, bob, carol } = await team(world);
    // Who has said something has room of the team's own: a quarter of the mailbox.
    for (const member of [bob, carol]) {
      await read(world, member);
      accepted(await world.say(member, TEAM, 2, `hello-${member.name}`));
      await read(world, member);
    }
    for (let count = 1; count <= 18; count++) {
      const { team: sent } = accepted(await world.say(alice, TEAM, 2, `m${count}`));
      assert.deepEqual(sent?.lapsed, count <= 16 ? [] : ["carol"], `m${count}`);
      await read(world, bob);
    }
    const kinds = (await world.waiting(carol.mailbox)).map(({ kind, messageId, reason }) => [kind, messageId, reason]);
    assert.deepEqual(kinds.slice(-2), [
      ["application", "m16", undefined],
      ["notice", "m17", "lapsed"],
    ]);
    assert.deepEqual(await world.store.teamsOf(carol.mailbox), [
      { groupId: TEAM, epoch: 2, device: "carol-1", lapsed: true, leaves: false },
    ]);
    assertRefused(
      await world.send(alice, "carol", { direct: true, groupId: TEAM, epoch: 2, messageId: "d1" }),
      "member_lapsed",
    );
  },

  async "what an invited member gets counts as its adder's, a stranger's, until it says something"(open) {
    await using world = await StoreWorld.open(open, { mailboxMessages: 64 });
    const { alice, bob } = await team(world, ["bob"]);
    await read(world, bob);
    // Half of the mailbox is for strangers, a quarter of that for one address, half of it for one account.
    for (let count = 1; count <= 4; count++) accepted(await world.say(alice, TEAM, 2, `m${count}`));
    assert.deepEqual(accepted(await world.say(alice, TEAM, 2, "m5")).team?.lapsed, ["bob"]);
  },

  async "a newcomer that listens gets all of a burst; what one writes to it alone waits until it has read"(open) {
    await using world = await StoreWorld.open(open, { strangersAheadBytes: 64 * 1024 });
    const { alice, bob } = await team(world, ["bob"]);
    await world.store.listen(bob.mailbox);
    const message = "x".repeat(20_000);
    for (let count = 1; count <= 20; count++)
      assert.deepEqual(accepted(await world.say(alice, TEAM, 2, `m${count}`, { message })).team?.lapsed, []);
    const direct = { direct: true, groupId: TEAM, epoch: 2, messageId: "d1", message };
    assertRefused(await world.send(alice, "bob", direct), "recipient_busy");
    await read(world, bob);
    accepted(await world.send(alice, "bob", direct));
  },

  async "a message to a team that expires leaves a stub with its digest, and its sender hears so once"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world, ["bob", "carol", "dave", "erin"]);
    for (const member of [bob, carol]) await read(world, member);
    const message = Buffer.from("soon").toString("base64");
    accepted(await world.say(alice, TEAM, 2, "m1", { message, expiresAt: world.now + 1000 }));
    accepted(await world.say(alice, TEAM, 2, "m2"));
    await read(world, carol);
    world.now += 1000;
    await world.sweep();
    const [stub, after] = await world.waiting(bob.mailbox);
    assert.deepEqual([stub?.kind, stub?.messageId, stub?.pos], ["stub", "m1", 1]);
    assert.equal(stub?.message, hash("sha256", "soon", "base64"));
    assert.deepEqual([after?.messageId, after?.pos], ["m2", 2]);
    const notices = (await world.waiting(alice.mailbox)).map(({ from, kind, status }) => [from, kind, status]);
    assert.deepEqual(notices, [["", "notice", "expired"]]);
  },

  async "who loses something of a team by its age lapses"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    await read(world, bob);
    accepted(await world.change(alice, TEAM, 2));
    world.now += 15 * DAY;
    await world.sweep();
    const waiting = (await world.waiting(bob.mailbox)).map(({ kind, reason }) => [kind, reason]);
    assert.deepEqual(waiting, [["notice", "lapsed"]]);
    assert.equal((await world.store.teamsOf(bob.mailbox))[0]?.lapsed, true);
    assert.deepEqual(accepted(await world.say(alice, TEAM, 3, "m1")).team?.lapsed.toSorted(), ["bob", "carol"]);
  },

  async "a new device, and an account that is removed, leave the team as it is for all others"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    const next = accepted(await world.store.registerDevice(world.newDevice("bob", 2))).account;
    await world.store.removeAccount(carol.mailbox, false);
    await world.sweep();
    assert.deepEqual(accepted(await world.say(alice, TEAM, 2, "m1")).team?.lapsed.toSorted(), ["bob", "carol"]);
    assert.deepEqual(await world.store.teamsOf(next.mailbox), [
      { groupId: TEAM, epoch: 2, device: "bob-1", lapsed: true, leaves: false },
    ]);
    assertRefused(await world.say(next, TEAM, 2, "m2"), "not_a_member");
    // By one commit a member's new device takes the place of its old one.
    accepted(await world.change(alice, TEAM, 2, { remove: [bob], add: [next] }));
    assert.deepEqual(accepted(await world.say(alice, TEAM, 3, "m3")).team?.lapsed, ["carol"]);
    assert.deepEqual((await world.ids(next.mailbox)).at(-1), "m3");
    accepted(await world.change(alice, TEAM, 3, { remove: [carol] }));
    assert.deepEqual(accepted(await world.say(next, TEAM, 4, "m4")).team?.lapsed, []);
  },

  async "who leaves gets and says nothing any more, and is offered to members that listen until one removes it"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    const leave = { sender: carol.mailbox, groupId: TEAM, kind: "leave", statement: "bGVhdmU=" } as const;
    assert.equal(await world.store.keepStatement(leave), undefined);
    assertRefused(await world.say(carol, TEAM, 2, "m1"), "not_a_member");
    assert.deepEqual(accepted(await world.say(alice, TEAM, 2, "m2")).team?.lapsed, ["carol"]);
    assert.deepEqual(await world.store.offers(), { offers: [], next: world.now + 4000 });
    assert.deepEqual(await world.store.teamsOf(carol.mailbox), [
      { groupId: TEAM, epoch: 2, device: "carol-1", lapsed: false, leaves: true },
    ]);
    // What was said last holds.
    assert.equal(await world.store.keepStatement({ ...leave, statement: "bm93" }), undefined);
    for (const member of [alice, bob]) await world.store.listen(member.mailbox);
    const taken: (number | undefined)[] = [];
    for (let count = 0; count < 3; count++) {
      world.now += 30_000;
      const { offers } = await world.store.offers();
      assert.deepEqual(offers[0], {
        mailbox: offers[0]?.mailbox,
        groupId: TEAM,
        kind: "leave",
        statement: "bm93",
        username: "carol",
      });
      taken.push(offers[0]?.mailbox);
    }
    assert.deepEqual(taken, [alice.mailbox, bob.mailbox, alice.mailbox]);
    // Then it waits for longer.
    world.now += 30_000;
    assert.deepEqual((await world.store.offers()).offers, []);
    accepted(await world.change(bob, TEAM, 2, { remove: [carol] }));
    world.now += DAY;
    assert.deepEqual(await world.store.offers(), { offers: [], next: Infinity });
  },

  async "a statement goes first to whoever has acknowledged or committed something lately"(open) {
    await using world = await StoreWorld.open(open);
    const { rest } = await team(world, ["bob", "carol", "dave", "erin", "frank"]);
    const [bob, carol, dave, erin] = rest as [KeyAccount, KeyAccount, KeyAccount, KeyAccount];
    for (const { mailbox } of [bob, carol, dave, erin]) await world.store.listen(mailbox);
    await read(world, dave);
    world.now += DAY;
    accepted(await world.change(erin, TEAM, 2));
    await read(world, carol);
    const leave = { groupId: TEAM, kind: "leave", statement: "bGVhdmU=" } as const;
    await world.store.keepStatement({ ...leave, sender: (rest[4] as KeyAccount).mailbox });
    const taken: (number | undefined)[] = [];
    for (let count = 0; count < 6; count++) {
      taken.push((await world.store.offers()).offers[0]?.mailbox);
      world.now += count === 2 ? 60_000 : 30_000;
    }
    // Where these do not do it, in the next round the others have it, too.
    const [first, ...others] = [carol, erin, carol, dave, erin, bob].map(({ mailbox }) => mailbox);
    assert.deepEqual(taken, [first, ...others]);
  },

  async "a member asks to be taken in again once in ten minutes, by whatever device of its account"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    const next = accepted(await world.store.registerDevice(world.newDevice("bob", 2))).account;
    const rejoin = { sender: next.mailbox, groupId: TEAM, kind: "rejoin", statement: "YWdhaW4=" } as const;
    assertRefused(await world.store.keepStatement({ ...rejoin, sender: bob.mailbox }), "device_replaced");
    assert.equal(await world.store.keepStatement(rejoin), undefined);
    assert.deepEqual(await world.store.keepStatement(rejoin), { refused: "rate_limited", retryAfterMs: 600_000 });
    await world.store.listen(alice.mailbox);
    assert.equal((await world.store.offers()).offers[0]?.kind, "rejoin");
    accepted(await world.change(alice, TEAM, 2, { remove: [bob], add: [next] }));
    assertRefused(await world.store.keepStatement(rejoin), "rate_limited");
    world.now += 600_000;
    assert.equal(await world.store.keepStatement(rejoin), undefined);
    const dave = await world.agent("dave");
    assertRefused(await world.store.keepStatement({ ...rejoin, sender: dave.mailbox }), "not_a_member");
  },

  async "a team is no conversation of two, and the other way round"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob } = await team(world);
    accepted(await world.open(alice, bob, OTHER));
    assertRefused(await world.say(alice, OTHER, 1, "m1"), "invalid_data");
    assertRefused(await world.change(alice, OTHER, 1), "invalid_data");
    assertRefused(await world.commit(alice, TEAM, 2, "c1"), "invalid_data");
    assertRefused(await world.send(alice, "bob", { groupId: TEAM, epoch: 2 }), "invalid_data");
  },

  async "an account is in so many teams at most"(open) {
    await using world = await StoreWorld.open(open, { accountGroups: 1 });
    const { alice } = await team(world);
    const [dave, erin] = (await agents(world, ["dave", "erin"])) as [KeyAccount, KeyAccount];
    assertRefused(await world.found(alice, [dave], OTHER), "group_quota");
    accepted(await world.found(dave, [erin], OTHER));
  },

  async "what members share is kept once, for as long as one of them has not read it"(open) {
    await using world = await StoreWorld.open(open);
    const { alice, bob, carol } = await team(world);
    const before = await world.store.depth();
    accepted(await world.say(alice, TEAM, 2, "m1", { message: "x".repeat(10_000) }));
    assert.equal(await world.store.depth(), before + 2);
    const [, one] = await world.waiting(bob.mailbox);
    await read(world, bob);
    const [, other] = await world.waiting(carol.mailbox);
    assert.equal(one?.body?.id, other?.body?.id);
    assert.equal(JSON.parse(other?.body?.text ?? "").message.length, 10_000);
    assert.ok((other?.bytes ?? Infinity) < 6_000);
    await read(world, carol);
    assert.deepEqual(await world.waiting(carol.mailbox), []);
  },
};
