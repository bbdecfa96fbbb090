/** Groups by clients/python. */
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Agent } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { eventually } from "../../../../test/waiting.ts";
import { createWorld } from "../world.ts";

const clients = fileURLToPath(new URL("../../../../clients/python", import.meta.url));
const hasPython = spawnSync("python3", ["--version"]).status === 0;

const SCRIPT = `
from aimessage import Agent, AgentError, AsyncAgent
import asyncio
with Agent("alice") as agent:
    groups = agent.groups
    print(groups.create("team", ["bob", "carol"], about="release crew").members)
    sent = agent.send("@team", "who can?")
    print(agent.wait(sent, at_least=1, timeout=20)["recipients"]["handled"])
    for message in agent.messages():
        print(message.group, message.sender, message.body)
        message.reply("thanks", privately=True)
        message.handled()
        break
    print(groups.add("@team", ["dave"]).members, groups.promote("team", "bob").admins)
    print(groups.demote("team", "bob").admins, groups.remove("team", ["carol"]).members)
    print(groups.rename("team", "ops").name, groups.create("two", like="ops").members)
    print([(member.username, member.admin, member.is_self) for member in groups.info("ops").roster])
    try:
        groups.add("nobodys", ["bob"])
    except AgentError as error:
        print(error.code, "|", error.hint)
async def main():
    async with AsyncAgent("alice") as agent:
        print([group.name for group in await agent.groups.list()])
        await agent.groups.promote("ops", "bob")
        await agent.groups.leave("ops")
        print([group.name for group in await agent.groups.list()])
asyncio.run(main())
with Agent("dave") as agent:
    try:
        agent.groups.accept("ops")
    except AgentError as error:
        print(error.code, error.reason)
    agent.groups.refuse("ops")
    print([group.name for group in agent.groups.list()])
`;

test.skipIf(!hasPython)("Python founds a group, changes it, writes to it, waits for it, and leaves it", async () => {
  const world = await createWorld({ noLimits: true });
  await world.register("alice", "bob", "carol", "dave");
  await world.cli("requests policy contacts -u dave --yes");
  await using bob = await Agent.open({ home: world.home, username: "bob", server: world.server });
  const got: string[] = [];
  const stop = new AbortController();
  const handling = bob.handle(
    async (message) => {
      got.push(`${message.group} ${message.body}`);
      if (message.group !== undefined) await message.reply("I can");
    },
    { signal: stop.signal },
  );
  await using dave = await Agent.open({ home: world.home, username: "dave", server: world.server });
  await dave.sync();
  const env = {
    ...process.env,
    ...world.env,
    PYTHONPATH: clients,
    PYTHONDONTWRITEBYTECODE: "1",
    AIMESSAGE_COMMAND: `'${process.execPath}' '${builtCli()}'`,
  };
  const { stdout } = await promisify(execFile)("python3", ["-c", SCRIPT], { env, timeout: 50_000 });
  expect(stdout.split("\n")).toEqual([
    "['alice', 'bob', 'carol']",
    "['bob']",
    "team bob I can",
    "['alice', 'bob', 'carol', 'dave'] ['alice', 'bob']",
    "['alice'] ['alice', 'bob', 'dave']",
    "ops ['alice', 'bob', 'dave']",
    "[('alice', True, True), ('bob', False, False), ('dave', False, False)]",
    "unknown_group | aimessage group list shows those that it is in",
    "['ops', 'two']",
    "['two']",
    "refused consent",
    "['two']",
    "",
  ]);
  await eventually("bob has the private answer", () => got.length === 2);
  expect(got).toEqual(["team who can?", "undefined thanks"]);
  stop.abort();
  await handling;
});
