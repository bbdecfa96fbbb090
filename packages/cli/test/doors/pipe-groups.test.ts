/** Groups for programs in any language: `aimessage pipe`. */
import { expect, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { createWorld } from "../world.ts";
import { program } from "./pipe-program.ts";

test("a program founds a group, changes it, writes to it, waits for some of it, and looks at all of it", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol", "dave");
  const [alice, bob, carol] = [program(world, "alice"), program(world, "bob"), program(world, "carol")];
  await bob.call("subscribe");
  const made = await alice.call("groups.create", { name: "team", members: ["bob", "carol"], about: "release crew" });
  expect(made.result).toEqual({
    name: "team",
    about: "release crew",
    state: "active",
    founded_at: expect.any(Number) as number,
    admins: ["alice"],
    members: ["alice", "bob", "carol"],
  });
  await eventually("bob is in it", async () => {
    const { result } = await bob.call("groups.list");
    return ((result?.["groups"] ?? []) as unknown[]).length === 1;
  });
  const { result: sent } = await alice.call("send", { to: "@team", body: "who can?" });
  await eventually("it has come", () => bob.told("message").length === 1);
  const [message] = bob.told("message");
  expect(message).toMatchObject({ from: "alice", group: "team", body: "who can?" });
  await bob.call("handled", { message_id: message?.["message_id"], body: "not in front of all", privately: true });
  const waited = await alice.call("wait", { message_id: sent?.["message_id"], state: "handled", at_least: 1 });
  expect(waited.result).toMatchObject({ to: "@team", recipients: { handled: ["bob"] } });
  const never = await alice.call("wait", { message_id: sent?.["message_id"], state: "handled", at_least: 3 });
  expect(never.error?.data).toMatchObject({ code: "failed", reason: "partial" });
  await alice.call("subscribe");
  await eventually("bob's answer has come", () => alice.told("message").length === 1);
  expect(alice.told("message")[0]).not.toHaveProperty("group");

  expect((await alice.call("groups.add", { group: "@team", members: ["dave"] })).result).toMatchObject({
    members: ["alice", "bob", "carol", "dave"],
  });
  await alice.call("groups.promote", { group: "team", members: ["bob"] });
  await alice.call("groups.rename", { group: "team", name: "ops" });
  await alice.call("groups.remove", { group: "ops", members: ["carol"] });
  expect((await alice.call("groups.demote", { group: "ops", members: ["bob"] })).result).toMatchObject({
    admins: ["alice"],
  });
  const { result } = await alice.call("groups.show", { group: "ops" });
  expect(result?.["roster"]).toMatchObject([
    { username: "alice", admin: true, self: true },
    { username: "bob", admin: false, device_counter: 1 },
    { username: "dave", verified: false },
  ]);
  expect((await alice.call("groups.create", { name: "again", like: "ops" })).result).toMatchObject({
    members: ["alice", "bob", "dave"],
  });
  expect((await alice.call("groups.list", { after: "again" })).result).toMatchObject({ groups: [{ name: "ops" }] });
  await eventually("bob has heard the name", async () => {
    return (await bob.call("groups.leave", { group: "ops" })).result !== undefined;
  });
  await Promise.all([alice, bob, carol].map((each) => each.end()));
});

test("what a program cannot do with a group says a stable word, a sentence and what to do", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  await world.cli("requests policy contacts -u bob --yes");
  const [alice, bob] = [program(world, "alice"), program(world, "bob")];
  const why = async (by: typeof alice, method: string, params: object) => {
    const { error } = await by.call(method, params);
    return [error?.data?.["code"], error?.data?.["reason"], error?.message, typeof error?.data?.["hint"]];
  };
  expect(await why(alice, "groups.create", { name: "team" })).toEqual([
    "usage",
    undefined,
    "a group needs members",
    "string",
  ]);
  expect(await why(alice, "groups.create", { name: "team", members: ["nobody"] })).toEqual([
    "refused",
    "unknown_user",
    "nobody cannot be added: there is no agent nobody at this relay",
    "string",
  ]);
  expect((await why(alice, "groups.show", { group: "team" })).slice(0, 1)).toEqual(["unknown_group"]);
  expect((await alice.call("groups.add", { group: "team", members: [] })).error?.code).toBe(-32602);
  await alice.call("groups.create", { name: "team", members: ["bob", "carol"] });
  await eventually("bob is invited", async () => {
    const { result } = await bob.call("groups.list");
    return ((result?.["groups"] ?? []) as { state: string }[])[0]?.state === "invited";
  });
  // A stranger's invitation is for the owner.
  expect(await why(bob, "groups.accept", { group: "team" })).toEqual([
    "refused",
    "consent",
    "alice is a stranger, and no program takes its invitation",
    "string",
  ]);
  expect((await why(bob, "send", { to: "@team", body: "hello" })).slice(0, 1)).toEqual(["not_a_member"]);
  expect((await bob.call("groups.refuse", { group: "team" })).result).toEqual({});
  expect((await bob.call("groups.list")).result).toEqual({ groups: [] });
  await Promise.all([alice.end(), bob.end()]);
});

test("an invitation of somebody whom the owner has let in meanwhile is taken by a program", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  await world.cli("requests policy contacts -u bob --yes");
  await world.cli("group create -u alice team bob carol");
  await world.cli("send -u alice -t bob -m hello");
  const bob = program(world, "bob");
  await eventually("alice waits", async () => {
    const { result } = await bob.call("requests.list");
    return ((result?.["requests"] ?? []) as unknown[]).length === 1;
  });
  expect((await world.cli("requests accept -u bob alice --yes")).exit).toBe(0);
  expect((await bob.call("groups.accept", { group: "team" })).result).toMatchObject({ state: "active" });
  await bob.end();
});
