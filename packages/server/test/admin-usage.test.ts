import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { commands } from "../src/config/commands.ts";
import { adminCommands, aimessageServer } from "./console.ts";
import { folder } from "./folder.ts";
import { relayProcess } from "./relay-process.ts";

const help = adminCommands;
const here = (...words: string[]) => aimessageServer(words);

test.each(Object.entries(help))("%s --help shows an example", async (name, words) => {
  const { code, stdout, stderr } = await here(...words, "--help");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const part of ["--db", "DB_PATH", "--json", `Example:\n  ${commands[name as keyof typeof commands].example}`])
    expect(stdout).toContain(part);
});

test("the help of aimessage-server names every command; `serve` is the bare command", async () => {
  const { stdout } = await here("--help");
  for (const words of Object.values(help)) expect(stdout).toContain(`  ${words.join(" ")}`);
  using relay = relayProcess(["serve", "--port", "0", "--db", folder()]);
  expect((await relay.lines(1))[0]).toMatch(/^AI Message Server starting on :\d+$/);
});

test.each([
  [["help"], ["--help"]],
  [["help", "serve"], ["--help"]],
  [["serve", "help"], ["--help"]],
  [
    ["help", "backup"],
    ["backup", "--help"],
  ],
  [
    ["backup", "help"],
    ["backup", "--help"],
  ],
  [
    ["restore", "help"],
    ["restore", "--help"],
  ],
  [
    ["help", "user"],
    ["user", "--help"],
  ],
  [
    ["user", "help"],
    ["user", "--help"],
  ],
  [
    ["help", "user", "show"],
    ["user", "show", "--help"],
  ],
  [["-V"], ["--version"]],
  [["stats", "-V"], ["--version"]],
])("%j is %j", async (words, flags) => {
  const asked = await here(...words);
  expect(asked).toMatchObject({ code: 0, stderr: "" });
  expect(asked).toEqual(await here(...flags));
  expect(existsSync("help")).toBe(false);
});

test("an account may be called help", async () => {
  expect(await here("user", "show", "help", "--db", folder())).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("There is no database"),
  });
});

test.each([
  [["bogus", "--json"], 2, "usage", "unknown command 'bogus'"],
  [["--json", "bogus"], 2, "usage", "unknown command 'bogus'"],
  [["--json", "--port", "x"], 2, "usage", "--port needs a port from 0 to 65535, not 'x'"],
  [["--json", "user"], 2, "usage", "`user` needs a command"],
  [["stats", "--json", "--db", "/nowhere"], 1, "failed", "There is no database in /nowhere"],
  [["--json", "stats", "--db", "/nowhere"], 1, "failed", "There is no database in /nowhere"],
  [["--json", "--db", "/dev/null/data"], 1, "start", "Cannot use database folder /dev/null/data (ENOTDIR)"],
])("%j: the error is JSON", async (words, code, error, message) => {
  const ended = await here(...words);
  expect(ended).toMatchObject({ code, stdout: "" });
  expect(ended.stderr).toMatch(/^.+\n$/);
  expect(JSON.parse(ended.stderr)).toEqual({ error, message, hint: expect.stringMatching(/./) });
});

test.each([
  [["user"], "`user` needs a command", "aimessage-server user --help lists them"],
  [["user", "shw"], "unknown command 'shw'", "did you mean show?"],
  [["user", "show"], "missing required argument 'name'", "aimessage-server user show --help shows an example"],
  [["backup"], "missing required argument 'file'", "aimessage-server backup --help shows an example"],
  [["stats", "x"], "too many arguments", "aimessage-server stats --help shows an example"],
  [["check", "--jsn"], "unknown option '--jsn'", "did you mean --json?"],
  [
    ["audit", "--last", "few"],
    "option '--last <number>' argument 'few' is invalid. It needs a whole number, 1 or more.",
    "audit --help",
  ],
  [["audit", "--last", "0"], "option '--last <number>' argument '0' is invalid", "audit --help"],
  [["user", "list", "--limit", "0"], "option '--limit <number>' argument '0' is invalid", "user list --help"],
  [["bogus"], "unknown command 'bogus'", "aimessage-server --help lists every command"],
  [["help", "bogus"], "unknown command 'bogus'", "aimessage-server --help lists every command"],
  [["version"], "unknown command 'version'", "aimessage-server --help lists every command"],
  [["srve"], "unknown command 'srve'", "did you mean serve?"],
  [["chek", "--db", "x"], "unknown command 'chek'", "did you mean check?"],
  [["--port", "0", "bogus"], "unknown command 'bogus'", "aimessage-server --help lists every command and option"],
  [["--db", "x", "stats"], "'stats' stands behind options", "the command comes first: aimessage-server stats --help"],
])("%j: wrong usage", async (args, message, hint) => {
  const { code, stdout, stderr } = await here(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/^Error: .+\nHint: .+\n$/);
  expect(stderr).toContain(`Error: ${message}`);
  expect(stderr).toContain(hint);
});
