import { Readable } from "node:stream";
import { expect, onTestFinished, test, vi } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { createWorld, type World } from "./world.ts";

async function fingerprint(world: World, username: string): Promise<string> {
  return (JSON.parse((await world.cli(`whoami --json -u ${username}`)).stdout) as { fingerprint: string }).fingerprint;
}

test("a changed identity stops everything with exit code 6, and names the way out, which works", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  expect((await world.cli("send -u alice -t bob -m before")).exit).toBe(0);
  const old = await fingerprint(world, "bob");
  expect((await world.cli("unregister -u bob --yes --release")).exit).toBe(0);
  await world.register("bob");
  const now = await fingerprint(world, "bob");

  const stopped = await world.cli("send -u alice -t bob -m secret");
  expect(stopped).toMatchObject({ exit: 6, stdout: "" });
  expect(stopped.stderr).toMatch(/^Warning: bob .*\nError: .*bob.*changed.*\nHint: .*contacts trust bob.*\n$/);
  const shown = (await world.cli("verify -u alice bob")).stdout;
  expect(shown).toContain(`${old}  (not verified)`);
  expect(shown).toContain(`${now}  (shown now, not trusted)`);
  expect(await world.cli("doctor -u alice")).toMatchObject({
    exit: 6,
    stdout: expect.stringMatching(/Alerts:\n.*bob shows another identity key/) as string,
  });

  expect((await world.cli(["contacts", "trust", "-u", "alice", `bob#${old}`])).exit).toBe(6);
  expect((await world.cli(["contacts", "trust", "-u", "alice", `bob#${now}`])).exit).toBe(0);
  // What the alert said is not so any more.
  expect(await world.cli("doctor -u alice")).toMatchObject({
    exit: 0,
    stdout: expect.not.stringContaining("bob") as string,
  });
  expect((await world.cli("send -u alice -t bob -m after")).exit).toBe(0);
  const heard = await world.cli("listen -u bob --count 1 --timeout 20");
  expect(heard.stdout).toMatch(/^\[OFFLINE .*\] alice: after\n$/);
});

test("trust names the messages that have failed meanwhile, and how one is sent again", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  // Pinned, and nothing of the first one waits for alice that could stop her before she has written.
  expect((await world.cli("verify -u alice bob")).exit).toBe(0);
  expect((await world.cli("unregister -u bob --yes --release")).exit).toBe(0);
  await world.register("bob");
  expect((await world.cli("send -u alice -t bob -m stopped")).exit).toBe(6);
  const trusted = await world.cli("contacts trust -u alice bob --yes");
  expect(trusted).toMatchObject({
    exit: 0,
    stderr: expect.stringMatching(/^1 message to bob failed before\. /) as string,
  });
  const id = /aimessage -u alice outbox retry (\w+)/.exec(trusted.stderr)?.[1];
  expect((await world.cli(`outbox retry -u alice ${id}`)).exit).toBe(0);
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toMatch(/alice: stopped\n$/);
});

test("an address with a fingerprint pins before first contact", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  const [right, wrong] = [await fingerprint(world, "bob"), await fingerprint(world, "carol")];
  const refused = await world.cli(["send", "-u", "alice", "-t", `bob#${wrong}`, "-m", "secret"]);
  expect(refused).toMatchObject({ exit: 6, stdout: "" });
  const sent = await world.cli(["send", "-u", "alice", "-t", `bob#${right}`, "-m", "hello"]);
  expect(sent.stdout).toMatch(/^Message sent to bob \(stored for offline delivery\)\n/);
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toMatch(/alice: hello\n$/);
});

test("a blocked contact's messages are not shown, and none are sent to it", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("verify -u alice bob");
  await world.cli("contacts block -u alice bob");
  expect(await world.cli("send -u alice -t bob -m hello")).toMatchObject({
    exit: 1,
    stderr: expect.stringContaining("contacts allow bob"),
  });
  await world.cli("send -u bob -t alice -m spam");
  expect(await world.cli("listen -u alice --timeout 1")).toMatchObject({ exit: 0, stdout: "" });
});

test("listeners that share take turns, and together show each message once", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  for (let i = 1; i <= 6; i += 1) await world.cli(`send -u alice -t bob -m message-${i}`);
  const [end, shown] = [new AbortController(), [new Recorder(), new Recorder()]];
  const heard = () => shown.flatMap(({ text }) => text.match(/message-\d/g) ?? []);
  const both = shown.map((stdout) => world.cli("listen -u bob --share --quiet", { stdout, interrupted: end.signal }));
  await eventually("all are shown", () => heard().length >= 6);
  end.abort();
  await Promise.all(both);
  expect(heard().sort()).toEqual([1, 2, 3, 4, 5, 6].map((i) => `message-${i}`));
});

test(
  "a message that expires before it is fetched is not shown, and its sender is told",
  { tags: ["long"] },
  async () => {
    const world = await createWorld({ clock: () => Date.now(), uptime: () => Date.now() });
    await world.register("alice", "bob");
    const { stdout } = await world.cli("send --json -u alice -t bob -m late --expires 30s");
    const { message_id } = JSON.parse(stdout) as { message_id: string };
    const later = Date.now() + 31_000;
    const spy = vi.spyOn(Date, "now").mockImplementation(() => later);
    onTestFinished(() => spy.mockRestore());
    expect((await world.cli("listen -u bob --timeout 1")).stdout).toBe("");
    await world.cli("listen -u alice --timeout 1");
    expect((await world.cli(`status -u alice ${message_id}`)).stdout).toMatch(/^Status: +expired$/m);
  },
);

test("block and allow are true at the relay when the command has ended, or it says that they will be", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  expect((await world.cli("verify -u bob alice")).exit).toBe(0);
  expect(await world.cli("contacts block -u bob alice")).toMatchObject({ exit: 0, stderr: "" });
  const refused = await world.cli("send -u alice -t bob -m one --json");
  expect({ exit: refused.exit, ...(JSON.parse(refused.stderr) as object) }).toMatchObject({
    exit: 5,
    reason: "blocked",
  });
  expect(await world.cli("contacts allow -u bob alice --yes")).toMatchObject({ exit: 0, stderr: "" });
  expect((await world.cli("send -u alice -t bob -m two")).exit).toBe(0);

  await world.stop();
  const later = await world.cli("contacts block -u bob alice");
  expect(later.exit).toBe(0);
  expect(later.stderr).toMatch(/^The relay hears of it with the next command that reaches it: .*\n$/);
});

test("outbox retry says that the relay cannot be reached, and the message waits", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.stop();
  const sent = await world.cli("send -u alice -t bob -m hello --json");
  const { message_id } = JSON.parse(sent.stderr) as { message_id: string };
  const again = await world.cli(`outbox retry ${message_id} -u alice --json`);
  expect({ exit: again.exit, ...(JSON.parse(again.stderr) as object) }).toMatchObject({
    exit: 4,
    error: "relay_unreachable",
    message_id,
    status: "queued",
  });
});

test("unregister on a terminal asks for the name", async () => {
  const world = await createWorld();
  await world.register("alice");
  const spared = await world.cli("unregister", { terminal: typing("no\n") });
  expect(spared).toMatchObject({ exit: 1, stdout: "", stderr: expect.stringContaining("Nothing was removed.\n") });
  expect((await world.cli("unregister", { terminal: typing("alice\n") })).exit).toBe(0);
  expect((await world.cli("whoami")).exit).toBe(3);
});

function typing(text: string): Readable {
  return Object.assign(Readable.from([text]), { isTTY: true });
}
