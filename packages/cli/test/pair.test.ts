import { writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Recorder, type Transcript } from "./console.ts";
import { createWorld } from "./world.ts";

const FINGERPRINT = "[A-Z2-7]{4}(?: [A-Z2-7]{4}){12}";

/** Bob in his home, who makes a line; Alice has a home of her own, in which there is nothing yet. */
async function pairingWorld(registered = "Bob") {
  const world = await createWorld();
  await world.register(registered);
  const there = (line: string | string[], options?: Parameters<typeof world.cli>[1]) =>
    world.cli(["--home", `${world.home} of alice`, ...(typeof line === "string" ? line.split(" ") : line)], options);
  /** Bob's command, which goes on once its line is there. */
  const make = async (words: string, how: { terminal?: PassThrough; interrupted?: AbortSignal } = {}) => {
    const stdout = new Recorder();
    const stderr = Object.assign(new Recorder(), { isTTY: true });
    const done = world.cli(words, { ...how, stdout, stderr });
    await stdout.until(/aimessage:/);
    const line = /aimessage:[^\s"]+/.exec(stdout.text)?.[0] ?? "";
    return { line, stdout, stderr, done };
  };
  return { ...world, there, make };
}

const terminal = (): PassThrough & { isTTY: true } => Object.assign(new PassThrough(), { isTTY: true as const });
const states = ({ stdout }: Transcript) =>
  (JSON.parse(stdout) as { contacts: { username: string; verified: boolean }[] }).contacts.map(
    ({ username, verified }) => [username, verified],
  );

test("two homes and one pasted line: the one registers, the other says yes, and both are verified", async () => {
  const world = await pairingWorld();
  const keys = terminal();
  const bob = await world.make("pair", { terminal: keys });
  expect(bob.line).toMatch(/^aimessage:Bob@localhost:\d+#[A-Z2-7]{52}\/[A-Z2-7]{26}$/);
  // As a terminal has wrapped it.
  const pasted = `  ${bob.line.slice(0, 50)}\r\n${bob.line.slice(50)}\n`;
  const alice = world.there("-u alice pair --line --yes", { stdin: pasted });
  await bob.stderr.until(/\(yes or no\) /);
  const { fingerprint } = JSON.parse((await world.there("whoami --json")).stdout) as { fingerprint: string };
  expect(bob.stderr.text).toContain(`alice (${fingerprint}) has used the line. Is that who you gave it to?`);
  keys.write("yes\n");
  expect(await bob.done).toMatchObject({ exit: 0 });
  expect(bob.stdout.text).toMatch(new RegExp(`\nalice is verified. Its fingerprint: ${fingerprint}\n$`));
  const { exit, stdout, stderr } = await alice;
  expect(exit).toBe(0);
  expect(stdout).toMatch(new RegExp(`^bob is verified. Its fingerprint: ${FINGERPRINT}\n$`));
  expect(stderr).toContain("alice is registered at ws://localhost:");
  expect(stderr).toContain(`Its owner sees: alice (${fingerprint})`);
  expect(states(await world.cli("contacts --json"))).toEqual([["alice", true]]);
  expect(states(await world.there("contacts --json"))).toEqual([["bob", true]]);
  for (const command of ["inbox", "outbox list --all"]) {
    expect((await world.cli(command)).stdout).toBe("No messages.\n");
    expect((await world.there(command)).stdout).toBe("No messages.\n");
  }
  expect((await world.cli("doctor --json")).stdout).not.toContain("pairing_asked");
});

test("a line that was used before stops the next one with exit code 6, and warns its maker", async () => {
  const world = await pairingWorld();
  const bob = await world.make("pair --yes --json");
  const file = `${world.home} line.txt`;
  writeFileSync(file, bob.line);
  expect(await world.there(["-u", "alice", "pair", "--yes", "--line", `@${file}`, "--json"])).toMatchObject({
    exit: 0,
  });
  expect((await bob.done).exit).toBe(0);
  const [made, contact] = bob.stdout.text
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text) as Record<string, unknown>);
  expect(made).toEqual({ line: bob.line, expires_at: expect.any(Number) });
  expect(contact).toMatchObject({ username: "alice", verified: true });
  const interrupt = new AbortController();
  const stderr = new Recorder();
  const listening = world.cli("listen", { interrupted: interrupt.signal, stderr });
  const carol = await world.there(["-u", "carol", "pair", "--yes", "--line", `@${file}`]);
  expect(carol).toMatchObject({ exit: 6, stdout: "" });
  expect(carol.stderr).toMatch(
    /Error: somebody else has used this line of bob before: .*\nHint: tell the owner of bob/,
  );
  await stderr.until(/Warning: carol \(.*\) shows a pairing line that alice had used before/);
  interrupt.abort("SIGINT");
  await listening;
});

test("Ctrl+C leaves a line open: it is used meanwhile, and --resume asks about it", async () => {
  const world = await pairingWorld();
  const interrupt = new AbortController();
  const bob = await world.make("pair", { terminal: terminal(), interrupted: interrupt.signal });
  interrupt.abort("SIGINT");
  expect((await bob.done).exit).toBe(130);
  expect(bob.stderr.text).toMatch(/the line stays good .*\nHint: aimessage pair --resume goes on/);
  const alice = world.there("-u alice pair --line - --yes", { stdin: bob.line });
  const stderr = Object.assign(new Recorder(), { isTTY: true });
  const keys = terminal();
  const resumed = world.cli("pair --resume", { terminal: keys, stderr });
  await stderr.until(/\(yes or no\) /);
  keys.write("no\n");
  expect(await resumed).toMatchObject({ exit: 5 });
  expect(await alice).toMatchObject({ exit: 5, stderr: expect.stringContaining("the owner of bob has refused") });
  expect(states(await world.there("contacts --json"))).toEqual([["bob", false]]);
  expect(await world.cli("pair --resume")).toMatchObject({ exit: 0, stdout: "No line is open.\n" });
});

test.each(["pair --yes --timeout 0.2s", "pair --resume --timeout 0.2s"])(
  "%s that runs out of time says that the line stays, and how it goes on",
  async (words) => {
    const world = await pairingWorld();
    const bob = await world.make("pair --yes --timeout 0.2s");
    const ended = words.includes("--resume")
      ? await world.cli(words)
      : { ...(await bob.done), stderr: bob.stderr.text };
    await bob.done;
    expect(ended.exit).toBe(7);
    expect(ended.stderr).toMatch(
      /^Error: time ran out .*; the line stays good until it was used or its hour is over\nHint: aimessage pair --resume goes on; aimessage pair --withdraw ends it\n$/m,
    );
    const alice = world.there("-u alice pair --line - --yes", { stdin: bob.line });
    expect(await world.cli("pair --resume --yes --json")).toMatchObject({ exit: 0 });
    expect((await alice).exit).toBe(0);
  },
);

test("of a side that has used a line and runs out of time, the error is the same, for programs by its code", async () => {
  const world = await pairingWorld();
  const interrupt = new AbortController();
  const bob = await world.make("pair", { terminal: terminal(), interrupted: interrupt.signal });
  interrupt.abort("SIGINT");
  await bob.done;
  const alice = await world.there("-u alice pair --line - --yes --timeout 0.2s --json", { stdin: bob.line });
  expect(alice.exit).toBe(7);
  expect(JSON.parse(alice.stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({
    error: "timeout",
    hint: expect.stringContaining("pair --resume") as string,
  });
});

test("--resume tells of each line that has ended: a failure hides no success, and counts for nothing beside it", async () => {
  const world = await pairingWorld();
  const lines = [];
  for (let count = 0; count < 2; count++) {
    const interrupt = new AbortController();
    const bob = await world.make("pair --yes", { interrupted: interrupt.signal });
    interrupt.abort("SIGINT");
    await bob.done;
    lines.push(bob.line);
  }
  const [mistyped = "", right = ""] = lines.map((line, at) =>
    at === 0 ? line.replace(/.(?=.$)/, (letter) => (letter === "A" ? "B" : "A")) : line,
  );
  for (const stdin of [mistyped, right]) {
    const interrupt = new AbortController();
    const stderr = new Recorder();
    const used = world.there("-u alice pair --line - --yes", { stdin, stderr, interrupted: interrupt.signal });
    await stderr.until(/Waiting until bob's aimessage is awake\. Ctrl\+C, and aimessage .*pair --resume later/);
    interrupt.abort("SIGINT");
    expect(await used).toMatchObject({ exit: 130, stderr: expect.not.stringContaining("--withdraw") });
  }
  const interrupt = new AbortController();
  const listening = world.cli("listen", { interrupted: interrupt.signal });
  const resumed = await world.there("pair --resume");
  expect(resumed).toMatchObject({ exit: 0, stdout: expect.stringMatching(/^bob is verified\..*\n$/) });
  expect(resumed.stderr).toContain("Another line of bob's, which is verified now: bob knows no such line");
  expect(await world.there("pair --resume")).toMatchObject({ exit: 0, stdout: "No line is open.\n" });
  interrupt.abort("SIGINT");
  await listening;
  // Nobody waited when it was used.
  await world.cli("pair --withdraw");
  expect(await world.cli("pair --resume")).toMatchObject({
    exit: 0,
    stdout: expect.stringMatching(/^alice is verified/),
  });
});

test("what is said to --resume reaches the other side although nobody else of this agent is there", async () => {
  const world = await pairingWorld();
  const interrupt = new AbortController();
  const bob = await world.make("pair", { terminal: terminal(), interrupted: interrupt.signal });
  const used = world.there("-u alice pair --line - --yes", { stdin: bob.line });
  await bob.stderr.until(/\(yes or no\) /);
  interrupt.abort("SIGINT");
  await bob.done;
  expect(await world.cli("pair --resume", { stdin: "" })).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining("--for NAME"),
  });
  expect(await world.cli("pair --resume --for alice", { stdin: "" })).toMatchObject({ exit: 0 });
  expect(await used).toMatchObject({ exit: 0 });
});

test("a line that is withdrawn is good for nobody", async () => {
  const world = await pairingWorld();
  const bob = await world.make("pair --yes");
  expect(await world.cli("pair --withdraw")).toMatchObject({ exit: 0, stdout: "1 line is withdrawn.\n" });
  expect(await bob.done).toMatchObject({ exit: 1 });
  expect(bob.stderr.text).toContain("the line was withdrawn");
  const interrupt = new AbortController();
  const listening = world.cli("listen", { interrupted: interrupt.signal });
  expect(await world.there("-u alice pair --line - --yes", { stdin: bob.line })).toMatchObject({ exit: 5 });
  interrupt.abort("SIGINT");
  await listening;
});

test("an agent that is registered uses a line as it is; another relay's line is not for it", async () => {
  const [world, other] = [await pairingWorld(), await pairingWorld("bob")];
  await world.there("register -u alice");
  const bob = await other.make("pair --for alice");
  const refused = await world.there("pair --line - --yes", { stdin: bob.line });
  expect(refused).toMatchObject({ exit: 2, stderr: expect.stringContaining("and alice is at localhost:") });
  const unlike = await world.there("-u carol pair --line - --yes", { stdin: bob.line });
  expect(unlike).toMatchObject({ exit: 2, stderr: expect.stringContaining("leave out -s and AIMESSAGE_SERVER") });
  const without = { stdin: bob.line, env: { AIMESSAGE_SERVER: "" } };
  expect(await world.there("-u carol pair --line - --yes", without)).toMatchObject({
    exit: 5,
    stderr: expect.stringContaining("this line of bob is for another agent"),
  });
  expect(await bob.done).toMatchObject({ exit: 6 });
  expect(bob.stderr.text).toContain("which was for alice");
});

test("whoami prints a card, and contacts add pins who has it", async () => {
  const world = await pairingWorld();
  const { card, fingerprint } = JSON.parse((await world.cli("whoami --json")).stdout) as Record<string, string>;
  expect((await world.cli("whoami")).stdout).toContain(`\nCard:         ${card}\n`);
  await world.there("register -u alice");
  const added = await world.there(["contacts", "add", card ?? "", "--json", "--yes"]);
  expect(JSON.parse(added.stdout)).toMatchObject({ username: "bob", fingerprint, verified: false });
  const wrong = `${card?.slice(0, -1)}${card?.endsWith("A") === true ? "B" : "A"}`;
  expect(await world.there(["contacts", "add", wrong, "--yes"])).toMatchObject({ exit: 6 });
  expect(await world.there(["contacts", "add", "bob"])).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining("no line"),
  });
  expect(await world.there("pair --line - --yes", { stdin: card ?? "" })).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining("contacts add takes cards"),
  });
});

test.each([
  ["pair", "", "who pairs has to be confirmed"],
  ["pair --line --resume", "", "three different things"],
  ["pair --line --for bob", "", "--for and --qr are for whoever makes a line"],
  ["pair", "hello", "pairing is for a person to say"],
  ["pair --yes", "hello", "this is no line of an agent"],
  ["pair --yes", "", "no line has come by stdin"],
  ["pair --line -", "hello", "pairing is for a person to say"],
  ["pair --line - --invite -", "", "cannot both be stdin"],
  ["pair --yes --line aimessage:bob@localhost#A", "", "a secret on the command line can be read by others"],
  ["pair --line aimessage:bob@localhost#A", "", "a secret on the command line can be read by others"],
  ["pair --yes --line -", "", "--line: nothing was given"],
  ["pair --yes --line -", "hello", "this is no line of an agent"],
  ["pair --yes --line -", `aimessage:bob@host#${"A".repeat(51)}/${"A".repeat(26)}`, "this is no line of an agent"],
  ["pair --for no/name", "", "is no username"],
])("%s with %j is wrong usage", async (words, stdin, message) => {
  const world = await pairingWorld();
  expect(await world.cli(words, { stdin })).toMatchObject({ exit: 2, stderr: expect.stringContaining(message) });
});

test("a line that is pasted in pieces at the terminal is read to its end: none of its secret is left to the shell", async () => {
  const world = await pairingWorld();
  const bob = await world.make("pair --for alice");
  const keys = terminal();
  const stderr = Object.assign(new Recorder(), { isTTY: true });
  const alice = world.there("-u alice pair --line", { terminal: keys, stderr });
  await stderr.until(/The line: /);
  keys.write(`${bob.line.slice(0, 60)}\n${bob.line.slice(60, 95)}\n`);
  await stderr.until(/Its rest, or Enter: /);
  keys.write(`${bob.line.slice(95)}\n`);
  expect(await alice).toMatchObject({ exit: 0 });
  expect(await bob.done).toMatchObject({ exit: 0 });
});

/** Bob and Alice, who are registered, and type the same at their terminals. */
async function atTerminals() {
  const world = await pairingWorld();
  await world.there("register -u alice");
  const [bobsKeys, alicesKeys] = [terminal(), terminal()];
  const bob = await world.make("pair", { terminal: bobsKeys });
  const stdout = new Recorder();
  const stderr = Object.assign(new Recorder(), { isTTY: true });
  const alice = world.there("pair", { terminal: alicesKeys, stdout, stderr });
  for (const said of [stderr, bob.stderr]) await said.until(/Or paste the line that you were given: /);
  const [alices = ""] = /aimessage:\S+/.exec(stdout.text) ?? [];
  return { world, bob, alice, alices, stderr, bobsKeys, alicesKeys };
}

test("both sides type the same: the line that is pasted is used, and the other one is good for nobody", async () => {
  const { world, bob, alice, alices, stderr, bobsKeys, alicesKeys } = await atTerminals();
  // What is no line of another's is said, and asked for again.
  for (const [typed, said] of [
    ["hello", /no line of an agent[^]*given: /],
    [alices, /this line is your own[^]*given: /],
    ["", /given: [^]*given: [^]*given: [^]*given: /],
  ] as const) {
    alicesKeys.write(`${typed}\n`);
    await stderr.until(said);
  }
  alicesKeys.write(`${bob.line}\n`);
  await bob.stderr.until(/\(yes or no\) /);
  bobsKeys.write("yes\n");
  expect([(await bob.done).exit, (await alice).exit]).toEqual([0, 0]);
  expect(states(await world.there("contacts --json"))).toEqual([["bob", true]]);
  expect((await world.there("pair --resume")).stdout).toBe("No line is open.\n");
});

test("lines that cross, since both owners paste the other's at once, pair the two", async () => {
  const { world, bob, alice, alices, bobsKeys, alicesKeys } = await atTerminals();
  alicesKeys.write(`${bob.line}\n`);
  bobsKeys.write(`${alices}\n`);
  expect([(await bob.done).exit, (await alice).exit]).toEqual([0, 0]);
  expect(states(await world.cli("contacts --json"))).toEqual([["alice", true]]);
  expect(states(await world.there("contacts --json"))).toEqual([["bob", true]]);
});

test("whoever is nobody yet, and names no relay, is asked for the line; a pipe brings it", async () => {
  const world = await pairingWorld();
  const env = { AIMESSAGE_SERVER: "" };
  const bob = await world.make("pair --yes");
  const keys = terminal();
  const stderr = Object.assign(new Recorder(), { isTTY: true });
  const alice = world.there("-u alice pair", { terminal: keys, stderr, env });
  await stderr.until(/The line: /);
  keys.write(`${bob.line}\n`);
  expect([(await bob.done).exit, (await alice).exit]).toEqual([0, 0]);
  const again = await world.make("pair --yes");
  expect(await world.there("-u carol pair --yes", { stdin: again.line, env })).toMatchObject({ exit: 0 });
  expect((await again.done).exit).toBe(0);
});

test("where a program runs it, a terminal is no person's, and a name no consent: --yes is", async () => {
  const world = await pairingWorld();
  for (const env of [{ CLAUDECODE: "1" }, { AIMESSAGE_ID: "1" }])
    for (const [words, terminal_] of [
      ["pair", terminal()],
      ["pair --for alice", undefined],
      ["pair --line", terminal()],
    ] as const)
      expect(
        await world.cli(words, { env, ...(terminal_ === undefined ? { stdin: "" } : { terminal: terminal_ }) }),
      ).toMatchObject({ exit: 2 });
  const bob = await world.make("pair --for alice");
  expect(
    await world.there("-u alice pair --yes", { stdin: bob.line, env: { CLAUDECODE: "1", AIMESSAGE_SERVER: "" } }),
  ).toMatchObject({ exit: 0 });
  expect((await bob.done).exit).toBe(0);
});

test("a pipe may take its time: the line that it brings is used, and the one that was made meanwhile is good for nobody", async () => {
  const world = await pairingWorld();
  await world.there("register -u alice");
  const bob = await world.make("pair --yes");
  const stdin = new PassThrough();
  const stdout = new Recorder();
  const alice = world.there("pair --yes", { terminal: stdin, stdout });
  await stdout.until(/aimessage:/);
  stdin.end(`${bob.line}\n`);
  expect(await alice).toMatchObject({ exit: 0 });
  expect((await bob.done).exit).toBe(0);
  expect((await world.there("pair --resume")).stdout).toBe("No line is open.\n");
});

test("--qr shows the line as a QR code, too, beside the data and narrower than a terminal", async () => {
  const world = await pairingWorld();
  const bob = await world.make("pair --qr --yes");
  await bob.stderr.until(/Give this line/);
  const code = bob.stderr.text.split("\n").filter((line) => /[▀▄█]/.test(line));
  expect(code.length).toBeGreaterThan(20);
  expect(Math.max(...code.map((line) => line.length))).toBeLessThan(80);
  expect(bob.stdout.text).toBe(`${bob.line}\n`);
  await world.cli("pair --withdraw");
  await bob.done;
});

test("a line without its code registers nobody", async () => {
  const world = await pairingWorld();
  const bob = await world.make("pair");
  const card = bob.line.replace(/\/[A-Z2-7]{26}$/, "");
  const { exit, stderr } = await world.there("-u alice pair --line - --yes", { stdin: card });
  expect([exit, stderr]).toEqual([2, expect.stringMatching(/this is the card of bob, and no pairing line/i)]);
  expect(stderr).not.toContain("is registered");
  expect((await world.there("whoami -u alice")).exit).toBe(3);
});

test("who makes a line, and names a relay, is registered there if there is no such agent yet", async () => {
  const world = await pairingWorld();
  const stdout = new Recorder();
  const walter = world.there(["-u", "walter", "-s", world.server, "pair", "--for", "bob"], { stdout });
  await stdout.until(/aimessage:[^\s"]+\s/);
  const line = /aimessage:[^\s"]+/.exec(stdout.text)?.[0] ?? "";
  expect(await world.cli("pair --line - --yes", { stdin: line })).toMatchObject({ exit: 0 });
  expect(await walter).toMatchObject({ exit: 0 });
});
