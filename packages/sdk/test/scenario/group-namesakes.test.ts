/** A name of a member that is somebody else's later: nothing of what was said before is for that one, and it has no say on it. [P-15.10] */
import { cpSync, rmSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { list } from "../../src/records/records.ts";
import { gathered } from "./members.ts";
import { edit } from "./proxy.ts";
import { atRest, eventually, follow, World } from "./world.ts";

/** Carol's team, with Bob and with Dave, who is away: so no message is done. `alice` is in it, too. */
async function team(alice?: (world: World) => Promise<Agent>) {
  const world = await World.create({ noLimits: true });
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { carol, bob, dave } = await gathered(world, "carol", "bob", "dave");
  const first = await (alice === undefined ? world.open("alice") : alice(world));
  follow(first);
  await first.sync();
  await carol.agent.groups.add("team", ["alice"]);
  await eventually("alice is in", async () => (await first.groups.list()).length === 1);
  await (await first.send("@team", "hello")).handled();
  await dave.agent.close();
  return { world, alice: first, bob: bob.agent, carol: carol.agent };
}

/** Bob goes, and somebody else is added who has taken his name. */
async function replaceBob(world: World, carol: Agent) {
  await carol.groups.remove("team", ["bob"]);
  await (await world.open("bob")).unregister({ release: true });
  world.folders.delete("bob");
  const other = await world.open("bob");
  await other.sync();
  await carol.trust(`bob#${other.fingerprint}`);
  const got = follow(other);
  await carol.groups.add("team", ["bob"]);
  await eventually("the other bob is in", async () => (await other.groups.list()).length === 1);
  return { other, got };
}

/** Alice is heard again, and nothing is under way any more. */
async function isBack(world: World, alice: Agent, ...others: Agent[]): Promise<void> {
  const isHeard = async () => (await alice.send("@team", "I am back")).handled({ atLeast: 2, timeout: 3_000 });
  await eventually("alice is back", () =>
    isHeard().then(
      () => true,
      () => false,
    ),
  );
  await (await alice.send("@team", "once more")).handled({ atLeast: 2 });
  await atRest(world, alice, ...others);
}

test("what waits for one member alone goes to nobody who has its name later", async () => {
  const { world, alice, carol } = await team();
  let [isGarbled, isBusy] = [false, true];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (!isGarbled && agent === "bob" && !toRelay && frame.data?.kind === "application") {
      isGarbled = true;
      return [edit(frame, { message: "AAAA" })];
    }
    const isCopy = frame.type === "send" && frame.data.direct === true && frame.data["to"] === "bob";
    if (!isBusy || agent !== "alice" || !toRelay || !isCopy) return undefined;
    const data = { code: 503, message: "busy", reason: "recipient_busy", message_id: frame.data.message_id! };
    world.proxy.answer(agent, frame.id ?? "", { type: "error", data });
    return [];
  };
  await alice.send("@team", "a secret");
  await eventually("it waits for bob", () =>
    world.memory("alice").read(async (tx) => (await list(tx, "out/")).some(({ of }) => of !== undefined)),
  );
  await alice.close();
  isBusy = false;
  const { other, got } = await replaceBob(world, carol);
  const again = await world.open("alice");
  follow(again);
  await isBack(world, again, carol, other);
  expect(got.map(({ body }) => body).filter((body) => body === "a secret")).toEqual([]);
});

test("whoever was away while a name became another's sends that one nothing of before, and waits for no word of it", async () => {
  const { world, alice, bob, carol } = await team();
  await bob.close();
  const secret = await alice.send("@team", "a secret");
  await secret.handled({ atLeast: 1 });
  await atRest(world, alice, carol);
  let isHidden = true;
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    isHidden && agent === "alice" && !toRelay && frame.data?.kind === "commit" ? [] : undefined;
  const { other, got } = await replaceBob(world, carol);
  await (await carol.send("@team", "after")).stored();
  isHidden = false;
  await isBack(world, alice, carol, other);
  expect(got.map(({ body }) => body).filter((body) => body === "a secret")).toEqual([]);
  expect((await secret.recipients()).gone).toEqual(["bob"]);
});

test("what an old copy of a store sends once more is for nobody who has a member's name by now", async () => {
  let [folder, copy] = ["", ""];
  const { world, alice, bob, carol } = await team(async (opened) => {
    [folder, copy] = [opened.folder(), opened.folder()];
    return opened.open("alice", await opened.sqlite(folder));
  });
  await bob.close();
  await (await alice.send("@team", "a secret")).handled({ atLeast: 1 });
  await atRest(world, alice, carol);
  await alice.close();
  cpSync(folder, copy, { recursive: true });
  const between = await world.open("alice", await world.sqlite(folder));
  follow(between);
  await (await between.send("@team", "after the copy")).handled({ atLeast: 1 });
  await between.close();
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true });
  const { other, got } = await replaceBob(world, carol);
  const restored = await world.open("alice", await world.sqlite(folder));
  follow(restored);
  await isBack(world, restored, carol, other);
  expect(got.map(({ body }) => body).filter((body) => body === "a secret")).toEqual([]);
});
