/** An agent for programs in any language: JSON-RPC over stdin and stdout. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Agent } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { pipeSchema } from "../../src/doors/pipe-schema.ts";
import { createWorld, type World } from "../world.ts";
import { type Answer, program } from "./pipe-program.ts";

async function pair(): Promise<World> {
  const world = await createWorld();
  await world.register("alice", "bob");
  return world;
}

test("two programs talk, ask and answer, and see what became of it", async () => {
  const world = await pair();
  const [alice, bob] = [program(world, "alice"), program(world, "bob")];
  await bob.call("subscribe");
  const { result } = await alice.call("send", { to: "bob", body: "hello", headers: { run: "1" } });
  await eventually("it has come", () => bob.told("message").length === 1);
  const [message] = bob.told("message");
  expect(message).toMatchObject({ from: "alice", body: "hello", headers: { run: "1" }, attempt: 1 });
  expect((await bob.call("handled", { message_id: message?.["message_id"] })).result).toEqual({});
  await eventually("alice is told", () => alice.told("state").some(({ status }) => status === "handled"));
  expect((await alice.call("status", { message_id: result?.["message_id"] })).result).toMatchObject({
    status: "handled",
  });
  const reply = alice.call("ask", { to: "bob", body: "how many?", timeout_ms: 30_000 });
  await eventually("it is asked", () => bob.told("message").length === 2);
  const [, question] = bob.told("message");
  await bob.call("handled", { message_id: question?.["message_id"], body: "three" });
  expect((await reply).result).toMatchObject({ body: "three", from: "bob" });
  expect((await alice.call("contacts.list")).result).toMatchObject({ contacts: [{ username: "bob" }] });
  expect((await bob.call("inbox")).result?.["messages"]).toHaveLength(2);
  expect([await alice.end(), await bob.end()]).toEqual([0, 0]);
});

test("bytes go as base64, and come as they were", async () => {
  const world = await pair();
  const [alice, bob] = [program(world, "alice"), program(world, "bob")];
  await bob.call("subscribe");
  await alice.call("send", { to: "bob", body_base64: "/wD+" });
  await eventually("it has come", () => bob.told("message").length === 1);
  expect(bob.told("message")[0]).toMatchObject({ body: null, body_base64: "/wD+" });
  await Promise.all([alice.end(), bob.end()]);
});

test("what is unsettled when the program ends is given back, and what waits is sent", async () => {
  const world = await pair();
  for (const text of ["one", "two"]) await world.cli(["-u", "alice", "send", "-t", "bob", "-m", text]);
  const first = program(world, "bob");
  await first.call("subscribe", { window: 1 });
  await eventually("one has come", () => first.told("message").length === 1);
  void first.call("send", { to: "alice", body: "bye" }).catch(() => undefined);
  expect(await first.end()).toBe(0);
  const { stdout } = await world.cli("-u bob listen --json --count 2");
  expect(stdout.match(/"body":"(one|two)"/g)).toEqual(['"body":"one"', '"body":"two"']);
  expect((await world.cli("-u alice listen --json --count 1")).stdout).toContain('"body":"bye"');
});

test("a line that cannot be read is an error with the code of JSON-RPC, and nothing is lost by it", async () => {
  const world = await pair();
  const alice = program(world, "alice");
  const { result } = await alice.call("whoami");
  const longest = result?.["line"] as number;
  for (const line of ["{", "[]", '{"id":700}', "x".repeat(longest + 10)]) alice.stdin.write(`${line}\n`);
  await eventually(
    "all four are answered",
    () => alice.lines().filter(({ error }) => error !== undefined).length === 4,
  );
  expect(alice.lines().flatMap(({ error }) => error?.code ?? [])).toEqual([-32700, -32600, -32600, -32600]);
  expect((await alice.call("nonsense")).error?.code).toBe(-32601);
  expect((await alice.call("send", { to: "bob" })).error?.code).toBe(-32602);
  expect((await alice.call("send", { to: "bob", body: "x", cc: "carol" })).error?.code).toBe(-32602);
  expect((await alice.call("send", { to: "b d", body: "x" })).error).toMatchObject({ data: { code: "bad_username" } });
  expect(await alice.call("send", { to: "bob", body: "x", message_id: "job-1" })).toMatchObject({
    result: { message_id: "job-1" },
  });
  // Sent again after a crash, under its own id, it is one message.
  expect(await alice.call("send", { to: "bob", body: "x", message_id: "job-1" })).toMatchObject({
    result: { message_id: "job-1" },
  });
  expect(await alice.end()).toBe(0);
});

test("docs/pipe.schema.json says what is true", async () => {
  const file = fileURLToPath(new URL("../../../../docs/pipe.schema.json", import.meta.url));
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(pipeSchema())));
});

test("no line is longer than is said, however much is in the inbox, and whatever: the rest is asked for", async () => {
  const world = await createWorld({ limits: { frameBytes: 65_536 } });
  await world.register("alice", "bob");
  const alice = await Agent.open({ home: world.home, username: "alice" });
  await using _ = alice;
  // As long as JSON can make them.
  const body = "\u{1}".repeat(30_000);
  for (let count = 0; count < 5; count++) await (await alice.send("bob", body)).stored();
  await alice.send("bob", "last").then((sent) => sent.stored());
  const bob = program(world, "bob");
  await eventually("all have come", async () => {
    const { result } = await bob.call("inbox", { last: 1 });
    return ((result?.["messages"] ?? []) as { body: string }[])[0]?.body === "last";
  });
  await bob.call("subscribe", { window: 1 });
  await eventually("the first has come", () => bob.told("message").length === 1);
  const line = (await bob.call("whoami")).result?.["line"] as number;
  const ids: unknown[] = [];
  let before: { before?: unknown } = {};
  for (let more: unknown = true; more === true;) {
    const { result } = await bob.call("inbox", before);
    const messages = result?.["messages"] as { message_id: string }[];
    ids.unshift(...messages.map(({ message_id }) => message_id));
    before = { before: messages[0]?.message_id };
    more = result?.["more"];
  }
  expect(new Set(ids).size).toBe(6);
  expect((await bob.call("inbox", { last: 1, before: ids[1] })).result).toMatchObject({
    messages: [{ message_id: ids[0] }],
  });
  expect(Math.max(...bob.lines().map((said) => JSON.stringify(said).length))).toBeLessThanOrEqual(line);
  await bob.end();
});

test("the end of stdin gives back what is unsettled, whatever was asked and is not answered yet", async () => {
  const world = await pair();
  await world.cli("-u alice send -t bob -m hello");
  const bob = program(world, "bob");
  await bob.call("subscribe");
  await eventually("it has come", () => bob.told("message").length === 1);
  bob.stdin.write(
    '{"jsonrpc":"2.0","id":99,"method":"ask","params":{"to":"alice","body":"x","timeout_ms":86400000}}\n',
  );
  await eventually("it is asked", async () => /"open"/.test((await world.cli("-u bob asks --json")).stdout));
  expect(await bob.end()).toBe(0);
  // What was asked is kept, and named.
  const { error } = bob.lines().find(({ id }) => id === 99) as Answer;
  expect(error?.data).toMatchObject({ code: "aborted", message_id: expect.any(String) });
  expect(await world.cli("-u bob listen --json --count 1 --timeout 20")).toMatchObject({ exit: 0 });
});

test("what is no UTF-8 text is told of, and nothing else is sent in its place; a name that is none is told once", async () => {
  const world = await pair();
  const alice = program(world, "alice");
  const line = Buffer.from('{"jsonrpc":"2.0","id":7,"method":"send","params":{"to":"bob","body":"caf_"}}\n');
  line[line.indexOf("_")] = 0xe9;
  alice.stdin.write(line);
  expect((await alice.call("subscribe", { from: "no name" })).error?.data).toMatchObject({ code: "bad_username" });
  expect(alice.lines().find(({ id }) => id === null)).toMatchObject({ error: { code: -32700 } });
  expect((await alice.call("sent", { all: true })).result).toEqual({ messages: [] });
  expect(alice.told("alert")).toEqual([]);
  await alice.end();
});

test("an input that cannot be read is an error, and no end; a page before nothing that is known is one, too", async () => {
  const world = await pair();
  const alice = program(world, "alice");
  const ids: unknown[] = [];
  for (const body of ["one", "two", "three"])
    ids.push((await alice.call("send", { to: "bob", body })).result?.["message_id"]);
  expect((await alice.call("sent", { before: ids[2] })).result?.["messages"]).toMatchObject([
    { message_id: ids[0] },
    { message_id: ids[1] },
  ]);
  expect((await alice.call("sent", { before: "nothing" })).error?.data).toMatchObject({ code: "unknown_message" });
  alice.stdin.destroy(new Error("EIO: the terminal is gone"));
  expect(await alice.end()).not.toBe(0);
});
