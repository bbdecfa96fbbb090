/** `watch`: what waits, and each batch that comes, told once and left where it is. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { Recorder } from "../console.ts";
import { createWorld, type World } from "../world.ts";

/** Alice, who sends, and Bob, who watches until the test is over. */
async function watching(...words: string[]) {
  const world = await createWorld();
  await world.register("alice", "bob");
  const alice = await Agent.open({ home: world.home, username: "alice" });
  onTestFinished(() => alice.close());
  return { world, alice, ...watch(world, ...words) };
}

function watch(world: World, ...words: string[]) {
  const stop = new AbortController();
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  const done = world.cli(["-u", "bob", "watch", ...words], { stdout, stderr, interrupted: stop.signal });
  onTestFinished(async () => {
    stop.abort("SIGTERM");
    await done;
  });
  return { stdout, stderr, done };
}

test("a batch that comes is a line, told once, and nothing is consumed", async () => {
  const { world, alice, stdout } = await watching();
  await Promise.all(["one", "two", "three"].map((text) => alice.send("bob", text)));
  await stdout.until(/from alice\n/);
  const first = stdout.text;
  await alice.send("bob", "four");
  await eventually("it is told", () => stdout.text.length > first.length && stdout.text.endsWith("\n"));
  const counts = [...stdout.text.matchAll(/(\d) new messages? for bob, from alice\n/g)].map(([, count]) =>
    Number(count),
  );
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(4);
  expect((await world.cli("-u bob listen --once --json")).stdout.trim().split("\n")).toHaveLength(5);
});

test("what waits already is told at once, to programs as JSON, and --count ends it", async () => {
  const { world, alice } = await watching("--count", "1");
  const sent = await alice.send("bob", "hello");
  await sent.received();
  const { stdout, exit } = await world.cli("-u bob watch --json --count 1 --timeout 30");
  expect(exit).toBe(0);
  const from = [{ username: "alice", trust: "unknown", messages: 1 }];
  expect(JSON.parse(stdout)).toEqual({
    to: "bob",
    messages: 1,
    replies: 0,
    requests: 0,
    more: false,
    from,
    replies_from: [],
  });
});

test("a command is run for each batch, with facts in its environment and no passphrase", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const file = join(world.home, "facts");
  const env = { AIMESSAGE_SENDERS: "outer", AIMESSAGE_BACKUP_PASSPHRASE: "kept", PATH: process.env["PATH"] ?? "" };
  const done = world.cli(
    ["-u", "bob", "watch", "--count", "1", "--exec", `env > '${file}'; cat >> '${file}'; echo told`],
    { env },
  );
  await world.cli(["-u", "alice", "send", "-t", "bob", "-m", "$(touch no)"]);
  expect(await done).toMatchObject({ exit: 0, stdout: "told\n" });
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  const line = "1 new message for bob, from alice";
  for (const fact of [`NEWS=${line}`, "TO=bob", "MESSAGES=1", "REPLIES=0", "SENDERS=alice"])
    expect(lines).toContain(`AIMESSAGE_${fact}`);
  expect(lines.at(-1)).toBe(line);
});

test("a command that fails, or does not end, is said so, and the next batch runs it again", async () => {
  const { alice, stderr } = await watching(
    "--exec-timeout",
    "0.5",
    "--exec",
    '[ "$AIMESSAGE_MESSAGES" = 1 ] && exit 3; sleep 30',
  );
  await (await alice.send("bob", "one")).received();
  await stderr.until(/Warning: the command has failed: exit code 3\n/);
  await Promise.all([alice.send("bob", "two"), alice.send("bob", "three")]);
  await stderr.until(/no end after 0\.5 s|(exit code 3[^]*){2}/);
});

test("time that runs out is exit code 7 where a batch was asked for, and else no error", async () => {
  const world = await createWorld();
  await world.register("bob");
  const late = await world.cli("-u bob watch --count 1 --timeout 0.3");
  expect(late).toMatchObject({ exit: 7, stdout: "" });
  expect(late.stderr).toContain("time ran out");
  expect(await world.cli("-u bob watch --timeout 0.3")).toMatchObject({ exit: 0, stdout: "" });
});
