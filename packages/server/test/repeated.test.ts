import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { commands } from "../src/admin/commands.ts";
import { readConfig, UsageError } from "../src/config.ts";
import { generalOptions, limitFlags } from "../src/options.ts";
import { run } from "../src/program.ts";

async function aimessageServer(words: string[]): Promise<{ exit: number; stderr: string }> {
  let stderr = "";
  const quiet = new Writable({ write: (_chunk, _encoding, done) => done() });
  const heard = new Writable({
    write(chunk: Buffer, _encoding, done) {
      stderr += chunk.toString();
      done();
    },
  });
  const exit = await run(words, {
    stdout: quiet,
    stderr: heard,
    env: {},
    stopped: () => Promise.resolve("SIGTERM" as const),
    onHangUp: () => {},
  });
  return { exit, stderr };
}

const refused = (words: string[], flags: string) =>
  expect(aimessageServer(words)).resolves.toEqual({
    exit: 2,
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
    const path = ["backup", "restore", "check", "stats", "audit"].includes(name) ? [name] : ["user", name];
    const place = usage.includes("<") ? ["x"] : [];
    for (const flags of ["--db <folder>", "--json", ...options.map(([flag]) => flag)]) {
      const once = flags.includes("<") ? [flags.split(" ")[0]!, "5"] : [flags];
      await refused([...path, ...place, ...once, ...once], flags);
    }
  }
});

test("a flag beside its variable is no repetition, and outweighs it", () => {
  expect(readConfig(["--port", "1"], { PORT: "2" })).toMatchObject({ port: 1 });
  expect(() => readConfig(["--port", "1", "--port", "2"], {})).toThrow(UsageError);
});
