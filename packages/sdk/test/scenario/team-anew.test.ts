/** Groups that cannot go on, and are founded anew. [P-15.9] */
import { cpSync, rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Member, online } from "./members.ts";
import {
  agree,
  alertsOf,
  allTalk,
  anyCommit,
  clockAhead,
  commitAs,
  halfGarbage,
  hearEachOther,
  type Lawless,
  lawlessAs,
  listening,
  welcomeBehind,
} from "./team-world.ts";
import { edit } from "./proxy.ts";
import { caughtUp, eventually, follow, jump, SAME_CLOCK, temporaryFolder, World } from "./world.ts";
import { moveOn } from "../../../../test/clocks.ts";
import { encodeSettings, decodeSettings } from "../../src/crypto/team/settings.ts";

/** A member makes itself the only admin, which nobody follows but itself. */
async function seizePower(world: World, member: string): Promise<Lawless> {
  const hostile = await lawlessAs(world, member);
  const settings = decodeSettings(hostile.teams.settings(hostile.group))!;
  const change = { settings: encodeSettings({ ...settings, admins: [member] }) };
  const { commit, pending } = await anyCommit(hostile, change);
  await commitAs(world, member, { group: hostile.group, commit });
  return { ...hostile, group: pending };
}

/** A group of Alice and Bob, its admins in this order, Carol, and Mallory. */
async function withMallory(world: World) {
  const members = await online(world, "alice", "bob", "carol", "mallory");
  const { alice, bob, carol, mallory } = members;
  await alice.agent.groups.create("team", ["bob", "carol", "mallory"]);
  await alice.agent.groups.promote("team", ["bob"]);
  await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
  await agree([alice, bob, carol, mallory], ["alice", "bob", "carol", "mallory"]);
  await allTalk([alice, bob, carol, mallory], "before");
  return members;
}

const ofAlice = ({ got }: Member) => got.filter(({ from }) => from === "alice").map(({ body }) => body);

const isStuck = async (member: Member) => (await alertsOf(member, "bad_commit")).length === 1;

describe("[P-15.9] a group in which somebody has signed a forbidden commit", () => {
  test("is founded anew without that one by the admin who is first in rank, and what waited comes there", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol, mallory } = await withMallory(world);
    await seizePower(world, "mallory");
    const honest = [alice, bob, carol];
    for (const member of honest)
      await eventually("it is told who", async () => (await alertsOf(member, "bad_commit"))[0]?.contact === "mallory");
    const waiting = await carol.agent.send("@team", "meanwhile");
    await listening(honest, 120_000);
    await agree(honest, ["alice", "bob", "carol"]);
    await waiting.handled();
    await allTalk(honest, "after");
    expect((await carol.agent.groups.find("team")).admins).toEqual(["alice", "bob"]);
    const [founded] = await alertsOf(carol, "founded_anew");
    expect(founded).toMatchObject({ contact: "alice" });
    expect(founded?.text).toContain("all of its members but mallory");
    expect(await alertsOf(bob, "group_twice")).toEqual([]);
    for (const { got } of honest) expect(new Set(got.map(({ group }) => group))).toEqual(new Set(["team"]));
    expect(mallory.got.some(({ body }) => body.startsWith("after") || body === "meanwhile")).toBe(false);
  });

  test("is founded anew, and whoever came late hears nothing there of what was said before it came", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await withMallory(world);
    await carol.agent.close();
    const said = await alice.agent.send("@team", "before dave");
    await said.handled({ atLeast: 2 });
    const { dave } = await online(world, "dave");
    await alice.agent.groups.add("team", ["dave"]);
    await eventually("dave is in", async () => (await dave.agent.groups.list()).length === 1);
    await seizePower(world, "mallory");
    for (const member of [alice, bob, dave]) await eventually("it is stuck", () => isStuck(member));
    await listening([alice, bob, dave], 120_000);
    const agent = await world.open("carol");
    const back = { agent, got: follow(agent) };
    await agree([alice, bob, back, dave], ["alice", "bob", "carol", "dave"]);
    await said.handled();
    await (await alice.agent.send("@team", "after")).handled();
    expect(ofAlice(back)).toEqual(["before dave", "after"]);
    expect(ofAlice(dave)).toEqual(["after"]);
    expect(ofAlice(bob).slice(-2)).toEqual(["before dave", "after"]);
    expect(await said.recipients()).toMatchObject({ handled: ["bob", "carol", "mallory"], waiting: [] });
  });

  test("is founded anew by the next one a minute later, which a kill does not begin anew; whoever comes back follows", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await withMallory(world);
    await alice.agent.close();
    await seizePower(world, "mallory");
    await eventually("bob is stuck", () => isStuck(bob));
    await listening([bob, carol], 110_000);
    await bob.agent.close();
    const again = { agent: await world.open("bob"), got: bob.got };
    follow(again.agent);
    await listening([again, carol], 50_000);
    expect(await alertsOf(again, "founded_anew")).toEqual([]);
    await listening([again, carol], 40_000);
    const back = { agent: await world.open("alice"), got: alice.got };
    follow(back.agent);
    const all = [back, again, carol];
    await agree(all, ["alice", "bob", "carol"]);
    await allTalk(all, "after");
    expect(await alertsOf(back, "founded_anew")).toMatchObject([{ contact: "bob" }]);
  });

  test("and that two found anew at once goes on where the first in rank has founded it, and nothing comes twice", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await withMallory(world);
    await seizePower(world, "mallory");
    for (const member of [alice, bob, carol]) await eventually("it is stuck", () => isStuck(member));
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "alice" && toRelay && frame.type === "commit" ? [] : undefined;
    await listening([alice, bob, carol], 200_000);
    await eventually("bob has founded it", async () => (await alertsOf(carol, "founded_anew"))[0]?.contact === "bob");
    world.proxy.rule = undefined;
    const early = await carol.agent.send("@team", "in between");
    world.proxy.cut("alice");
    for (const member of [bob, carol])
      await eventually("alice has, too", async () =>
        (await alertsOf(member, "founded_anew")).some(({ contact }) => contact === "alice"),
      );
    await allTalk([alice, bob, carol], "after");
    await early.handled();
    for (const { got } of [alice, bob, carol]) expect(new Set(got.map(({ id }) => id)).size).toBe(got.length);
    const groups = await Promise.all([alice, bob, carol].map(({ agent }) => agent.groups.list()));
    expect(groups.map((list) => list.map(({ name }) => name))).toEqual([["team"], ["team"], ["team"]]);
  });

  test("and whose founding anew the relay refuses once still has what waits for it", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await withMallory(world);
    await seizePower(world, "mallory");
    for (const member of [alice, bob, carol]) await eventually("it is stuck", () => isStuck(member));
    const waiting = await alice.agent.send("@team", "meanwhile");
    // As where Carol has got another device since her key package was claimed.
    let isRefused = false;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice" || !toRelay || frame.type !== "commit" || isRefused) return undefined;
      isRefused = true;
      const data = { code: 409, reason: "device_replaced", message: "another device", username: "carol" };
      queueMicrotask(() => world.proxy.answer("alice", frame.id ?? "", { type: "error", data }));
      return [];
    };
    await listening([alice, bob, carol], 140_000);
    expect(isRefused).toBe(true);
    await waiting.handled();
  });

  test("is not founded anew for the time in which its admin has slept", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await withMallory(world);
    await seizePower(world, "mallory");
    const honest = [alice, bob, carol];
    for (const member of honest) await eventually("it is stuck", () => isStuck(member));
    const commits = () => ["alice", "bob"].flatMap((name) => world.proxy.sentBy(name, "commit")).length;
    const before = commits();
    moveOn(3_600_000);
    for (const { agent } of honest) await caughtUp(agent);
    expect(commits()).toBe(before);
    await listening(honest, 140_000);
    await agree(honest, ["alice", "bob", "carol"]);
  });

  test("is founded anew by one admin once an hour at most", { tags: ["long"] }, async () => {
    const clock = clockAhead();
    await using world = await World.create({ noLimits: true, ...SAME_CLOCK });
    const { alice, bob, mallory, trudy } = await online(world, "alice", "bob", "mallory", "trudy");
    await alice.agent.groups.create("team", ["bob", "mallory", "trudy"]);
    await agree([mallory], ["alice", "bob", "mallory", "trudy"]);
    await seizePower(world, "mallory");
    await eventually("bob is stuck", () => isStuck(bob));
    await listening([alice, bob, trudy], 140_000);
    await agree([alice, bob, trudy], ["alice", "bob", "trudy"]);
    await seizePower(world, "trudy");
    await eventually("alice is stuck", async () => (await alertsOf(alice, "bad_commit")).length === 2);
    await listening([alice, bob], 300_000);
    expect((await alice.agent.groups.find("team")).members).toContain("trudy");
    clock.offset += 3_600_000;
    await listening([alice, bob], 20_000);
    await agree([alice, bob], ["alice", "bob"]);
    await allTalk([alice, bob], "after");
  });

  test("is founded anew by several commits where one cannot add all", { tags: ["long"] }, async () => {
    await using world = await World.create({ noLimits: true });
    world.proxy.rule = ({ frame }) => {
      const { limits } = frame.data ?? {};
      if (frame.type !== "info" || limits === undefined) return undefined;
      return [edit(frame, { limits: { ...limits, frame_bytes: 16 * 1024 } })];
    };
    const others = Array.from({ length: 10 }, (_, at) => `member${at}`);
    const { alice, mallory, ...rest } = await online(world, "alice", "mallory", ...others);
    const honest = [alice!, ...Object.values(rest)] as Member[];
    await alice!.agent.groups.create("team", [...others, "mallory"]);
    await alice!.agent.groups.promote("team", ["member9"]);
    await eventually("mallory knows", async () => (await mallory!.agent.groups.list())[0]?.admins.length === 2);
    await seizePower(world, "mallory");
    for (const member of honest) await eventually("it is stuck", () => isStuck(member));
    await listening(honest, 140_000);
    await agree(honest, ["alice", ...others]);
    expect((await alice!.agent.groups.find("team")).admins).toEqual(["alice", "member9"]);
    expect(world.proxy.sentBy("alice", "commit").filter(({ data }) => data.epoch === 1)).toHaveLength(2);
    await allTalk(honest, "after");
  });

  test("is not followed behind that commit: its maker takes nobody in again", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await withMallory(world);
    const hostile = await seizePower(world, "mallory");
    await eventually("carol is stuck", () => isStuck(carol));
    await welcomeBehind(world, "mallory", hostile, "carol");
    await eventually("carol is told", async () => (await alertsOf(carol, "bad_welcome")).length === 1);
    await listening([alice, bob, carol], 140_000);
    await agree([alice, bob, carol], ["alice", "bob", "carol"]);
  });
});

describe("a member", () => {
  test("whose keys the others have no path to is taken in by whoever could follow, and nobody is left out", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol, mallory } = await withMallory(world);
    await halfGarbage(world, "mallory");
    await mallory.agent.close();
    const honest = [alice, bob, carol];
    await eventually("somebody is told who", async () => {
      for (const member of honest) if ((await alertsOf(member, "bad_commit"))[0]?.contact === "mallory") return true;
      return false;
    });
    await hearEachOther(honest, "after");
    for (const member of honest) expect(await alertsOf(member, "founded_anew")).toEqual([]);
  });

  test("that was taken to the new group reads what comes in the old one", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await alice.agent.groups.promote("team", ["carol"]);
    await agree([bob, carol], ["alice", "bob", "carol"]);
    await eventually("carol knows", async () => (await carol.agent.groups.find("team")).admins.includes("carol"));
    // Alice alone cannot follow, nobody hears it, and Bob does not get to know where she has founded the group anew.
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (toRelay) return undefined;
      if (frame.type === "statement" || (agent === "bob" && frame.data?.kind === "welcome")) return [];
      return agent === "alice" && frame.data?.kind === "commit" ? [edit(frame, { body: "AAEAAg==" })] : undefined;
    };
    await carol.agent.groups.rename("team", "ops");
    await agree([bob], ["alice", "bob", "carol"], "ops");
    await listening([alice, carol], 140_000);
    await eventually("carol is told", async () => (await alertsOf(carol, "founded_anew")).length === 1);
    await bob.agent.send("@ops", "in the old one");
    await eventually("carol reads it", () => carol.got.some(({ body }) => body === "in the old one"));
    expect(carol.got.at(-1)?.group).toBe("team");
  });

  test("that gets two commits in a day that do not open is told from which account; from one it is accused of nothing", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await agree([carol], ["alice", "bob", "carol"]);
    const garble = async (before: string, name: string) => {
      world.proxy.rule = ({ agent, toRelay, frame }) =>
        agent === "carol" && !toRelay && frame.data.kind === "commit" ? [edit(frame, { body: "AAEAAg==" })] : undefined;
      const told = (await alertsOf(carol, "bad_commit")).length;
      await alice.agent.groups.rename(before, name);
      await eventually("carol cannot follow", async () => (await alertsOf(carol, "bad_commit")).length > told);
      world.proxy.rule = undefined;
    };
    await garble("team", "one");
    expect((await alertsOf(carol, "bad_commit"))[0]?.contact).toBeUndefined();
    await agree([carol], ["alice", "bob", "carol"], "one");
    await eventually("carol is back", async () => (await carol.agent.send("@one", "back")).stored());
    await garble("one", "two");
    expect((await alertsOf(carol, "bad_commit")).map(({ contact }) => contact)).toEqual([undefined, "alice"]);
    expect(bob.got).toHaveLength(1);
  });

  test(
    "that was asleep for so long that it never saw its invitation is taken in by an admin by itself",
    { tags: ["long"] },
    async () => {
      await using world = await World.create({ store: "sqlite", db: temporaryFolder(), noLimits: true, ...SAME_CLOCK });
      const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
      await carol.agent.close();
      await alice.agent.groups.create("team", ["bob", "carol"]);
      // Whichever of the two is asked first.
      await alice.agent.groups.promote("team", ["bob"]);
      const sent = await alice.agent.send("@team", "for who is there");
      await eventually("bob has it", () => bob.got.length === 1);
      jump(15 * 86_400_000);
      await world.stopRelay();
      await world.startRelay();
      await eventually("the relay has given up", async () => (await sent.recipients()).failed.length === 1);
      const again = await world.open("carol");
      const awake = { agent: again, got: follow(again) };
      await agree([alice, bob, awake], ["alice", "bob", "carol"]);
      await allTalk([alice, bob, awake], "at last");
      expect(world.proxy.sentBy("carol", "rejoin")).toHaveLength(1);
    },
  );
});

/** The relay is as it was when `backUp` was called, once `putBack` is. */
function backupOf(world: World, db: string) {
  const backup = world.folder();
  const backUp = async () => {
    await world.stopRelay();
    cpSync(db, backup, { recursive: true });
    await world.startRelay();
  };
  const putBack = async (restored = true) => {
    await world.stopRelay();
    rmSync(db, { recursive: true });
    cpSync(backup, db, { recursive: true });
    await world.startRelay({ restored });
  };
  return { backUp, putBack };
}

test("a member whose new keys the relay does not admit for two rounds says nothing more there, and is taken in anew", async () => {
  const clock = clockAhead();
  await using world = await World.create({ noLimits: true, ...SAME_CLOCK });
  const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
  await alice.agent.groups.create("team", ["bob", "carol"]);
  await agree([bob], ["alice", "bob", "carol"]);
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "bob" && toRelay && frame.type === "commit" ? [] : undefined;
  const passes = async (milliseconds: number) => {
    clock.offset += milliseconds;
    world.proxy.cut("bob");
    await eventually("bob is back", () => world.proxy.isConnected("bob"));
    await caughtUp(bob.agent);
  };
  // A night is no reason for anything.
  await passes(4 * 86_400_000);
  await eventually("it wants new keys", () => world.proxy.sentBy("bob", "commit").length > 0);
  expect(await alertsOf(bob, "healing_blocked")).toEqual([]);
  await passes(610_000);
  await eventually("bob is told", async () => (await alertsOf(bob, "healing_blocked")).length === 1);
  world.proxy.rule = undefined;
  await allTalk([alice, bob, carol], "after");
});

describe("[G-13] a relay that was put back from a backup", () => {
  test("and knows only old epochs of a group has it founded anew, with all of its members and all that waited", async () => {
    const db = temporaryFolder();
    await using world = await World.create({ store: "sqlite", db, noLimits: true });
    const { backUp, putBack } = backupOf(world, db);
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await agree([alice, bob, carol], ["alice", "bob", "carol"]);
    await allTalk([alice, bob, carol], "before");
    await backUp();
    await alice.agent.groups.rename("team", "ops");
    await alice.agent.groups.rename("ops", "team");
    await allTalk([alice, bob, carol], "forgotten by the relay");
    await putBack();
    const members = [alice, bob, carol];
    for (const member of members)
      await eventually("it is told", async () => (await alertsOf(member, "group_lost")).length === 1);
    const waiting = await bob.agent.send("@team", "meanwhile");
    const renamed = alice.agent.groups.rename("team", "crew", { timeout: 900_000 });
    await listening(members, 140_000);
    await renamed;
    await agree(members, ["alice", "bob", "carol"], "crew");
    await waiting.handled();
    await allTalk(members, "after", "@crew");
    for (const { got } of members) expect(new Set(got.map(({ body }) => body)).size).toBe(got.length);
  });

  test("is found out although the clock of its members was ahead while they were in what it has lost", async () => {
    const db = temporaryFolder();
    await using world = await World.create({ store: "sqlite", db, noLimits: true });
    const { backUp, putBack } = backupOf(world, db);
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await agree([alice, bob, carol], ["alice", "bob", "carol"]);
    await backUp();
    jump(3_600_000);
    await alice.agent.groups.rename("team", "ops");
    await agree([alice, bob, carol], ["alice", "bob", "carol"], "ops");
    jump(-3_600_000);
    await putBack();
    for (const member of [alice, bob, carol])
      await eventually("it is told", async () => (await alertsOf(member, "group_lost")).length === 1);
  });

  test("and does not say so has it founded anew once an admin wants something there", { tags: ["long"] }, async () => {
    const db = temporaryFolder();
    await using world = await World.create({ store: "sqlite", db, noLimits: true });
    const { backUp, putBack } = backupOf(world, db);
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    const members = [alice, bob, carol];
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await agree(members, ["alice", "bob", "carol"]);
    await backUp();
    await alice.agent.groups.rename("team", "ops");
    await alice.agent.groups.rename("ops", "team");
    for (const { agent } of members) await caughtUp(agent);
    await allTalk(members, "forgotten by the relay");
    await putBack(false);
    const waiting = await bob.agent.send("@team", "meanwhile");
    const renamed = alice.agent.groups.rename("team", "crew", { timeout: 900_000 });
    await listening(members, 140_000);
    await renamed;
    await waiting.handled();
    await allTalk(members, "after", "@crew");
    expect(await alertsOf(alice, "group_lost")).toHaveLength(1);
  });

  test("and knows none of two groups has both founded anew, by other key packages each", async () => {
    const db = temporaryFolder();
    await using world = await World.create({ store: "sqlite", db, noLimits: true });
    const { backUp, putBack } = backupOf(world, db);
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await backUp();
    for (const name of ["team", "crew"]) await alice.agent.groups.create(name, ["bob", "carol"]);
    for (const name of ["team", "crew"]) await agree([alice, bob, carol], ["alice", "bob", "carol"], name);
    await putBack();
    const members = [alice, bob, carol];
    await listening(members, 140_000);
    for (const to of ["@team", "@crew"]) await allTalk(members, "after", to);
    for (const member of members) expect(await alertsOf(member, "welcome_without_key")).toEqual([]);
  });

  test("and does not know a group at all has it founded anew: what is sent to it waits, and so does the wish to be in it", async () => {
    const db = temporaryFolder();
    await using world = await World.create({ store: "sqlite", db, noLimits: true });
    const { backUp, putBack } = backupOf(world, db);
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await backUp();
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await agree([alice, bob, carol], ["alice", "bob", "carol"]);
    await allTalk([alice, bob, carol], "before");
    await carol.agent.close();
    const lost = await bob.agent.send("@team", "not received by carol");
    await eventually("alice has it", async () => (await lost.recipients()).handled.length === 1);
    await putBack();
    const again = await world.open("carol");
    const members = [alice, bob, { agent: again, got: follow(again) }];
    const waiting = await bob.agent.send("@team", "meanwhile");
    await listening(members, 140_000);
    await lost.handled();
    await waiting.handled();
    await allTalk(members, "after");
    // Nobody is added by a key package that was used before: the relay was given others.
    for (const member of members) expect(await alertsOf(member, "welcome_without_key")).toEqual([]);
  });
});
