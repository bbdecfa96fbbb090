/** Messages whose reader says what became of them. */
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { Recorder } from "../console.ts";
import { createWorld, type World } from "../world.ts";
import { send, stateOf, talk } from "./talk.ts";

interface Received {
  message_id: string;
  body: string;
}

/** A reader of `listen --json --ack`. */
function reader(world: World, ...words: string[]) {
  const [stdin, stdout, stderr] = [new PassThrough(), new Recorder(), new Recorder()];
  const done = world.cli(["-u", "bob", "listen", "--json", "--ack", ...words], { terminal: stdin, stdout, stderr });
  const got = (): Received[] =>
    stdout.text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Received);
  const say = (value: object | string) => stdin.write(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);
  const comes = async (count: number): Promise<Received> => {
    await eventually(`${count} have come`, () => got().length >= count);
    return got()[count - 1] as Received;
  };
  return { done, got, say, comes, stdin, stdout, stderr };
}

async function jobs(count: number) {
  const world = await talk();
  const ids: string[] = [];
  for (let index = 0; index < count; index++) ids.push(await send(world, `job ${index}`));
  const states = async () => {
    const found: string[] = [];
    for (const id of ids) found.push((await stateOf(world, id)).state);
    return found;
  };
  return { world, states };
}

test("a reader that dies after the first of five jobs has handled one, and the next listener gets the others", async () => {
  const { world, states } = await jobs(5);
  const first = reader(world);
  // By the beginning of its id, as everywhere.
  first.say({ handled: (await first.comes(1)).message_id.slice(0, 6) });
  await first.comes(2);
  first.stdin.end();
  expect((await first.done).exit).toBe(0);
  await eventually(
    "its sender knows",
    async () => (await states()).join() === "handled,received,received,received,received",
  );
  const second = await world.cli("-u bob listen --json --count 4");
  expect(
    second.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as Received).body),
  ).toEqual(["job 1", "job 2", "job 3", "job 4"]);
});

test("a message fails or comes again as its reader says, and a line that makes no sense settles nothing", async () => {
  const { world, states } = await jobs(2);
  const { say, comes, done, stderr, got } = reader(world, "--count", "2");
  const first = await comes(1);
  for (const line of ["nonsense", '{"handled":"unknown"}', '{"handled":1}', '["a"]']) say(line);
  await eventually(
    "all four are told of",
    () => stderr.text.split("\n").filter((line) => line.includes("usage")).length === 4,
  );
  expect(got()).toHaveLength(1);
  say({ retry: first.message_id, after_ms: 10 });
  expect((await comes(2)).message_id).toBe(first.message_id);
  say({ failed: first.message_id, reason: "no idea" });
  say({ handled: (await comes(3)).message_id });
  expect((await done).exit).toBe(0);
  await eventually("its sender knows", async () => (await states()).join() === "failed,handled");
});

test("wrong combinations are refused", async () => {
  const world = await createWorld();
  await world.register("bob");
  for (const line of ["listen --ack", "listen --reply", "listen --json --ack --exec true"])
    expect((await world.cli(line)).exit).toBe(2);
});
