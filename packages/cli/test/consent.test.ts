/** Consent, tiers and guards, as one types them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { createWorld, type World } from "./world.ts";

/** Answers the one question of a command at a terminal. */
async function typed(world: World, line: string, answer: string) {
  const keys = Object.assign(new PassThrough(), { isTTY: true });
  const stderr = Object.assign(new Recorder(), { isTTY: true });
  const done = world.cli(line, { terminal: keys, stderr });
  await stderr.until(/\[y\/N\] /);
  keys.write(answer);
  return done;
}

async function fingerprint(world: World, username: string): Promise<string> {
  const { stdout } = await world.cli(`whoami --json -u ${username}`);
  return (JSON.parse(stdout) as { fingerprint: string }).fingerprint.replaceAll(" ", "");
}

test("a stranger waits where only contacts may write; a person lets it in, at a terminal or by --yes", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  expect((await world.cli("requests policy contacts -u bob")).exit).toBe(0);
  expect((await world.cli("send -u alice -t bob -m hello")).exit).toBe(0);
  expect(await world.cli("listen -u bob --once --json")).toMatchObject({ stdout: '{"count":0}\n', exit: 0 });
  const { stdout: listed } = await world.cli("requests -u bob");
  expect(listed).toMatch(/^NAME +MESSAGES +LAST +FINGERPRINT\nalice +1 +\S+ \S+ +\S+/);
  expect((await world.cli("requests show alice -u bob")).stdout).toMatch(/alice: hello\n$/);
  expect((await world.cli("inbox -u bob")).stdout).toBe("No messages.\n");

  expect(await world.cli("requests accept alice -u bob", { stdin: "" })).toMatchObject({
    exit: 2,
    stderr: "Error: accepting alice is for a person to say\nHint: give --yes if it is meant\n",
  });
  expect(await typed(world, "requests accept alice -u bob", "n\n")).toMatchObject({ exit: 1 });
  expect((await typed(world, "requests accept alice -u bob", "y\n")).exit).toBe(0);
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toMatch(/alice: hello\n$/);
  expect((await world.cli("requests -u bob --json")).stdout).toBe('{"policy":"contacts","requests":[]}\n');
});

test("whoever waits is let in by what a person writes to it, a question too, and by nothing that a program writes", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("requests policy contacts -u bob");
  await world.cli("send -u alice -t bob -m hello");
  await world.cli("listen -u bob --once");
  for (const line of ["send -u bob -t alice -m hi", "ask -u bob -t alice -m who?"]) {
    const refused = await world.cli(line, { stdin: "" });
    expect(refused).toMatchObject({ exit: 5, stdout: "" });
    expect(refused.stderr).toContain("Hint: aimessage -u bob requests show alice");
  }
  const asked = world.cli("ask -u bob -t alice -m who? --timeout 30");
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toMatch(/alice: hello\n$/);
  await world.cli(["listen", "-u", "alice", "--exec", "echo me", "--reply", "--count", "1"]);
  expect(await asked).toMatchObject({ exit: 0, stdout: "me\n" });
});

test("a name is compared as it is everywhere: in any case, and by no other letter that looks like one of it", async () => {
  const world = await createWorld();
  await world.register("kim", "bob");
  await world.cli("requests policy contacts -u bob");
  await world.cli("send -u kim -t bob -m hello");
  await world.cli("listen -u bob --once");
  expect(await world.cli("requests accept KIM -u bob", { stdin: "" })).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining("is for a person to say") as string,
  });
  // The Kelvin sign, whose lower case is a k.
  const { exit, stderr } = await world.cli("requests accept \u{212a}im -u bob", { stdin: "" });
  expect(exit).not.toBe(0);
  expect(stderr).not.toContain("is for a person to say");
  expect(await world.cli("guard release \u{212a}im --yes -u bob", { stdin: "" })).not.toMatchObject({ exit: 0 });
});

test("the sender of a refused request sees refused, and why", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("requests policy contacts -u bob");
  const sent = JSON.parse((await world.cli("send -u alice -t bob -m hello --json")).stdout) as { message_id: string };
  await world.cli("listen -u bob --once");
  expect((await world.cli("requests refuse alice -u bob")).exit).toBe(0);
  const status = () => world.cli(`status ${sent.message_id} -u alice --json`);
  await eventually("alice hears of it", async () => {
    await world.cli("listen -u alice --once");
    return (await status()).stdout.includes("refused");
  });
  expect(JSON.parse((await status()).stdout)).toMatchObject({ status: "refused", reason: "refused" });
  expect((await world.cli("requests show alice -u bob")).exit).not.toBe(0);
});

test("to let more of them write than before is asked for, less is not", async () => {
  const world = await createWorld();
  await world.register("bob");
  expect((await world.cli("requests policy closed -u bob")).exit).toBe(0);
  expect((await world.cli("requests policy open -u bob", { stdin: "" })).exit).toBe(2);
  expect((await world.cli("requests policy -u bob --json")).stdout).toBe('{"policy":"closed"}\n');
  expect((await world.cli("requests policy open --yes -u bob")).exit).toBe(0);
  expect(await world.cli("requests policy ajar -u bob")).toMatchObject({ exit: 2, stdout: "" });
});

test("a tier is raised by a person alone, of one whose fingerprint was compared, or of a whole fleet from a file", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  await world.cli("verify alice -u bob");
  expect(await world.cli("contacts tier alice trusted -u bob", { stdin: "" })).toMatchObject({ exit: 2 });
  expect(await world.cli("contacts tier alice trusted --yes -u bob")).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining("was never compared") as string,
  });
  const fleet = join(world.home, "fleet.txt");
  const lines = [`alice#${await fingerprint(world, "alice")}`, `carol#${await fingerprint(world, "carol")} verified`];
  await writeFile(fleet, `# ours\n\n${lines.join("\n")}\n`);
  const tiers = await world.cli(["contacts", "tier", "--file", fleet, "--yes", "-u", "bob", "--json"]);
  expect(JSON.parse(tiers.stdout)).toMatchObject({
    contacts: [
      { username: "alice", tier: "trusted", verified: true },
      { username: "carol", tier: "verified" },
    ],
  });
  await world.cli("send -u alice -t bob -m hello");
  expect((await world.cli("listen -u bob --count 1 --timeout 20 --json")).stdout).toContain('"trust":"trusted"');
  await writeFile(fleet, "alice\n");
  expect(await world.cli(["contacts", "tier", "--file", fleet, "--yes", "-u", "bob"])).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining("line 1 of") as string,
  });
  expect((await world.cli("contacts tier alice known -u bob --json")).stdout).toContain('"verified":false');
});

test("commands that answer each other are stopped by the guard, and both owners see why; a person's word goes on", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  for (const name of ["alice", "bob"])
    expect((await world.cli(`guard set --answers-per-exchange 3 --yes -u ${name}`)).exit).toBe(0);
  const stop = new AbortController();
  const listening = ["alice", "bob"].map((name) =>
    world.cli(["-u", name, "listen", "--exec", "cat", "--reply", "always"], { interrupted: stop.signal }),
  );
  try {
    expect((await world.cli("send -u alice -t bob -m hello")).exit).toBe(0);
    const held = async () => (await world.cli("guard -u alice --json")).stdout;
    await eventually("the guard holds", async () => (await held()).includes('"username":"bob","messages":1'));
    for (const name of ["alice", "bob"])
      await eventually(`${name} is told`, async () =>
        (await world.cli(`doctor -u ${name}`)).stdout.includes("answered each other 3 times without a person"),
      );
    const handled = "send -u alice -t bob -m enough --wait handled --timeout 30";
    expect((await world.cli(handled)).exit).toBe(0);
    expect((await world.cli("guard release bob --yes -u alice")).stdout).toMatch(
      /^[0-9]+ messages? of bob in the inbox now/,
    );
  } finally {
    stop.abort("SIGTERM");
    await Promise.all(listening);
  }
});

test("guards are listed with their limits, and take no limit that is none", async () => {
  const world = await createWorld();
  await world.register("bob");
  expect((await world.cli("guard -u bob")).stdout).toMatch(/^Nothing waits\.\n\nanswers per exchange +50\n/);
  expect(await world.cli("guard set --messages-per-hour many --yes -u bob")).toMatchObject({ exit: 2 });
  expect((await world.cli("guard set --messages-per-hour 5 --yes -u bob --json")).stdout).toContain(
    '"messages_per_hour":5',
  );
  expect((await world.cli("guard set --messages-per-hour default --yes -u bob --json")).stdout).toContain(
    '"messages_per_hour":100000',
  );
  expect(await world.cli("guard release nobody --yes -u bob")).toEqual({
    exit: 1,
    stdout: "",
    stderr:
      "Error: nobody is not among the contacts\nHint: aimessage -u bob guard lists those of whom something waits\n",
  });
});

test.each(["AIMESSAGE_ID", "CLAUDECODE", "GEMINI_CLI"])(
  "a terminal of a program that says %s is no person's",
  async (name) => {
    const world = await createWorld();
    await world.register("alice", "bob");
    await world.cli("requests policy contacts -u bob");
    await world.cli("send -u alice -t bob -m hello");
    await world.cli("listen -u bob --once");
    const env = { [name]: "1" };
    expect(await world.cli("requests accept alice -u bob", { env })).toMatchObject({ exit: 2 });
    expect(await world.cli("send -u bob -t alice -m hi", { env })).toMatchObject({
      exit: 5,
      stderr: expect.stringContaining("requests show alice") as string,
    });
    expect((await world.cli("send -u bob -t alice -m hi")).exit).toBe(0);
  },
);

test("a fingerprint that is typed at a terminal is a person's word; elsewhere, where a message may have brought it, --yes is", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const typed = await fingerprint(world, "alice");
  const verify = ["verify", "alice", typed, "-u", "bob"];
  const trust = ["contacts", "trust", `alice#${typed}`, "-u", "bob"];
  for (const words of [verify, trust])
    for (const how of [{ stdin: "" }, { env: { CLAUDECODE: "1" } }])
      expect(await world.cli(words, how)).toMatchObject({
        exit: 2,
        stderr: expect.stringContaining("is for a person to say") as string,
      });
  expect((await world.cli(verify)).exit).toBe(0);
  expect((await world.cli([...verify, "--yes"], { stdin: "" })).exit).toBe(0);
});

test("to make a stranger known is to let it in: a person says so, and to trust somebody less needs nobody", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("requests policy contacts -u bob");
  await world.cli("send -u alice -t bob -m hello");
  await world.cli("listen -u bob --once");
  const known = "contacts tier alice known -u bob";
  expect(await world.cli(known, { stdin: "" })).toMatchObject({ exit: 2 });
  const address = `alice#${await fingerprint(world, "alice")}`;
  expect(await world.cli(["contacts", "tier", address, "known", "-u", "bob"], { stdin: "" })).toMatchObject({
    exit: 2,
  });
  expect((await world.cli("listen -u bob --once --json")).stdout).toBe('{"count":0}\n');
  await world.cli(["verify", address, "--yes", "-u", "bob"]);
  expect((await world.cli(known, { stdin: "" })).exit).toBe(0);
});

test("whom the owner has refused no program writes to; a person's word lets it in", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("requests policy contacts -u bob");
  await world.cli("send -u alice -t bob -m hello");
  await world.cli("listen -u bob --once");
  expect((await world.cli("requests refuse alice -u bob", { stdin: "" })).exit).toBe(0);
  const words = ["send", "-u", "bob", "-t", "alice", "-m", "hi"];
  expect(await world.cli(words, { stdin: "" })).toMatchObject({
    exit: 5,
    stderr: expect.stringContaining("the owner has refused alice") as string,
  });
  expect((await world.cli("contacts --json -u bob")).stdout).not.toContain('"known"');
  expect((await world.cli(words)).exit).toBe(0);
  expect((await world.cli(words, { stdin: "" })).exit).toBe(0);
});
