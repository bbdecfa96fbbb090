/** Files to and from groups, by the doors of assistants. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { assistant, inside } from "./assistant.ts";
import { pathWorld } from "./file-paths.ts";

test("an assistant sends a file to a group, and another one saves it and answers all with one of its own", async () => {
  const world = await pathWorld();
  await world.register("carol");
  expect(await world.cli("group create -u alice team bob carol")).toMatchObject({ exit: 0 });
  const words = ["--files-root", world.root];
  const [alice, bob] = [await assistant(world, "alice", { words }), await assistant(world, "bob", { words })];
  const sent = await alice.call("send_message", { to: "@team", body: "for all", files: ["fine.txt"] });
  expect(sent["isError"]).toBe(false);
  const [{ message_id }] = await eventually("it has come", async () => {
    const messages = (await bob.call("check_inbox"))["messages"] as { message_id: string }[];
    return messages.length === 1 && (messages as [{ message_id: string }]);
  });
  const shown = await bob.call("read_messages", { message_id, save_to: "in" });
  const [{ files }] = shown["messages"] as [{ files: { path: string }[] }];
  expect(readFileSync(inside(files[0]?.path ?? ""), "utf8")).toBe("SECRET or not");
  expect(await bob.call("reply_to_message", { message_id, body: "here", files: ["sub/fine.txt"] })).toMatchObject({
    isError: false,
  });
  await using carol = await Agent.open({ home: world.home, username: "carol", create: false });
  const got = await eventually("both are there", async () => {
    await carol.sync();
    const inbox = await carol.inbox();
    return inbox.length === 2 && inbox;
  });
  expect(got.map(({ from, group, body }) => [from, group, body])).toEqual([
    ["alice", "team", "for all"],
    ["bob", "team", "here"],
  ]);
  for (const { id, from } of got) await (await carol.message(id)).files[0]!.save(join(world.cwd, from));
  await eventually("its sender hears of both", async () => {
    const status = await alice.call("message_status", { message_id: sent["message_id"] });
    return (status["files"] as { fetched: number }[])[0]?.fetched === 2;
  });
});
