/** Whatever comes from outside, a terminal obeys none of it, and shows all of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { cheapPassphrases } from "../../../test/passphrases.ts";
import { aimessage } from "./console.ts";
import { createWorld, type World } from "./world.ts";

beforeEach(cheapPassphrases);

// Control, format and unassigned characters, half surrogates, separators, and all that may be drawn as nothing.
const UNSAFE = /[[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--[\n\t]]/v;

/** Some of each kind: escapes, C1, bidirectional, zero-width, fillers, variation selectors, tags, byte-order mark, nonsense. */
const HOSTILE =
  "\u001b[2J\u0007\r\n\u009b\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u2028\u2029\u202e\u2060\u2066\u3164\ufe0f\ufeff\uffa0\uffff\u{e0041}\u{e0100}";

/** The words of a help's list: its commands, or its options with what they take. */
function listed(help: string, title: RegExp): string[] {
  const [, list = ""] = title.exec(help) ?? [];
  return [...list.matchAll(/^ {2}(\S.*?)(?: {2}|$)/gm)].map(([, words]) => words!);
}

/** Every command, with the options that take something and the number of its arguments. */
async function everyCommand(path: string[] = []): Promise<{ path: string[]; options: string[]; places: number }[]> {
  const { stdout } = await aimessage([...path, "--help"]);
  const options = [...stdout.matchAll(/(--[\w-]+) <[\w-]+>/g)].map(([, flag]) => flag!);
  const places = listed(stdout, /^Arguments:\n((?: {2}.*\n)*)/m).length;
  const below = listed(stdout, /^Commands:\n((?: {2}.*\n)*)/m).map((usage) => usage.split(" ")[0]!);
  const found = await Promise.all(below.map((name) => everyCommand([...path, name])));
  return [{ path, options, places }, ...found.flat()];
}

function expectSafe(words: unknown, { stdout, stderr }: { stdout: string; stderr: string }): void {
  expect({ words, stdout: UNSAFE.exec(stdout), stderr: UNSAFE.exec(stderr) }).toEqual({
    words,
    stdout: null,
    stderr: null,
  });
  if (stderr.startsWith("Usage: ")) return;
  for (const line of stderr.split("\n")) expect(line).toMatch(/^(Error: |Hint: |Warning: |\{.*\}$|\S.*\.\.\. |$)/);
}

test("no command prints what was typed as it is", async () => {
  // A folder that is named is made where it is named from.
  const [before, there] = [process.cwd(), mkdtempSync(join(tmpdir(), "aimessage typed "))];
  process.chdir(there);
  onTestFinished(() => {
    process.chdir(before);
    rmSync(there, { recursive: true });
  });
  const commands = await everyCommand();
  expect(commands.length).toBeGreaterThan(25);
  const interrupted = AbortSignal.abort();
  const env = { AIMESSAGE_HOME: join("/nowhere", HOSTILE), AIMESSAGE_SERVER: HOSTILE };
  for (const { path, options, places } of commands) {
    const lines = [
      [...path, HOSTILE],
      [...path, ...Array<string>(places + 1).fill(HOSTILE)],
      [...path, `--${HOSTILE}`],
      ...options.flatMap((flag) => [
        [...path, flag, HOSTILE],
        [...path, `${flag}=${HOSTILE}`, ...Array<string>(places).fill(HOSTILE)],
      ]),
    ];
    for (const words of lines)
      for (const more of [[], ["--json"]]) {
        const said = await aimessage([...words, ...more], { env, interrupted, stdin: HOSTILE });
        expect({ words, exit: said.exit === 0 ? "done" : "refused" }).toEqual({ words, exit: "refused" });
        expectSafe(words, said);
      }
  }
});

/** Alice and bob, in a folder whose path is hostile; a hostile text of bob has come, and another has failed with a hostile reason. */
async function hostileWorld(): Promise<World & { sent: string }> {
  const world = await createWorld();
  const home = join(world.home, HOSTILE);
  const cli: World["cli"] = (line, options = {}) =>
    world.cli(line, { ...options, env: { AIMESSAGE_HOME: home, ...options.env } });
  for (const name of ["alice", "bob"]) expectSafe("register", await cli(["register", "-u", name]));
  const agents = await Promise.all(["alice", "bob"].map((username) => Agent.open({ home, username, create: false })));
  const [alice, bob] = agents as [Agent, Agent];
  onTestFinished(async () => void (await Promise.all(agents.map((agent) => agent.close()))));
  const sent = await alice.send("bob", `to fail ${HOSTILE}`);
  for await (const message of bob.messages()) {
    await message.failed(`no ${HOSTILE}`);
    break;
  }
  await sent.handled().catch(() => undefined);
  const stream = (async function* () {
    yield new Uint8Array(1);
  })();
  const files = [{ name: `file ${HOSTILE}`, stream }];
  await bob.send("alice", `hello${HOSTILE}`, { files }).then((hello) => hello.received());
  return { ...world, home, cli, sent: sent.id };
}

test("no command prints as it is what others wrote, or what a folder is called; JSON keeps it exactly", async () => {
  const world = await hostileWorld();
  const { sent, home } = world;
  const inbox = await world.cli(["inbox", "--json", "-u", "alice"]);
  const came = (JSON.parse(inbox.stdout) as { messages: { message_id: string }[] }).messages[0]!.message_id;
  const commands = [
    ["whoami", "-u", "alice"],
    ["inbox", "-u", "alice"],
    ["status", sent, "-u", "alice"],
    ["status", sent, "--follow", "-u", "alice", "--timeout", "1"],
    ["outbox", "list", "--all", "-u", "alice"],
    ["contacts", "list", "-u", "alice"],
    ["verify", "bob", "-u", "alice"],
    ["users", "-u", "alice"],
    ["doctor", "-u", "alice"],
    ["dead", "list", "-u", "bob"],
    ["dead", "show", sent, "-u", "bob"],
    ["backup", join("/nowhere", HOSTILE), "-u", "alice"],
    ["inbox", "save", came, "--dir", join(home, "in"), "-u", "alice"],
    ["listen", "--count", "1", "-u", "alice", "--save-dir", join(home, "in")],
    ["unregister", "--yes", "-u", "alice"],
    ["whoami"],
    ["whoami", "-u", "carol"],
  ];
  const printed: string[] = [];
  for (const words of commands)
    // What consumes is asked for once.
    for (const more of ["listen", "unregister"].includes(words[0]!) ? [[]] : [[], ["--json"]]) {
      const said = await world.cli([...words, ...more], {
        env: { AIMESSAGE_BACKUP_PASSPHRASE: "correct horse battery" },
      });
      expectSafe(words, said);
      printed.push(said.stdout);
    }
  const all = printed.join("");
  expect(all).toContain(String.raw`hello\x1b[2J\x07\x0d`);
  expect(all).toContain(String.raw`no \x1b[2J`);
  expect(all).toContain("[file _[2J_");
  const lines = all.split("\n").filter((line) => line.startsWith("{"));
  expect(lines.some((line) => JSON.parse(line).messages?.[0]?.body === `hello${HOSTILE}`)).toBe(true);
});
