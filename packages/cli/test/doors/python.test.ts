// @module-tag long
/** clients/python, by Debian's python3 and nothing else. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Agent } from "@aimessage/sdk/node";
import { expect, onTestFinished, test } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { Program } from "../../../../test/processes/processes.ts";
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
  AIMESSAGE_COMMAND: `'${process.execPath}' '${builtCli()}'`,
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

/** Starts both kinds of agents by a command, and prints why it cannot. */
const starting = (command: string) => `
import asyncio, os
os.environ["AIMESSAGE_COMMAND"] = ${JSON.stringify(command)}
from aimessage import Agent, AgentError, AsyncAgent
try:
    Agent("bob").close()
except AgentError as error:
    print(error.code, error, "|", error.hint)
async def main():
    async with AsyncAgent("bob"):
        pass
try:
    asyncio.run(main())
except AgentError as error:
    print(error)
`;

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

test.skipIf(!hasPython)("[P-9.19] Python shows what a person has written, and can mark nothing so", async () => {
  const world = await pair();
  await using alice = await Agent.open({ home: world.home, username: "alice", server: world.server });
  for (const byPerson of [true, false]) await alice.send("bob", byPerson ? "typed" : "made", { byPerson });
  const script = `
from aimessage import Agent, AgentError
with Agent("bob") as agent:
    for _, message in zip(range(2), agent.messages()):
        print(message.body, message.human)
        message.handled()
    try:
        agent.send("alice", "no", human=True)
    except AgentError as error:
        print(error)
    agent.send("alice", "of a program")
`;
  expect(await python(world, script)).toMatch(/^typed True\nmade False\nsend: .+\n$/);
  const got = await eventually("it has come", async () => {
    await alice.sync();
    const inbox = await alice.inbox();
    return inbox.length > 0 && inbox;
  });
  expect(got).toMatchObject([{ body: "of a program", human: false }]);
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

/** Sends to Bob, again from the first after each start, and prints the answers: their ids, and what they say. */
const ASKER = `
import { Agent } from "@aimessage/sdk/node";
const [, home, server, messages] = process.argv;
const agent = await Agent.open({ home, username: "alice", server });
const sending = async () => {
  for (let count = 0; count < Number(messages); count++)
    await agent.send("bob", "m" + count, { messageId: "m-" + count }).catch((error) => {
      if (!/was used before/.test(error.message)) throw error;
    });
};
void sending();
for await (const message of agent.messages({ share: true })) {
  console.log(message.id, message.body);
  await message.handled();
}
`;

test.skipIf(!hasPython)(
  "Python hears that there is no such command, and takes a path with a space as one word",
  async () => {
    const world = await createWorld();
    const said = await python(world, starting("no-such-aimessage --flag"));
    expect(said).toMatch(
      /^usage no-such-aimessage is not on the PATH \(set AIMESSAGE_COMMAND .*\) \| set AIMESSAGE_COMMAND .*\nno-such-aimessage is not/,
    );
    const program = `${world.home} no program`;
    await writeFile(program, "");
    expect(await python(world, starting(program))).toContain(`${program} cannot be started: Permission denied`);
  },
);

for (const [messages, kills, tags] of [
  [60, 2, []],
  [1_000, 12, ["long"]],
] as const)
  test.skipIf(!hasPython)(
    `${messages} messages each way, with kill -9 of either side in between: none is lost, none doubled`,
    { tags: [...tags], timeout: 170_000 },
    async () => {
      const world = await pair();
      const alice = new Program(["--input-type=module", "-e", ASKER, world.home, world.server, String(messages)]);
      onTestFinished(() => alice.end("SIGKILL"));
      alice.start();
      let bob = running(world, ECHO);
      // A message that was with a killed program comes to the next one: with the same id.
      const answers = () => new Map(alice.lines.map((line) => line.split(" ") as [string, string]));
      for (let kill = 1; kill <= kills; kill++) {
        const some = Math.floor((kill * messages) / (kills + 1));
        await eventually(`${some} have come back`, () => answers().size >= some, 60_000);
        if (kill % 2 === 0) {
          await alice.end("SIGKILL");
          alice.start();
        } else {
          bob.kill("SIGKILL");
          await once(bob, "exit");
          bob = running(world, ECHO);
        }
      }
      await eventually("all have come back", () => answers().size >= messages, 150_000);
      await using agent = await Agent.open({ home: world.home, username: "alice", server: world.server });
      await eventually("all are handled", async () => (await agent.outbox.list()).length === 0, 30_000);
      const expected = Array.from({ length: messages }, (_, count) => `M${count}`);
      expect([...answers().values()].toSorted()).toEqual(expected.toSorted());
      expect(alice.errors).toBe("");
    },
  );

test.skipIf(!hasPython)(
  "Python: what is not waited for any more, a very long line and a program that is no aimessage hold up nobody",
  async () => {
    const world = await pair();
    await using alice = await Agent.open({ home: world.home, username: "alice", server: world.server });
    const sent = [];
    for (let count = 0; count < 2; count++) sent.push(await alice.send("bob", "\u{1}".repeat(700_000)));
    for (const one of sent) await one.stored();
    const script = `
import asyncio, sys
from aimessage import Agent, AgentError, AsyncAgent
with Agent("bob") as agent:
    future = agent.begin("ask", to="alice", body="x", timeout_ms=300)
    print(future.cancel(), future.exception(30).code, agent.whoami()["username"])
async def main():
    async with AsyncAgent("bob") as agent:
        count = 0
        async for message in agent.messages():
            count += len(message.body)
            await message.handled()
            if count == 1_400_000:
                break
        print(count, len((await agent.call("inbox", last=1))["messages"]))
        try:
            await asyncio.wait_for(agent.call("ask", to="alice", body="y", timeout_ms=60000), 0.2)
        except asyncio.TimeoutError:
            print((await agent.call("whoami"))["username"])
asyncio.run(main())
try:
    with Agent("bob", command=[sys.executable, "-c", "print('hello')"]) as agent:
        agent.whoami()
except AgentError as error:
    print("no aimessage")
`;
    expect(await python(world, script)).toBe("False expired bob\n1400000 1\nbob\nno aimessage\n");
  },
);

test.skipIf(!hasPython)("Python sends files, and saves those that have come, sync and by asyncio", async () => {
  const world = await pair();
  const folder = mkdtempSync(join(tmpdir(), "aimessage python "));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "report.txt"), "the report");
  const script = `
import asyncio, os, pathlib
from aimessage import Agent, AgentError, AsyncAgent
os.chdir(${JSON.stringify(folder)})
with Agent("alice") as alice, Agent("bob") as bob:
    alice.send("bob", "numbers", files=["report.txt", pathlib.Path("report.txt")])
    message = next(bob.messages())
    print(message.body, [(file.name, file.bytes, len(file.sha256)) for file in message.files])
    try:
        message.save("in", max_bytes=3)
    except AgentError as error:
        print(error.code, error.reason)
    print([os.path.relpath(path) for path in message.save("in")])
    message.handled(files=["in/report.txt"])
    for path, save in (("/etc/passwd", None), (None, "..")):
        try:
            message.reply(files=[path]) if path else message.save(save)
        except AgentError as error:
            print(error.code, error.reason)
    answer = next(alice.messages())
    print(repr(answer.body), [file.name for file in answer.files])
    answer.handled()
async def main():
    async with AsyncAgent("alice", files_root="in") as alice, AsyncAgent("bob") as bob:
        question = asyncio.ensure_future(alice.ask("bob", files=["in/report.txt"]))
        async for message in bob.messages():
            paths = await message.save(file="report.txt")
            await message.handled("got it", files=paths)
            break
        reply = await question
        print(reply.body, [os.path.relpath(path) for path in await reply.save("in/new")])
        print([os.path.relpath(path) for path in await reply.save()])
asyncio.run(main())
`;
  expect(await python(world, script)).toBe(`numbers [('report.txt', 10, 64), ('report.txt', 10, 64)]
file_failed too_large
['in/report.txt', 'in/report (2).txt']
bad_file outside
bad_file outside
'' ['report.txt']
got it ['in/new/report (2).txt']
['in/report (2) (2).txt']
`);
});
