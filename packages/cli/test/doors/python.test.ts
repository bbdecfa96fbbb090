/** clients/python, by Debian's python3 and nothing else. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Agent } from "@aimessage/sdk/node";
import { expect, onTestFinished, test } from "vitest";
import { cliBin } from "../../../../test/processes/processes.ts";
import { eventually } from "../../../../test/waiting.ts";
import { createWorld, type World } from "../world.ts";

const clients = fileURLToPath(new URL("../../../../clients/python", import.meta.url));
const hasPython = spawnSync("python3", ["--version"]).status === 0;

/** What a Python program of this world finds. */
const environment = (world: World) => ({
  ...process.env,
  ...world.env,
  PYTHONPATH: clients,
  PYTHONDONTWRITEBYTECODE: "1",
  AIMESSAGE_COMMAND: `'${process.execPath}' '${cliBin}'`,
});

/** Runs a program to its end. */
const python = async (world: World, script: string) =>
  (await promisify(execFile)("python3", ["-c", script], { env: environment(world), timeout: 50_000 })).stdout;

/** A program that runs until it is killed, or the test is over. */
function running(world: World, script: string): ChildProcess {
  const child = spawn("python3", ["-c", script], { env: environment(world), stdio: ["ignore", "inherit", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

const ECHO = `
from aimessage import Agent
with Agent("bob") as agent:
    for message in agent.messages():
        message.handled(reply=message.body.upper())
`;

async function pair(): Promise<World> {
  const world = await createWorld({ noLimits: true });
  await world.register("alice", "bob");
  return world;
}

test.skipIf(!hasPython)("Python answers a question of TypeScript, and asks one, sync and by asyncio", async () => {
  const world = await pair();
  const bob = running(world, ECHO);
  await using alice = await Agent.open({ home: world.home, username: "alice", server: world.server });
  expect((await alice.ask("bob", "hello Python")).body).toBe("HELLO PYTHON");
  bob.kill("SIGTERM");
  await once(bob, "exit");
  const stop = new AbortController();
  const answering = alice.handle((message) => message.reply(`I am ${message.to}`), { signal: stop.signal });
  const script = `
from aimessage import Agent, AgentError, AsyncAgent
import asyncio
with Agent("bob") as agent:
    print(agent.ask("alice", "who are you?", timeout=20).body)
    try:
        agent.send("b d", "hello")
    except AgentError as error:
        print(error.code)
async def main():
    async with AsyncAgent("bob") as agent:
        print((await agent.ask("alice", "and now?")).body, (await agent.call("whoami"))["username"])
asyncio.run(main())
`;
  expect(await python(world, script)).toBe("I am alice\nbad_username\nI am alice bob\n");
  stop.abort();
  await answering;
});

test.skipIf(!hasPython)("Python hears why there is no agent, or no relay", async () => {
  const world = await createWorld();
  const script = `
from aimessage import Agent, AgentError
try:
    with Agent("nobody") as agent:
        agent.send("bob", "hello")
except AgentError as error:
    print(error.code, error)
`;
  expect(await python(world, script)).toMatch(/^not_registered /);
});

for (const [messages, kills, tags] of [
  [120, 3, []],
  [1_000, 12, ["long"]],
] as const)
  test.skipIf(!hasPython)(
    `${messages} messages each way, with kill -9 of both sides in between: none is lost, none doubled`,
    { tags: [...tags], timeout: 170_000 },
    async () => {
      const world = await pair();
      let bob = running(world, ECHO);
      let alice = await Agent.open({ home: world.home, username: "alice", server: world.server });
      onTestFinished(() => alice.close());
      const replies: string[] = [];
      const listen = (agent: Agent) => {
        const follow = async () => {
          for await (const message of agent.messages({ share: true })) {
            replies.push(message.body);
            await message.handled();
          }
        };
        void follow().catch(() => undefined);
      };
      listen(alice);
      for (let count = 0; count < messages; count++) {
        // A plain message: a reply to what asks for none is a message like others.
        await alice.send("bob", `m${count}`, { messageId: `m-${count}` });
        if (count % Math.floor(messages / kills) === 5) {
          bob.kill("SIGKILL");
          await once(bob, "exit");
          bob = running(world, ECHO);
        }
        if (count === Math.floor(messages / 2)) {
          await alice.close();
          alice = await Agent.open({ home: world.home, username: "alice", server: world.server });
          listen(alice);
        }
      }
      const expected = Array.from({ length: messages }, (_, count) => `M${count}`);
      await eventually("all have come back", () => new Set(replies).size >= messages, 150_000);
      expect(replies.toSorted()).toEqual(expected.toSorted());
      await eventually("all are handled", async () => (await alice.outbox.list()).length === 0, 30_000);
    },
  );
