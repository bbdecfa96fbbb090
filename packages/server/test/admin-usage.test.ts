import { expect, test } from "vitest";
import { commands } from "../src/admin/commands.ts";
import { folder } from "./folder.ts";
import { command, relayProcess } from "./relay-process.ts";

const help: Record<string, string[]> = Object.fromEntries(
  Object.keys(commands).map((name) => [
    name,
    ["backup", "restore", "check", "stats", "audit"].includes(name) ? [name] : ["user", name],
  ]),
);

test.each(Object.entries(help))("%s --help shows an example", async (name, words) => {
  const { code, stdout, stderr } = await command(...words, "--help");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const part of ["--db", "DB_PATH", "--json", `Example:\n  ${commands[name as keyof typeof commands].example}`])
    expect(stdout).toContain(part);
});

test("the help of aimessage-server names every command; `serve` is the bare command", async () => {
  const { stdout } = await command("--help");
  for (const words of Object.values(help)) expect(stdout).toContain(`  ${words.join(" ")}`);
  using relay = relayProcess(["serve", "--port", "0", "--db", folder()]);
  expect((await relay.lines(1))[0]).toMatch(/^AI Message Server starting on :\d+$/);
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
    "option '--last <number>' argument 'few' is invalid. It needs a whole number.",
    "audit --help",
  ],
  [["--db", "x", "stats"], "'stats' stands behind options", "the command comes first: aimessage-server stats --help"],
])("%j: wrong usage", async (args, message, hint) => {
  const { code, stdout, stderr } = await command(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/^Error: .+\nHint: .+\n$/);
  expect(stderr).toContain(`Error: ${message}`);
  expect(stderr).toContain(hint);
});
