/** Groups whose trees and commits do not fit a frame: they lie beside it at the relay. [P-6.10] */
import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { caughtUp, eventually, follow, rejection, World } from "./world.ts";

/** A relay that says that its frames are short: everything of a group is too large for them where that is small. */
async function shortFrames(): Promise<World> {
  const world = await World.create({ noLimits: true });
  world.proxy.rule = ({ frame }) => {
    const { limits } = frame.data ?? {};
    if (frame.type !== "info" || limits === undefined) return undefined;
    return [{ ...frame, data: { ...frame.data, limits: { ...limits, frame_bytes: 16 * 1024 } } }];
  };
  return world;
}

/** Agents that are online and handle what comes. */
function crowd(world: World, count: number): Promise<Agent[]> {
  const open = async (name: string): Promise<Agent> => {
    const agent = await world.open(name);
    follow(agent);
    await agent.sync();
    return agent;
  };
  return Promise.all(Array.from({ length: count }, (_, at) => open(`member${at}`)));
}

const names = (agents: Agent[]): string[] => agents.map(({ username }) => username);

describe("a group of many", () => {
  test("is founded by several commits where one cannot add all, and talks, takes in and lets go", async () => {
    await using world = await shortFrames();
    const [founder, last, ...others] = (await crowd(world, 14)) as [Agent, Agent, ...Agent[]];
    const { members } = await founder.groups.create("team", names(others));
    expect(members).toHaveLength(13);
    const commits = world.proxy.sentBy(founder.username, "commit");
    expect(commits.length).toBeGreaterThan(1);
    for (const { data } of commits) expect(typeof data["tree"]).toBe("object");
    await (await founder.send("@team", "hello")).handled();

    await founder.groups.add("team", names([last]));
    const [one, gone] = others as [Agent, Agent];
    await founder.groups.promote("team", names([one]));
    await caughtUp(one);
    await one.groups.remove("team", names([gone]));
    await (await last.send("@team", "I am new")).handled();
    await caughtUp(last);
    expect((await last.groups.find("team")).members).toHaveLength(13);
    expect(await rejection(gone.send("@team", "I am gone"))).toMatchObject({ code: "unknown_group" });
  });

  test("waits while the relay does not hand out or take what is too large, and nothing is lost by that", async () => {
    await using world = await shortFrames();
    const [founder, last, ...others] = (await crowd(world, 4)) as [Agent, Agent, ...Agent[]];
    world.proxy.httpStatus = 503;
    const founding = founder.groups.create("team", names(others));
    await eventually("room was asked for", () => world.proxy.sentBy(founder.username, "blob").length > 0);
    expect(world.proxy.sentBy(founder.username, "commit")).toEqual([]);
    world.proxy.httpStatus = undefined;
    await founding;
    await (await founder.send("@team", "one")).handled();
    world.proxy.rule = ({ toRelay, frame }) => {
      // As soon as the commit has left, nothing is handed out for a while.
      if (toRelay && frame.type === "commit") world.proxy.httpStatus = 429;
      return undefined;
    };
    await founder.groups.add("team", names([last]));
    const sent = await founder.send("@team", "two");
    world.proxy.httpStatus = undefined;
    await sent.handled();
  });

  test("brings a commit again that lay at the relay too long before it was sent", async () => {
    await using world = await shortFrames();
    const [founder, ...others] = (await crowd(world, 3)) as [Agent, ...Agent[]];
    let isThere = true;
    world.proxy.rule = ({ toRelay, frame }) => {
      // It is gone when the commit comes once more.
      if (frame.reply_to === "gone") return "cut";
      const { tree } = frame.data as { tree?: { blob: string } };
      if (!toRelay || frame.type !== "commit" || tree === undefined || !isThere) return undefined;
      isThere = false;
      return [{ type: "blob_delete", id: "gone", data: { blob: tree.blob } }];
    };
    await founder.groups.create("team", names(others));
    expect(world.proxy.sentBy(founder.username, "blob")).toHaveLength(2);
    await (await founder.send("@team", "hello")).handled();
  });

  test("takes in again whoever cannot have a commit, which is not at the relay", async () => {
    await using world = await shortFrames();
    const [founder, bob, ...others] = (await crowd(world, 4)) as [Agent, Agent, ...Agent[]];
    await founder.groups.create("team", names([bob, ...others]));
    await (await founder.send("@team", "one")).handled();
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      const { body } = frame.data as { body?: { blob: string } };
      if (agent !== bob.username || toRelay || typeof body !== "object") return undefined;
      world.proxy.rule = undefined;
      return [{ ...frame, data: { ...frame.data, body: { ...body, blob: "0".repeat(32) } } }];
    };
    await founder.groups.remove("team", names(others.slice(0, 1)));
    await (await founder.send("@team", "two")).handled();
    expect((await bob.alerts()).map(({ kind }) => kind)).toContain("bad_commit");
  });
});
