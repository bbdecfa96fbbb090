// An account that the operator of the relay disables, and enables again.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { builtRelay } from "../../../test/built.ts";
import { eventually } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { createWorld } from "./world.ts";

/** A relay on disk, and what its operator does. */
async function withOperator() {
  const folder = await mkdtemp(join(tmpdir(), "aimessage disabled "));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const db = join(folder, "relay.db");
  const world = await createWorld({ store: "sqlite", db });
  const operator = (what: string) =>
    promisify(execFile)(process.execPath, [builtRelay(), "user", what, "bob", "--db", db]);
  return { world, operator };
}

test("its listener waits, says so once, and goes on when the account is enabled; a command says why it cannot", async () => {
  const { world, operator } = await withOperator();
  await world.register("alice", "bob");

  const stderr = new Recorder();
  const listening = world.cli("listen -u bob --count 1 --timeout 60", { stderr });
  // It says that it listens before it is let in: one that never was is refused instead.
  await eventually("bob is online", async () => (await world.cli("users -u alice")).stdout.includes("- bob"));
  await operator("disable");
  await stderr.until(/Account disabled; trying again/);
  await operator("enable");
  await stderr.until(/Connected again/);
  expect((await world.cli("send -u alice -t bob -m hello")).exit).toBe(0);
  expect(await listening).toMatchObject({ exit: 0, stdout: expect.stringContaining("hello") as string });
  expect(stderr.text.match(/trying again/g)).toHaveLength(1);
});

test("a command of a disabled account ends at once, and says why", async () => {
  const { world, operator } = await withOperator();
  await world.register("bob");
  await operator("disable");
  for (const line of [
    "users -u bob",
    "send -u bob -t alice -m hello",
    "listen -u bob --count 1 --timeout 1",
    "doctor -u bob",
  ]) {
    const { exit, stdout, stderr } = await world.cli(line);
    expect([line, exit, stdout + stderr]).toEqual([line, 5, expect.stringContaining("Account disabled") as string]);
  }
});

test("an error of send says whether the message waits in the outbox, or has ended", async () => {
  const { world, operator } = await withOperator();
  await world.register("alice", "bob");
  await operator("disable");
  const failure = async (line: string): Promise<Record<string, unknown>> => {
    const { exit, stderr } = await world.cli(`${line} -m hello --json`);
    return { exit, ...(JSON.parse(stderr) as Record<string, unknown>) };
  };
  const [waits, ended] = [await failure("send -u bob -t alice"), await failure("send -u alice -t bob")];
  const refused = { exit: 5, error: "refused", reason: "account_disabled", message_id: expect.any(String) as string };
  expect([waits, ended]).toMatchObject([
    { ...refused, status: "queued" },
    { ...refused, status: "refused", hint: expect.stringContaining("operator") as string },
  ]);
  await operator("enable");
  expect((await world.cli("users -u bob")).exit).toBe(0);
  expect(JSON.parse((await world.cli(`status ${String(waits["message_id"])} -u bob --json`)).stdout)).toMatchObject({
    status: "stored",
  });
  // What was never taken into the outbox has no status.
  expect(Object.keys(await failure("send -u bob -t b"))).not.toContain("status");
});
