import { readFile } from "node:fs/promises";
import { createOutput } from "@aimessage/sdk/program";
import { describe, expect, test } from "vitest";
import { methods, notifications } from "../src/doors/pipe-schema.ts";
import { reportError, UsageError } from "../src/errors.ts";
import { aimessage, Recorder } from "./console.ts";

const help = async (...words: string[]) => (await aimessage([...words, "--help"])).stdout;

/** Commands that a help lists. */
const below = (text: string) =>
  [...(/^Commands:\n([^]*?)\n\n/m.exec(text)?.[1] ?? "").matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!);

describe("help", () => {
  test("the main help lists every command and the exit codes", async () => {
    const { exit, stdout, stderr } = await aimessage(["--help"]);
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
    for (const name of ["register", "send", "listen", "users", "whoami", "contacts", "verify", "status", "inbox"]) {
      expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
    }
    expect(stdout).toContain("Exit codes:");
  });

  test("no line is wider than a terminal of 80 columns", async () => {
    for (const name of ["", ...below(await help())]) {
      const texts = [await help(...(name === "" ? [] : [name]))];
      for (const inner of below(texts[0] ?? "")) if (name !== "") texts.push(await help(name, inner));
      const wide = texts.flatMap((text) => text.split("\n")).filter((line) => line.length > 80);
      expect([name, wide]).toEqual([name, []]);
    }
  });

  test.each([80, 61])("what a command does is broken once, at %i columns", async (columns) => {
    const pages = below(await help("group")).map((name) => ["group", name]);
    for (const words of [...pages, ["send"], ["listen"], ["requests"]]) {
      const terminal = Object.assign(new Recorder(), { columns });
      await aimessage([...words, "--help"], { stdout: terminal });
      const [, does = ""] = terminal.text.split("\n\n");
      const lines = does.split("\n");
      // Each line has no room for the word with which the next one begins.
      const broken = lines.filter((line, at) => {
        const [next = ""] = lines[at + 1]?.split(" ") ?? [];
        return next !== "" && line.length + 1 + next.length < columns;
      });
      expect([words, broken]).toEqual([words, []]);
    }
  });

  const commands =
    "register send listen users inbox status whoami verify contacts doctor unregister watch install uninstall hook".split(
      " ",
    );
  test.each(commands)("%s --help shows an example", async (name) => {
    const asked = await aimessage([name, "--help"]);
    expect(asked).toMatchObject({ exit: 0, stderr: "" });
    expect(asked.stdout).toMatch(/Examples?:\n {2}aimessage/);
    expect(await aimessage(["help", name])).toEqual(asked);
  });

  test("README has a row for every command, which names all that is below it, and no flag that is not there", async () => {
    const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
    for (const name of below(await help())) {
      const row = readme.split("\n").find((line) => new RegExp(`^\\| \`${name}\\b`).test(line));
      expect(row, name).toBeDefined();
      const pages = [await help(name)];
      for (const sub of below(pages[0]!)) {
        expect(row).toMatch(new RegExp(`\\b${sub}\\b`));
        pages.push(await help(name, sub));
      }
      for (const [flag] of row!.matchAll(/--[a-z][a-z-]+/g)) expect(pages.join(), name).toContain(flag);
    }
  });

  test("the first lines of listen's help say when a message counts as handled", async () => {
    const { stdout } = await aimessage(["listen", "--help"]);
    expect(stdout.split("\n").slice(0, 5).join(" ")).toContain("a message counts as handled when its line is written");
  });

  test("pipe's help names every method and notification", async () => {
    const { stdout } = await aimessage(["pipe", "--help"]);
    for (const name of Object.keys({ ...methods, ...notifications }))
      expect(stdout).toMatch(new RegExp(`[ \n]${name}[,.]`));
  });

  test.each(["list", "trust", "block", "allow"])("contacts %s --help shows an example", async (name) => {
    const { exit, stdout } = await aimessage(["contacts", name, "--help"]);
    expect(exit).toBe(0);
    expect(stdout).toMatch(new RegExp(`Example:\n {2}aimessage contacts ${name}`));
  });

  test.each(["backup", "restore", "contacts", "outbox", "dead"])(
    "%s help is the help, and makes no file",
    async (name) => {
      expect(await aimessage([name, "help"])).toEqual(await aimessage([name, "--help"]));
    },
  );

  test("the README names every command", async () => {
    const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
    for (const name of commands) expect(readme).toContain(`| \`${name}`);
  });

  test("--version prints the version, before and after a command", async () => {
    const before = await aimessage(["--version"]);
    const manifest = await readFile(new URL("../package.json", import.meta.url), "utf8");
    expect(before.stdout).toBe(`${(JSON.parse(manifest) as { version: string }).version}\n`);
    expect(await aimessage(["send", "--version"])).toEqual(before);
  });
});

describe("wrong usage ends with exit code 2, one line and a hint", () => {
  const cases: [argv: string, message: string, hint: string][] = [
    ["sned", "unknown command 'sned'", "did you mean send?"],
    ["send -m hello", "required option '-t, --to <name>' not specified", "see: aimessage send --help"],
    ["send -t bob --wiat", "unknown option '--wiat'", "did you mean --wait?"],
    ["requests refuse carol --foo", "unknown option '--foo'", "see: aimessage requests refuse --help"],
    ["install foo", "'foo' is no host", "it is one of claude, codex, hermes, gemini, cursor"],
    ["send -t bob -m", "option '-m, --message <text>' argument missing", "see: aimessage send --help"],
    ["send -t bob", "a message is required", 'write -m "text", or pipe it in'],
    ["register -s ws://localhost:1", "a username is required", "name it: register -u NAME"],
    ["register -u bob", "a relay is required", "name it: register -u NAME -s ws://HOST:PORT"],
    [
      "users now",
      "too many arguments for 'users'. Expected 0 arguments but got 1: now.",
      "see: aimessage users --help",
    ],
    [
      "contacts nope",
      "unknown command 'contacts nope'",
      "contacts has the commands list, add, trust, block, allow and tier",
    ],
    ["status", "a message id is required", "name it, or follow all: status --follow"],
  ];
  test.each(cases)("aimessage %s", async (argv, message, hint) => {
    expect(await aimessage(argv.split(" "))).toEqual({
      exit: 2,
      stdout: "",
      stderr: `Error: ${message}\nHint: ${hint}\n`,
    });
  });

  test("no command at all prints the help on stderr", async () => {
    const { exit, stdout, stderr } = await aimessage([]);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
    expect(stderr).toContain("Usage: aimessage");
  });

  test("no command at all with --json prints an error and no help", async () => {
    const { exit, stdout, stderr } = await aimessage(["--json"]);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
    expect(JSON.parse(stderr)).toEqual({
      error: "usage",
      message: "a command is required",
      hint: "see: aimessage --help",
    });
  });

  test("an empty message is refused unless stdin is named", async () => {
    const expected = { exit: 2, stdout: "" };
    expect(await aimessage(["send", "-t", "bob", "-m", ""])).toMatchObject(expected);
    expect(await aimessage(["send", "-t", "bob"], { stdin: "" })).toMatchObject(expected);
  });

  test("with --json the error is one object on stderr", async () => {
    const { exit, stdout, stderr } = await aimessage(["--json", "send", "-t", "bob"]);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
    expect(JSON.parse(stderr)).toMatchObject({ error: "usage", message: "a message is required" });
  });

  test.each(["0", "0s", "-1", "abc", "1e3", "25d", "1w", "99999999999", ""])(
    "--timeout %j is refused",
    async (value) => {
      expect((await aimessage(["send", "-t", "bob", "-m", "x", "--timeout", value])).exit).toBe(2);
    },
  );
  test.each(["1", "1w", "0s", "h", "-1h"])("--expires %j is refused", async (value) => {
    expect((await aimessage(["send", "-t", "bob", "-m", "x", "--expires", value])).exit).toBe(2);
  });
  test.each(["0", "-1", "1.5", "x"])("--count %j is refused", async (value) => {
    expect((await aimessage(["listen", "--count", value])).exit).toBe(2);
  });
});

test("an error counts, not the failure to close behind it", async () => {
  const stderr = new Recorder();
  const error = new SuppressedError(new Error("close failed"), new UsageError("wrong", "do it right"));
  const out = createOutput({ stdout: new Recorder(), stderr }, { json: false, quiet: false });
  expect(await reportError(error, out, undefined)).toBe(2);
  expect(stderr.text).toBe("Error: wrong\nHint: do it right\n");
});

test("help is found behind flags and commands, and names a command that there is not", async () => {
  const general = (await aimessage(["--help"])).stdout;
  for (const words of ["help", "-u alice help", "--json help", "--home /x help"])
    expect(await aimessage(words.split(" ")), words).toEqual({ exit: 0, stdout: general, stderr: "" });
  for (const command of ["send", "listen", "whoami", "users", "contacts", "register"]) {
    const { stdout } = await aimessage([command, "--help"]);
    for (const words of [`${command} help`, `help ${command}`, `-u alice help ${command}`])
      expect(await aimessage(words.split(" ")), words).toEqual({ exit: 0, stdout, stderr: "" });
  }
  expect(await aimessage(["help", "nothing"])).toEqual({
    exit: 2,
    stdout: "",
    stderr: "Error: unknown command 'nothing'\nHint: see: aimessage --help\n",
  });
  for (const words of [[], ["-q"]])
    expect((await aimessage(words)).stderr).toMatch(/\nError: a command is required\nHint: .*\n$/);
});

test.each(["requests refuse carol", "requests block carol", "contacts block carol", "verify carol"])(
  "%s takes --yes, too, although it asks nothing",
  async (words) => {
    const { exit, stderr } = await aimessage([...words.split(" "), "--yes", "--home", "/nowhere", "-u", "bob"]);
    expect({ exit, stderr }).toMatchObject({ exit: 3, stderr: expect.stringContaining("bob is not registered") });
  },
);
