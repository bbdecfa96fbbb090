import { expect, test } from "vitest";
import { aimessage } from "./console.ts";

/** Every command with the options that its help lists, each with a value if it takes one. */
async function everyCommand(path: string[] = []): Promise<{ path: string[]; options: string[][] }[]> {
  const { stdout } = await aimessage([...path, "--help"]);
  const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)(?![\w-]| +(?:<\S+> +)?repeatable:)( <[\w=.-]+>)?/gm)]
    .filter(([, flag]) => flag !== "--help" && flag !== "--version")
    .map(([, flag, takes]) => (takes === undefined ? [flag!] : [flag!, values[flag!] ?? "5"]));
  const [, list = ""] = /^Commands:\n((?: {2}.*\n)*)/m.exec(stdout) ?? [];
  const below = [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!);
  const found = await Promise.all(below.map((name) => everyCommand([...path, name])));
  return [{ path, options }, ...found.flat()];
}

const values: Record<string, string> = { "--wait": "stored", "--expires": "1h", "--to": "bob", "--for": "claude" };

test("an option that is given again is refused by every command, before or after its name", async () => {
  const globals = (await everyCommand())[0]!.options;
  expect(globals).toContainEqual(["--json"]);
  for (const { path, options } of await everyCommand())
    for (const option of options) {
      const lines = [[...path, ...option, ...option]];
      if (globals.some(([flag]) => flag === option[0])) lines.push([...option, ...path, ...option]);
      for (const line of lines) {
        const { exit, stdout, stderr } = await aimessage(line);
        expect({ line, exit, stdout }).toEqual({ line, exit: path[0] === "hook" ? 1 : 2, stdout: "" });
        expect(stderr).toMatch(/is given more than once/);
        expect(stderr).toContain("give it once");
      }
    }
});

test.each([
  ["-t", ["send", "-t", "alice", "-t", "bob", "-m", "x"], "-t, --to <name>"],
  ["-m", ["send", "-t", "alice", "-m", "x", "--message=y"], "-m, --message <text>"],
  ["-s", ["-s", "ws://localhost:1", "whoami", "-sws://localhost:2"], "-s, --server <url>"],
  ["-u", ["contacts", "-u", "alice", "list", "-u", "bob"], "-u, --username <name>"],
])("of two values of %s none is dropped without a word", async (_flag, words, flags) => {
  expect(await aimessage(words)).toEqual({
    exit: 2,
    stdout: "",
    stderr: `Error: option '${flags}' is given more than once\nHint: give it once\n`,
  });
});

test("a flag beside its variable is no repetition, and outweighs it", async () => {
  const env = { AIMESSAGE_HOME: "/nowhere", AIMESSAGE_USERNAME: "bob" };
  const { exit, stderr } = await aimessage(["whoami", "-u", "alice"], { env });
  expect({ exit, stderr }).toMatchObject({ exit: 3, stderr: expect.stringContaining("alice is not registered") });
});

test("one that may be given again takes one value each time, and nothing that stands behind", async () => {
  const env = { AIMESSAGE_HOME: "/nowhere", AIMESSAGE_USERNAME: "bob" };
  for (const flag of [
    ["-f", "package.json"],
    ["--header", "a=b"],
  ]) {
    const { stderr } = await aimessage(["reply", ...flag, ...flag, "1f0c9a52", "-m", "x"], { env });
    expect(stderr).toContain("bob is not registered");
  }
  expect(await aimessage(["send", "-t", "bob", "-f", "one.csv", "two.csv"], { env })).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining("-f before each file") as string,
  });
});
