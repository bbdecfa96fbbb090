/** Processes whose surroundings are not what one expects: no working folder, no home, no name. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { Agent, defaultHome } from "@aimessage/sdk/node";
import { expect, test, vi } from "vitest";
import { builtCli } from "../../../test/built.ts";
import { Recorder } from "./console.ts";
import { createWorld, type World } from "./world.ts";

/** Runs the command line in a folder that is deleted before it begins. */
function homeless(world: World, ...words: string[]) {
  const folder = join(world.home, "..", "deleted");
  mkdirSync(folder, { recursive: true });
  return shell(world, 'rmdir "$PWD" && exec "$@"', words, folder);
}

/** Has a shell run the command line, which is its `$@`. */
async function shell({ env }: World, script: string, words: string[], cwd?: string) {
  const child = spawn("sh", ["-c", script, "sh", process.execPath, builtCli(), ...words], {
    cwd,
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  const [exit] = (await once(child, "close")) as [number];
  return { exit, stdout: stdout.text, stderr: stderr.text };
}

test("a working folder that was deleted matters only to a path that needs it, which is said", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  expect(await homeless(world, "send", "-u", "alice", "-t", "bob", "-m", "still here")).toMatchObject({
    exit: 0,
    stderr: "",
  });
  for (const words of [
    ["whoami", "--home", "relative"],
    ["restore", "relative"],
  ])
    expect(await homeless(world, ...words)).toMatchObject({
      exit: 2,
      stderr: expect.stringMatching(
        /^Error: the working folder was deleted\nHint: give the whole path .* \/home\/me\//,
      ),
    });
});

test("an empty HOME, one that is no whole path, and none at all leave the keys in the user's own folder", () => {
  const { homedir } = userInfo();
  for (const home of ["", "relative", undefined]) {
    vi.stubEnv("AIMESSAGE_HOME", "");
    vi.stubEnv("HOME", home);
    expect(defaultHome()).toBe(join(homedir, ".aimessage"));
  }
  vi.unstubAllEnvs();
});

test.runIf(process.geteuid?.() === 0)("a user without a home is told to name a folder", () => {
  vi.stubEnv("AIMESSAGE_HOME", "");
  vi.stubEnv("HOME", "");
  process.seteuid?.(54_321);
  try {
    expect(() => defaultHome()).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("--home") }),
    );
    vi.stubEnv("AIMESSAGE_HOME", "/named");
    expect(defaultHome()).toBe("/named");
  } finally {
    process.seteuid?.(0);
    vi.unstubAllEnvs();
  }
});

test("an empty variable is an unset one, an empty flag a mistake", async () => {
  const world = await createWorld();
  await world.register("alice");
  const empty = {
    AIMESSAGE_USERNAME: "",
    AIMESSAGE_SERVER: "",
    AIMESSAGE_PASSPHRASE: "",
    AIMESSAGE_PASSPHRASE_FILE: "",
    AIMESSAGE_BACKUP_PASSPHRASE: "",
  };
  expect(await world.cli("whoami", { env: empty })).toMatchObject({ exit: 0, stderr: "" });
  const asked = await world.cli(["backup", join(world.home, "b")], { env: empty, stdin: "" });
  expect(asked.stderr).toContain("a passphrase is required");
  for (const flag of ["--home", "--username", "--server"])
    expect(await world.cli(["whoami", flag, ""])).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining(`${flag} is empty`),
    });
  expect(readdirSync(world.home)).toEqual(["alice"]);
});

test("an argument that is no UTF-8 is refused and sends nothing, while U+FFFD itself can be sent", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const send = ["send", "-u", "alice", "-t", "bob", "-m"];
  const refused = await shell(world, `exec "$@" "$(printf 'caf\\351')"`, send);
  expect(refused).toMatchObject({ exit: 2, stdout: "" });
  expect(refused.stderr).toMatch(/^Error: an argument is no UTF-8 text: .*\nHint: pipe a message as it is: /);
  expect((await world.cli("outbox list -u alice")).stdout).toBe("No messages.\n");
  expect(await shell(world, `exec "$@" "$(printf '\\357\\277\\275')"`, send)).toMatchObject({ exit: 0, stderr: "" });
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toContain("alice: \u{fffd}\n");
  await using agent = await Agent.open({ home: world.home, username: "alice" });
  await expect(agent.send("bob", "half \ud83d")).rejects.toMatchObject({ code: "usage" });
});

test("a folder whose name Node cannot tell gets no keys", async () => {
  const world = await createWorld();
  const garbled = `HOME=/tmp AIMESSAGE_HOME="$(printf '/tmp/caf\\351')" exec "$@"`;
  const named = await shell(world, garbled, ["register", "-u", "alice"]);
  expect(named).toMatchObject({ exit: 2, stderr: expect.stringContaining("AIMESSAGE_HOME is no UTF-8 text") });
  const inside = await shell(
    world,
    `t="$(mktemp -d)"; d="$t/$(printf 'caf\\351')"; mkdir "$d"; cd "$d"; "$@"; code=$?; cd /; rm -r "$t"; exit $code`,
    ["register", "-u", "alice", "--home", "agents"],
  );
  expect(inside).toMatchObject({ exit: 2, stderr: expect.stringContaining("the working folder's name is no UTF-8") });
});

test("an agent whose folder is a link is removed with its keys, and with nothing else", async () => {
  const world = await createWorld();
  await world.register("alice");
  const elsewhere = join(world.home, "..", "elsewhere");
  renameSync(join(world.home, "alice"), elsewhere);
  symlinkSync(elsewhere, join(world.home, "alice"));
  writeFileSync(join(elsewhere, "notes"), "mine");
  expect((await world.cli("unregister --yes")).exit).toBe(0);
  expect([readdirSync(world.home), readdirSync(elsewhere)]).toEqual([[], ["notes"]]);
});
