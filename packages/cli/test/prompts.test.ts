/** Questions at a terminal, and the ways in which they end. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { beforeEach, expect, test } from "vitest";
import { cheapPassphrases } from "../../../test/passphrases.ts";
import { type ConsoleOptions, Recorder } from "./console.ts";
import { createWorld } from "./world.ts";

beforeEach(cheapPassphrases);

type Question = [command: string, about: RegExp, typed: string[]];

const QUESTIONS: Question[] = [
  ["backup", /Passphrase for/, []],
  ["backup", /The same again/, ["correct horse\r"]],
  ["restore", /Passphrase of/, []],
  ["unregister", /Type its name/, []],
];

/** Runs a command of alice until it has asked, having typed what comes before; then `act`. */
async function ask([command, about, typed]: Question, act: (keys: PassThrough) => void, more: ConsoleOptions = {}) {
  const world = await createWorld();
  await world.register("alice");
  const file = join(world.home, "alice.backup");
  if (command === "restore")
    await world.cli(["backup", file], { env: { AIMESSAGE_BACKUP_PASSPHRASE: "correct horse" } });
  const keys = Object.assign(new PassThrough(), { isTTY: true });
  const stderr = Object.assign(new Recorder(), { isTTY: true });
  const done = world.cli(command === "unregister" ? [command] : [command, file], { ...more, terminal: keys, stderr });
  for (const line of typed) {
    await stderr.until(/: /);
    keys.write(line);
  }
  await stderr.until(about);
  act(keys);
  const transcript = await done;
  // Whatever was asked, alice is still there, and there is a backup only if there was one.
  expect((await world.cli("whoami")).exit).toBe(0);
  expect(existsSync(file)).toBe(command === "restore");
  return transcript;
}

test.each(QUESTIONS)("Ctrl+C where %s asks %s ends it with 130, and nothing is done", async (...question) => {
  const { exit, stderr } = await ask(question, (keys) => keys.write("\x03"));
  expect(exit).toBe(130);
  expect(stderr).toMatch(/Error: interrupted\nHint: nothing was done\n$/);
});

test.each(QUESTIONS)("SIGTERM where %s asks %s ends it with 143, and nothing is done", async (...question) => {
  const interrupt = new AbortController();
  const { exit } = await ask(question, () => interrupt.abort("SIGTERM"), { interrupted: interrupt.signal });
  expect(exit).toBe(143);
});

test.each(QUESTIONS)("the end of the input where %s asks %s is no answer", async (...question) => {
  const { exit, stderr } = await ask(question, (keys) => keys.end());
  expect(exit).toBeGreaterThan(0);
  expect(stderr).toMatch(/\n(Error: .*\nHint: .*|Nothing was removed\.)\n$/);
});

test("a passphrase that is too short is refused at once, and not asked for again", async () => {
  const { exit, stderr } = await ask(["backup", /Passphrase for/, []], (keys) => keys.write("abc\r"));
  expect(exit).toBe(2);
  expect(stderr).toMatch(/has only 3 characters\nHint: .*--generate FILE/);
  expect(stderr).not.toContain("The same again");
});
