/** What a person has typed is marked so, and shown at every door; no door of programs can mark anything. [P-9.19] */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { eventually } from "../../../../test/waiting.ts";
import { createWorld, type World } from "../world.ts";
import { assistant, look } from "./assistant.ts";
import { program } from "./pipe-program.ts";

interface Shown {
  body: string;
  human?: boolean;
}

async function pair(): Promise<World> {
  const world = await createWorld();
  await world.register("alice", "bob");
  return world;
}

/** What an agent has received, each with whether it has the mark. */
async function received(world: World, name: string, count = 1): Promise<[string, boolean | undefined][]> {
  const { messages } = await eventually(`${name} has ${count}`, async () => {
    await world.cli(`-u ${name} listen --once`);
    const inbox = JSON.parse((await world.cli(`-u ${name} inbox --json`)).stdout) as { messages: Shown[] };
    return inbox.messages.length >= count && inbox;
  });
  return messages.map(({ body, human }) => [body, human]);
}

const typed = (world: World, text: string) => world.cli(["-u", "alice", "send", "-t", "bob", "-m", text]);

test("what is sent, asked and answered at a terminal has the mark, in JSON alone", async () => {
  const world = await pair();
  const asked = world.cli("-u alice ask -t bob -m who? --json --timeout 30");
  const { stdout } = await world.cli("-u bob listen --json --count 1 --timeout 20");
  const { message_id: id, human } = JSON.parse(stdout) as Shown & { message_id: string };
  expect(human).toBe(true);
  await world.cli(`-u bob reply ${id} -m me`);
  expect(JSON.parse((await asked).stdout)).toMatchObject({ body: "me", human: true });
  await typed(world, "hello");
  const { stdout: line } = await world.cli("-u bob listen --count 1 --timeout 20");
  expect(line).toMatch(/^\[[^\]]*\] alice: hello\n$/);
});

test("[P-9.19] what a program has sent has none: by a pipe, because of a message, or in an assistant's shell", async () => {
  const world = await pair();
  await world.cli("-u alice send -t bob -m piped", { stdin: "" });
  for (const name of ["AIMESSAGE_ID", "CLAUDECODE"])
    await world.cli(["-u", "alice", "send", "-t", "bob", "-m", name], { env: { [name]: "1" } });
  expect(await received(world, "bob", 3)).toEqual([
    ["piped", undefined],
    ["AIMESSAGE_ID", undefined],
    ["CLAUDECODE", undefined],
  ]);
});

test("[A-20] [P-9.19] pipe shows the mark, and refuses whatever would set it", async () => {
  const world = await pair();
  await typed(world, "typed");
  const [alice, bob] = [program(world, "alice"), program(world, "bob")];
  // A person may sit at its terminal: what it sends is a program's.
  Object.assign(alice.stdin, { isTTY: true });
  await bob.call("subscribe", { window: 4 });
  await eventually("it has come", () => bob.told("message").length === 1);
  const [message] = bob.told("message");
  expect(message).toMatchObject({ body: "typed", human: true });
  const id = message?.["message_id"];
  for (const [door, method, params] of [
    [alice, "send", { to: "bob", body: "no" }],
    [alice, "ask", { to: "bob", body: "no" }],
    [bob, "reply", { message_id: id, body: "no" }],
    [bob, "handled", { message_id: id, body: "no" }],
  ] as const)
    for (const mark of ["human", "by_person", "byPerson"])
      expect(await door.call(method, { ...params, [mark]: true })).toMatchObject({ error: { code: -32602 } });
  await alice.call("send", { to: "bob", body: "of a program", headers: { human: "true" } });
  await bob.call("handled", { message_id: id, body: "an answer" });
  await eventually("the answer has come, and the other message", async () => {
    const { result } = await alice.call("inbox");
    return bob.told("message").length === 2 && (result?.["messages"] as unknown[] | undefined)?.length === 1;
  });
  expect([await alice.end(), await bob.end()]).toEqual([0, 0]);
  expect(await received(world, "bob", 2)).toContainEqual(["of a program", undefined]);
  expect(await received(world, "alice")).toEqual([["an answer", undefined]]);
});

test("[A-20] [P-9.19] a tool shows the mark, and takes none", async () => {
  const world = await pair();
  await typed(world, "typed");
  const bob = await assistant(world, "bob");
  const [shown] = (await look(bob)) as (Shown & { message_id: string })[];
  expect(shown?.human).toBe(true);
  const id = shown?.message_id;
  for (const [tool, args] of [
    ["send_message", { to: "alice", body: "no" }],
    ["ask_agent", { to: "alice", body: "no" }],
    ["reply_to_message", { message_id: id, body: "no" }],
  ] as const)
    for (const mark of ["human", "by_person", "byPerson"]) {
      const called = bob.client.callTool({ name: tool, arguments: { ...args, [mark]: true } });
      const isRefused = await called.then(
        ({ isError }) => isError,
        () => true,
      );
      expect([tool, mark, isRefused]).toEqual([tool, mark, true]);
    }
  await bob.call("reply_to_message", { message_id: id, body: "an answer" });
  expect(await received(world, "alice")).toEqual([["an answer", undefined]]);
});

test("[A-20] [P-9.19] a command is told of the mark, and neither its reply nor what it sends has one", async () => {
  const world = await pair();
  await typed(world, "typed");
  const send = `'${process.execPath}' '${builtCli()}' send -t alice -m "sent, human $AIMESSAGE_HUMAN" >&2`;
  const words = ["--exec", `${send}; echo "replied, human $AIMESSAGE_HUMAN"`, "--reply", "always", "--count", "1"];
  await world.cli(["-u", "bob", "listen", ...words], { env: { PATH: process.env["PATH"] ?? "" } });
  expect(await received(world, "alice", 2)).toEqual([
    ["sent, human true", undefined],
    ["replied, human true", undefined],
  ]);
});

test("[A-20] [P-9.19] a web service is told of the mark, and its answer has none, whatever it says", async () => {
  const posted: { human: unknown; body: string }[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      posted.push({ human: request.headers["aimessage-human"], body: Buffer.concat(parts).toString() });
      response.setHeader("AIMessage-Human", "true").end('{"human":true}');
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const world = await pair();
  await typed(world, "typed");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const words = ["--webhook", url, "--webhook-template", '"{{body}}: {{human}}"', "--reply", "always", "--count", "1"];
  expect((await world.cli(["-u", "bob", "listen", ...words])).exit).toBe(0);
  expect(posted).toEqual([{ human: "true", body: '"typed: true"' }]);
  expect(await received(world, "alice")).toEqual([['{"human":true}', undefined]]);
});
