/** What is left for later turns of a group, when members waste our time, others wait as well, or a record is lost. */
import { expect, test } from "vitest";
import { beginInTeam } from "../../src/conversation/team-again.ts";
import { directSecret } from "../../src/conversation/team-commits.ts";
import { retire } from "../../src/conversation/team-end.ts";
import { memberGone } from "../../src/conversation/team-turnover.ts";
import { rosterIn } from "../../src/conversation/teams.ts";
import { decodeContent } from "../../src/crypto/content.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { openDirect } from "../../src/crypto/team/direct.ts";
import { Flight, type SendData } from "../../src/delivery/flight.ts";
import { encryptQueued } from "../../src/delivery/outgoing.ts";
import { makeChanges } from "../../src/delivery/team-changes.ts";
import { makeTurn } from "../../src/link/set-aside.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { fromBase64, fromUtf8 } from "../../src/protocol/index.ts";
import { readAccount } from "../../src/records/own-account.ts";
import { get, list, pad, put } from "../../src/records/records.ts";
import type { OpRecord, TeamMemberRecord } from "../../src/records/team-records.ts";
import { teamMember, teamOf } from "../../src/turn/groups.ts";
import { Cache, Turn } from "../../src/turn/turn.ts";
import { gathered } from "./members.ts";
import { nothingUnderWay, turns } from "./turns.ts";
import { all, BOUND, continueBoth, COUNT, last, says, unconfirmed } from "./unconfirmed.ts";
import { World } from "./world.ts";

test("what one member lacked in a group that is founded anew is sent to all, and to that one as nothing else", async () => {
  const { turn, goOn, group, key } = await unconfirmed();
  const missing = all.map((counter) => ({ group, counter }));
  await turn((one, of) => says(one, of, "bob", { received: { [group]: last }, missing }));
  await turn(async (one, of) => {
    of.record.state = "replaced";
    of.dirty = true;
    await beginInTeam(one, { group, key, isTeams: true, what: "sendAnew" });
  });
  await goOn();
  await turn(async (_one, of) => {
    of.record.state = "open";
    of.dirty = true;
  });
  const sent: SendData[] = [];
  const flight = new Flight(
    (_seq, data) => void sent.push(data),
    () => undefined,
  );
  const left: string[] = [];
  await turn(async (one, of) => {
    await encryptQueued(one, flight);
    for (const effect of one.after.splice(0)) effect();
    const { device, identity } = one.account;
    const roster = await rosterIn(one, of);
    const [alice, bob] = ["alice", "bob"].map((name) => roster.find((member) => member.name === name)!);
    for (const { message, epoch = 0, message_id: messageId = "", direct } of sent) {
      if (direct !== true) continue;
      const from = { name: identity.username, device: device.id };
      const place = { group, epoch, from, to: { name: "bob", device: bob!.device }, messageId };
      const keys = { secret: await directSecret(one, of), deviceKey: alice!.deviceKey };
      const plain = await openDirect(one.teams.primitives, fromBase64(message), place, keys);
      const { header, body } = decodeContent(plain!)!;
      left.push(`${header.type}: ${fromUtf8(body)}`);
    }
  }, 10 * BOUND);
  expect(left).not.toContain("receipt: text");
});

test("whoever goes is not waited for, also when it has kept us busy with what leads to nothing", async () => {
  const { turn, at, group } = await unconfirmed();
  await turn((one, of) => says(one, of, "bob", { received: { [group]: last } }));
  await turn(async (one) => one.wasted("bob", 1_000_000));
  await turn((one, of) => memberGone(one, of, "bob"));
  for (let count = 0; count < 50; count++) await turn(continueBoth);
  const states = [...(await at("bob")).values()];
  // What it had said of the first of them was heard.
  expect(new Set(states)).toEqual(new Set(["gone"]));
});

test("what ends in a group keeps no other address waiting", async () => {
  const { store, turn, restart } = await unconfirmed(Array.from({ length: 40 }, (_, index) => `member${index}`));
  await turn((one, of) => retire(one, of.record), 4 * BOUND);
  await store.write((tx) => tx.put("again/~other", JSON.stringify({ contact: "dave" })));
  await restart();
  let count = 0;
  for (let held = true; held && count < 100; count++)
    await turn(async (one) => {
      await continueBoth(one);
      held = one.cache.isHeld("dave");
    }, 4 * BOUND);
  expect(count).toBeLessThan(5);
});

test("a member that has all of it looked through again and again, for nothing, uses up what it may waste", async () => {
  const { store, group } = await unconfirmed();
  const { run } = await turns(store);
  const isSpent = await run(async (one) => {
    const of = (await teamOf(one, group))!;
    for (let count = 0; count < 64; count++)
      await says(one, of, "bob", { received: { [group]: last }, since: 1_000_000 });
    return one.isSpent("bob");
  });
  expect(isSpent).toBe(true);
});

test("of what a member says it lacks no longer list is kept than honest ones have, and the rest is gone through later", async () => {
  const { store, turn, goOn, group } = await unconfirmed();
  const kept = async () =>
    ((await store.read((tx) => get(tx, "team-member/", `${group}/bob`))) as TeamMemberRecord).lacks?.length ?? 0;
  const LACKED = Array.from({ length: 1_000 - COUNT / 2 }, (_, index) => index + 1);
  await turn(async (one, of) => {
    (await teamMember(one, of, "bob")).lacks = LACKED;
    of.changed.add("bob");
  });
  await turn((one, of) => says(one, of, "bob", { received: { [group]: last }, since: last }), 10 * BOUND);
  await goOn();
  expect(await kept()).toBeLessThanOrEqual(1_000);
});

test("however late it is in each turn, what the owner wants of a group is done", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice } = await gathered(world, "alice", "bob", "carol");
  await alice.agent.close();
  const store = world.memory("alice");
  const [{ group, key } = { group: "", key: "" }] = await store.read((tx) => list(tx, "team/"));
  const op: OpRecord = { seq: 900, kind: "remove", key, group, names: ["carol"], at: 1 };
  await store.write((tx) => put(tx, "op/", pad(900), op));
  let now = 0;
  const { run } = await turns(store, () => now);
  await run(async (one) => {
    now += 1_000;
    await makeChanges(one, nothingUnderWay(), []);
  });
  expect(await store.read((tx) => tx.list({ prefix: "commit/" }))).toHaveLength(1);
});

test("the end of a group goes on where the record of how far it had come cannot be read", async () => {
  const { store, turn, states, group } = await unconfirmed();
  await turn((one, of) => retire(one, of.record), 4 * BOUND);
  await store.write((tx) => tx.put(`again/${group}`, "{"));
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const account = (await store.read(readAccount))!;
  const cache = new Cache();
  cache.again.set(group, "@");
  for (let count = 0; count < 50; count++)
    await makeTurn(store, {
      begin: (tx) => new Turn(tx, crypto, account, cache, () => 0),
      work: async (one: Turn) => {
        await continueBoth(one);
        await one.flush();
      },
    });
  expect((await states())["stored"]).toBeUndefined();
});

test("a message that has the number of a refused one is not ended with a member that went before it was sent", async () => {
  const { store, turn, goOn, group } = await unconfirmed();
  await turn((one, of) => memberGone(one, of, "carol"), 4 * BOUND);
  await store.write(async (tx) => {
    const row = (await get(tx, "out/", pad(last)))!;
    await put(tx, "out/", pad(last), { ...row, recipients: { ...row.recipients!, epoch: 99 } });
    const [roster] = await list(tx, "roster/");
    await put(tx, "roster/", `${group}/${pad(99)}`, roster!);
  });
  await goOn();
  expect(await store.read((tx) => get(tx, "to/", `${pad(last)}/carol`))).toBeUndefined();
  expect(await store.read((tx) => get(tx, "to/", `${pad(last - 1)}/carol`))).toMatchObject({ state: "gone" });
});
