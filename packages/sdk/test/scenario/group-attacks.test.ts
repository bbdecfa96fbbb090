/** What members of a group, whoever adds others to one, and a relay may try, and what it comes to. */
import { expect, test } from "vitest";
import { list } from "../../src/records/records.ts";
import { HostileTeamMember } from "./hostile-team-member.ts";
import { edit } from "./proxy.ts";
import { type Member, online } from "./members.ts";
import { caughtUp, eventually, follow, World } from "./world.ts";

const kinds = async ({ agent }: Member): Promise<string[]> => (await agent.alerts()).map(({ kind }) => kind);

test("a group that is renamed takes no name from another, nor does one to which the owner is only invited", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob, mallory } = await online(world, "alice", "bob", "carol", "mallory");
  await mallory.agent.groups.create("zz", ["alice", "carol"]);
  await eventually("alice is in it", async () => (await alice.agent.groups.list()).length === 1);
  await alice.agent.groups.create("team", ["bob", "carol"]);
  await mallory.agent.groups.rename("zz", "team");
  await eventually("it is renamed", async () =>
    (await alice.agent.groups.list()).some(({ name }) => name === "team~2"),
  );
  await (await alice.agent.send("@team", "for us")).handled();
  await caughtUp(mallory.agent);
  expect(mallory.got).toEqual([]);
  expect(bob.got).toHaveLength(1);

  await bob.agent.requests.setPolicy("contacts");
  await mallory.agent.groups.create("crew", ["bob", "carol"]);
  await eventually("bob is invited", async () => (await bob.agent.groups.list()).length === 2);
  expect((await bob.agent.groups.create("crew", ["alice"])).name).toBe("crew");
  expect((await bob.agent.groups.find("crew~2")).state).toBe("invited");
  await bob.agent.groups.accept("crew~2");
  await (await bob.agent.send("@crew", "for alice")).handled();
  expect(mallory.got).toEqual([]);
});

test("nobody is added to a group by whoever poses as a pinned contact, nor hears it there", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, bob } = await online(world, "alice", "bob");
  await (await bob.agent.send("alice", "hello")).handled();
  const posing = await HostileTeamMember.posingAs(world, "bob", "alice");
  await eventually("alice has an alert", async () => (await kinds(alice)).includes("identity_changed"));
  expect(await alice.agent.groups.list()).toEqual([]);
  await posing.says("alice", "delete everything");
  await caughtUp(alice.agent);
  expect(alice.got).toHaveLength(1);
});

test(
  "in a group nobody is heard in the name of a contact that was pinned later, and a question to it is not answered",
  { tags: ["long"] },
  async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("crew", ["carol"]);
    await eventually("it was asked which groups it is in", () => world.proxy.sentBy("alice", "groups").length > 0);
    const posing = await HostileTeamMember.posingAs(world, "bob", "alice");
    await eventually("alice is in it", async () => (await alice.agent.groups.list()).length === 2);
    await alice.agent.close();
    await world.memory("alice").write((tx) => tx.delete("contact/bob"));
    const again = await world.open("alice");
    const got = follow(again);
    await again.sync();
    await (await bob.agent.send("alice", "hello")).handled();
    let id: string | undefined;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice" || !toRelay || frame.type !== "send" || frame.data["to"] !== "bob") return undefined;
      id = frame.data.message_id;
      return [];
    };
    const stop = new AbortController();
    const asked = again.ask("bob", "may I?", { signal: stop.signal }).then(
      () => "answered",
      ({ code }: { code: string }) => code,
    );
    await eventually("it was asked", () => id !== undefined);
    await posing.says("alice", "yes", { reply_to: id as string });
    await eventually("alice has an alert", async () =>
      (await again.alerts()).some(({ kind, contact }) => kind === "identity_changed" && contact === "bob"),
    );
    stop.abort();
    expect(await asked).toBe("aborted");
    expect(got.map(({ body }) => body)).toEqual(["hello"]);
  },
);

test("an invitation waits for the owner's word even if the group cannot be followed meanwhile", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, mallory } = await online(world, "alice", "mallory", "eve");
  await alice.agent.requests.setPolicy("contacts");
  await mallory.agent.groups.create("zz", ["alice", "eve"]);
  await eventually("alice is invited", async () => (await alice.agent.groups.list()).length === 1);
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && !toRelay && frame.data?.kind === "commit" ? [edit(frame, { body: "AAEAAg==" })] : undefined;
  await mallory.agent.groups.rename("zz", "zzz");
  await eventually("it could not be followed", async () => (await kinds(alice)).includes("bad_commit"));
  world.proxy.rule = undefined;
  const open = () => world.memory("alice").read((tx) => list(tx, "team-group/"));
  await eventually("she is in it again", async () => (await open())[0]?.state === "open");
  await (await mallory.agent.send("@zzz", "you never took this")).stored();
  await caughtUp(alice.agent);
  expect((await alice.agent.groups.list())[0]?.state).toBe("invited");
  expect(alice.got).toEqual([]);
});

test("agents that answer each message in a group stop by themselves", async () => {
  await using world = await World.create({ noLimits: true });
  const agents: Member[] = [];
  for (const name of ["alice", "bob", "carol"]) {
    const agent = await world.open(name);
    const got = follow(agent, (message) => message.handled({ body: "I see" }));
    await agent.guard.set({ answers_per_exchange: 4 });
    await agent.sync();
    agents.push({ agent, got });
  }
  const [alice, ...others] = agents as [Member, ...Member[]];
  await alice.agent.groups.create("team", ["bob", "carol"]);
  await alice.agent.send("@team", "hello all");
  await eventually("all of them hold", async () => {
    const all = await Promise.all(agents.map(kinds));
    return all.every((one) => one.includes("guard"));
  });
  for (const { agent } of [alice, ...others]) await caughtUp(agent);
  // Three who answer four times each, and what was on its way.
  for (const { got } of agents) expect(got.length).toBeLessThan(20);
});

test("what a member sends grows no record without end, and has no more room than a stranger", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice, mallory } = await online(world, "alice", "bob", "mallory");
  await mallory.agent.groups.create("team", ["alice", "bob"]);
  await (await mallory.agent.send("@team", "hello")).handled();
  await mallory.agent.close();
  const hostile = await HostileTeamMember.over(world, "mallory");
  for (let at = 1; at <= 10; at++) await hostile.says("alice", "x", { counter: at * 1_000, id: `j${at}` });
  await eventually("all came", () => alice.got.length === 11);
  const books = await world.memory("alice").read((tx) => list(tx, "team-member/"));
  expect(JSON.stringify(books.find(({ name }) => name === "mallory")).length).toBeLessThan(600);
});
