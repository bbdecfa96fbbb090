/** What is said while something is waited for, and when the wait is over or given up. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PassThrough } from "node:stream";
import { expect, test, vi } from "vitest";
import { eventually, never } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { createWorld } from "./world.ts";

/** A terminal at which somebody types. */
function typed(): PassThrough & { isTTY: true } {
  return Object.assign(new PassThrough(), { isTTY: true as const });
}

test("listen with --count and too little to count times out with 7 and says so, without --count it just ends", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("send -u alice -t bob -m one");
  const overdue = await world.cli("listen -u bob -q --count 2 --timeout 3");
  expect(overdue).toMatchObject({ exit: 7, stdout: expect.stringContaining("alice: one\n") });
  expect(overdue.stderr).toMatch(/^Error: time ran out: 1 of 2 messages came\nHint: .*\n$/);
  const { exit, stdout, stderr } = await world.cli("listen -u bob --json -q --count 1 --timeout 0.3");
  expect({ exit, stdout }).toEqual({ exit: 7, stdout: "" });
  expect(JSON.parse(stderr)).toMatchObject({ error: "timeout" });
  expect(await world.cli("listen -u bob --timeout 0.3")).toMatchObject({ exit: 0, stdout: "" });
});

test("a listener that is stopped before it listens does not say afterwards that it does", async () => {
  const world = await createWorld();
  await world.register("bob");
  const stop = new AbortController();
  const listening = world.cli("listen", { interrupted: stop.signal });
  stop.abort();
  const { exit, stderr } = await listening;
  expect(exit).toBe(130);
  expect(stderr).not.toContain("Listening");
});

test("a long wait for the recipient says once what it waits for", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const { exit, stderr } = await world.cli("send -u alice -t bob -m hello --wait handled --timeout 2");
  expect(exit).toBe(7);
  expect(stderr).toMatch(
    /^Waiting until bob has handled the message\.\.\.\nError: .*\nHint: .*wait longer.*; see: aimessage -u alice status .*\n$/,
  );
});

test("a message to somebody of whom nothing has come for long says so, and one to somebody who was heard does not", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  /** Changes a record of Alice's while nobody has her store open. */
  const change = (prefix: string, field: string, value: number): void => {
    const db = new DatabaseSync(join(world.home, "alice/agent.db"));
    db.prepare("UPDATE records SET value = json_set(value, ?, ?) WHERE key >= ? AND key < ?").run(
      `$.${field}`,
      value,
      prefix,
      `${prefix}~`,
    );
    db.close();
  };
  const send = async (to: string) => (await world.cli(["send", "-u", "alice", "-t", to, "-m", "hello"])).stderr;
  expect([await send("bob"), await send("carol")]).toEqual(["", ""]);
  expect((await world.cli("listen -u bob --count 1")).exit).toBe(0);
  expect((await world.cli("listen -u alice --once")).exit).toBe(0);
  expect(await send("bob")).toBe("");

  change("contact/carol", "pinned_at", Date.now() - 2 * 86_400_000);
  expect(await send("carol")).toBe("carol has never confirmed anything.\n");
  change("member/", "heard_at", Date.UTC(2026, 0, 5, 12));
  expect(await send("bob")).toBe("bob has confirmed nothing since Mon Jan 05 2026.\n");
});

test("what is typed into a terminal is sent at its end, and thrown away at Ctrl+C", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const [whole, given] = [typed(), typed()];
  const sending = world.cli("send -u alice -t bob -m -", { terminal: whole });
  whole.write("hello\n");
  whole.end("bob\n");
  expect(await sending).toMatchObject({ exit: 0, stderr: expect.stringContaining("Ctrl+D") });

  const stop = new AbortController();
  const interrupted = world.cli("send -u alice -t bob -m -", { terminal: given, interrupted: stop.signal });
  given.write("never mind\n");
  await eventually("it is read", () => given.readableLength === 0);
  stop.abort();
  expect(await interrupted).toMatchObject({
    exit: 130,
    stdout: "",
    stderr: expect.stringMatching(/\nError: interrupted .*\nHint: nothing was sent\n$/),
  });
  const early = await world.cli("send -u alice -t bob -m -", { terminal: typed(), interrupted: AbortSignal.abort() });
  expect(early).toMatchObject({ exit: 130, stderr: expect.stringContaining("interrupted") });
  const heard = JSON.parse((await world.cli("listen -u bob --json --count 1")).stdout) as { body: string };
  expect(heard.body).toBe("hello\nbob\n");
  expect((await world.cli("listen -u bob --timeout 0.5")).stdout).toBe("");
});

test("every command that is interrupted before it is done ends with 130 or 143, and blames nobody", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const sent = JSON.parse((await world.cli("send -u alice -t bob -m waits --json")).stdout) as { message_id: string };
  const at = async (line: string) => {
    const stop = new AbortController();
    let ended = false;
    const running = world.cli(line, { interrupted: stop.signal, terminal: typed() }).finally(() => (ended = true));
    await never(`${line} ends by itself`, () => ended, 100);
    stop.abort(line.includes("follow") ? "SIGTERM" : "SIGINT");
    return running;
  };
  for (const line of [
    `status -u alice --follow ${sent.message_id}`,
    "status -u alice --follow",
    "send -u alice -t bob -m x --wait handled",
    "unregister -u alice",
    "backup -u alice never-made",
    "bench",
    "listen -u alice --share",
  ]) {
    const { exit, stderr } = await at(line);
    expect({ line, exit, stderr }).toMatchObject({ exit: line.includes("follow") ? 143 : 130 });
    expect(stderr).not.toContain("fault of aimessage");
  }
  // What was done is done, whatever comes then.
  const done = await world.cli("whoami -u alice", { interrupted: AbortSignal.abort("SIGINT") });
  expect(done).toMatchObject({ exit: 0, stderr: "" });
});

test("inbox says that it does not look at the relay, to a person and where nobody else looks there", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("send -u alice -t bob -m hello");
  const inbox = await world.cli("inbox -u bob");
  expect(inbox.stdout).toBe("No messages.\n");
  expect(inbox.stderr).toBe("What waits at the relay is not shown: aimessage -u bob watch --count 1 fetches it.\n");
  for (const flag of ["--json", "--quiet"]) expect((await world.cli(`inbox -u bob ${flag}`)).stderr).toBe("");
  const interrupt = new AbortController();
  const stdout = new Recorder();
  const watching = world.cli("watch -u bob", { stdout, interrupted: interrupt.signal });
  await stdout.until(/1 new message/);
  const shown = await world.cli("inbox -u bob");
  expect(shown).toMatchObject({ stdout: expect.stringContaining("hello"), stderr: "" });
  interrupt.abort("SIGINT");
  await watching;
  // What came a moment ago was fetched then.
  expect((await world.cli("inbox -u bob")).stderr).toBe("");
  vi.setSystemTime(Date.now() + 3_600_000);
  expect((await world.cli("inbox -u bob")).stderr).toMatch(/^What waits at the relay is not shown/);
  vi.useRealTimers();
});
