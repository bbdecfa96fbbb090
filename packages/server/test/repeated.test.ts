import { expect, test } from "vitest";
import { commands } from "../src/config/commands.ts";
import { readConfig } from "../src/config/config.ts";
import { UsageError } from "../src/config/usage-error.ts";
import { generalOptions, limitFlags } from "../src/config/options.ts";
import { adminCommands, aimessageServer } from "./console.ts";

const refused = (words: string[], flags: string) =>
  expect(aimessageServer(words)).resolves.toEqual({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(
      words.includes("--json")
        ? `^{"error":"usage","message":"option '${flags}' is given more than once","hint":"give it once"}\n$`
        : `^Error: option '${flags}' is given more than once\nHint: give it once\n$`,
    ),
  });

test("an option of the relay that is given again is refused, but for those that may be", async () => {
  for (const { flag, takes, repeatable } of [...generalOptions, ...limitFlags]) {
    const once = takes === undefined ? [flag] : [flag, "5"];
    if (!repeatable) await refused([...once, ...once], `${flag}(?: <.*>)?`);
  }
  const config = readConfig(["--public-url", "ws://a", "--public-url", "ws://b"], {});
  expect(config).toMatchObject({ publicUrls: ["ws://a", "ws://b"] });
});

test("an option of an administrator's command that is given again is refused", async () => {
  for (const [name, { usage, options }] of Object.entries(commands)) {
    const path = adminCommands[name]!;
    const place = usage.includes("<") ? ["x"] : [];
    for (const flags of ["--db <folder>", "--json", ...options.map(([flag]) => flag)]) {
      const [flag = "", value] = flags.split(" ");
      const once = value === undefined ? [flag] : [flag, "5"];
      await refused([...path, ...place, ...once, ...once], flags.replace(/[[\]]/g, "\\$&"));
    }
  }
});

test("a flag beside its variable is no repetition, and outweighs it", () => {
  expect(readConfig(["--port", "1"], { PORT: "2" })).toMatchObject({ port: 1 });
  expect(() => readConfig(["--port", "1", "--port", "2"], {})).toThrow(UsageError);
});
