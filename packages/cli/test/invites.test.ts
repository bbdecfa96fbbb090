import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { openMemoryStore, type RelayStore } from "@aimessage/server";
import { expect, test } from "vitest";
import { hashed } from "../../server/src/admin/invites.ts";
import { Recorder } from "./console.ts";
import { createWorld, type World } from "./world.ts";

/** A relay that registers by invite, and one for two names. */
async function invitingWorld(): Promise<World & { invite: string; file: string }> {
  let store: RelayStore | undefined;
  const world = await createWorld({
    registration: "invite",
    store: (options) => (store = openMemoryStore(options)),
  });
  const invite = randomBytes(16).toString("hex");
  const kept = hashed(invite, { uses: 2, expiresAt: Date.now() + 60_000 });
  await store?.administer({ who: "test", what: "invite", target: "i", release: false, invite: kept });
  const file = `${world.home} invite.txt`;
  writeFileSync(file, `${invite}\n`);
  return { ...world, invite, file };
}

test("without an invite register says how one is given, and makes no agent", async () => {
  const world = await invitingWorld();
  const { exit, stderr } = await world.cli("register -u alice");
  expect(exit).toBe(5);
  expect(stderr).toMatch(
    /^Error: the relay refused: This relay registers new names by invite\nHint: ask .* aimessage register -u alice -s .* --invite\n$/,
  );
  expect(JSON.parse((await world.cli("register -u alice --json")).stderr)).toMatchObject({ reason: "invite_required" });
  expect((await world.cli("whoami")).exit).toBe(3);
});

test("an invite is read from a file, from stdin, or at the terminal, where it is not shown", async () => {
  const world = await invitingWorld();
  expect(await world.cli(["register", "-u", "alice", "--invite", `@${world.file}`])).toMatchObject({ exit: 0 });
  const typed = Object.assign(new PassThrough(), { isTTY: true });
  const stderr = Object.assign(new Recorder(), { isTTY: true });
  const done = world.cli("register -u bob --invite", { terminal: typed, stderr });
  await stderr.until(/The relay's invite: /);
  typed.write(`${world.invite}\r`);
  expect((await done).exit).toBe(0);
  expect(stderr.text).not.toContain(world.invite);
  const used = await world.cli("register -u carol --invite -", { stdin: `${world.invite}\n` });
  expect(used).toMatchObject({ exit: 5, stderr: expect.stringContaining("This invite is not good") });
  const stores = readdirSync(world.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of stores)
    expect(readFileSync(join(parentPath, name)).includes(world.invite), name).toBe(false);
});

test.each([
  [["--invite", "ABCDEF"], undefined, "--invite: a secret on the command line can be read by others"],
  [["--invite", "-"], "", "--invite: nothing was given"],
  [["--invite", "-"], "a b", "the invite given is not one"],
  [["--invite", "-"], "A".repeat(129), "the invite given is not one"],
  // No line of a pairing could carry it.
  [["--invite", "-"], "A.B", "the invite given is not one"],
  [["--invite", "-"], "A".repeat(5000), "--invite: that is too long"],
  [["--invite", "@nowhere.txt"], undefined, "there is no such file"],
])("register %j is wrong usage, and makes no agent", async (flags, stdin, message) => {
  const world = await createWorld();
  const options = stdin === undefined ? {} : { stdin };
  const { exit, stderr } = await world.cli(["register", "-u", "alice", ...flags], options);
  expect({ exit, stderr }).toEqual({ exit: 2, stderr: expect.stringContaining(message) });
  expect(stderr).not.toContain("ABCDEF");
  expect((await world.cli("whoami")).exit).toBe(3);
});

test("a backup of an agent that an inviting relay has lost is restored by an invite", { tags: ["long"] }, async () => {
  const old = await createWorld();
  await old.register("alice");
  const file = join(old.home, "alice.backup");
  const env = { AIMESSAGE_BACKUP_PASSPHRASE: "correct horse" };
  await old.cli(["backup", file], { env });
  const world = await invitingWorld();
  const there = { env: { ...env, AIMESSAGE_SERVER: world.server } };
  expect(await world.cli(["restore", file], there)).toMatchObject({
    exit: 5,
    stderr: expect.stringContaining("by invite"),
  });
  expect(await world.cli(["restore", file, "--invite", `@${world.file}`], there)).toMatchObject({ exit: 0 });
});
