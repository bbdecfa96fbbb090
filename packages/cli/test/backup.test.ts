import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { beforeEach, expect, test } from "vitest";
import { cheapPassphrases } from "../../../test/passphrases.ts";
import { smallDisk } from "../../../test/small-disk.ts";
import { createWorld } from "./world.ts";

beforeEach(cheapPassphrases);

const SECRET = { AIMESSAGE_BACKUP_PASSPHRASE: "correct horse battery staple" };

test(
  "an agent is restored on another machine: mail comes there alone, what waited too, and contacts go on by themselves",
  { tags: ["long"] },
  async () => {
    const world = await createWorld();
    await world.register("alice", "bob");
    await world.cli("verify -u alice bob");
    const { fingerprint } = JSON.parse((await world.cli("whoami -u alice --json")).stdout) as { fingerprint: string };
    expect((await world.cli("send -u bob -t alice -m before")).exit).toBe(0);
    expect((await world.cli("listen -u alice --count 1 --timeout 20")).stdout).toContain("bob: before");
    const file = join(world.home, "alice.backup");
    const made = await world.cli(["backup", "-u", "alice", file], { env: SECRET });
    expect(made).toMatchObject({ exit: 0, stdout: `alice is backed up in ${file}.\n` });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await world.cli(["backup", "-u", "alice", file], { env: SECRET })).exit).toBe(2);

    // Waits for the device that is going to be replaced.
    const waits = JSON.parse((await world.cli("send -u bob -t alice -m waits --json")).stdout) as {
      message_id: string;
    };
    const elsewhere = { AIMESSAGE_HOME: join(world.home, "elsewhere") };
    const wrong = await world.cli(["restore", file], {
      env: { ...elsewhere, AIMESSAGE_BACKUP_PASSPHRASE: "wrong" },
    });
    expect(wrong.exit).toBe(1);
    expect(wrong.stderr).toContain("the passphrase is not the one of this backup");
    const restored = await world.cli(["restore", file, "--json"], { env: { ...SECRET, ...elsewhere } });
    expect(JSON.parse(restored.stdout)).toMatchObject({ username: "alice", fingerprint });
    const contacts = await world.cli("contacts list --json", { env: elsewhere });
    expect(JSON.parse(contacts.stdout)).toMatchObject({ contacts: [{ username: "bob" }] });

    expect((await world.cli("send -u bob -t alice -m after")).exit).toBe(0);
    const heard = await world.cli("listen --count 2 --timeout 30", { env: elsewhere });
    expect(heard.stdout.match(/bob: \w+/g)?.sort()).toEqual(["bob: after", "bob: waits"]);
    expect((await world.cli(`status -u bob ${waits.message_id}`)).stdout).toMatch(/Status: +handled/);
    // The old device stops, and has got nothing.
    const old = await world.cli("listen -u alice --timeout 2");
    expect(old).toMatchObject({ exit: 6, stdout: "" });
    expect(old.stderr).toContain("another device has taken this agent over");
    expect(await world.cli("doctor -u alice --timeout 5")).toMatchObject({ exit: 6 });
    const cannot = await world.cli("send -u alice -t bob -m never");
    expect(cannot.exit).toBe(6);
    expect(cannot.stderr).not.toContain("is sent as soon as possible");
    const bobs = await world.cli("contacts list -u bob --json");
    expect(bobs.stdout).not.toContain("stopped");
    expect(JSON.parse(bobs.stdout)).toMatchObject({ contacts: [{ username: "alice" }] });
    // A second time is refused where there is an agent already.
    expect((await world.cli(["restore", file], { env: { ...SECRET, ...elsewhere } })).stderr).toContain("already");
    // What is left of the old device can be removed, and that touches nobody else.
    const removed = await world.cli("unregister -u alice --yes");
    expect(removed.exit).toBe(0);
    expect(removed.stdout).toMatch(/^The folder of alice is deleted\. Its account at the relay is another device's/);
    expect((await world.cli("whoami -u alice")).exit).toBe(3);
    expect((await world.cli("send -t bob -m still", { env: elsewhere })).exit).toBe(0);
  },
);

test("a backup of an identity that the relay does not take any more leaves nothing behind", async () => {
  const world = await createWorld();
  await world.register("alice");
  const file = join(world.home, "alice.backup");
  expect((await world.cli(["backup", file], { env: SECRET })).exit).toBe(0);
  const there = await world.cli(["restore", file], { env: SECRET });
  expect(there.stderr).toMatch(/move its folder away; unregistering it would end the identity/);
  expect((await world.cli("unregister --yes")).exit).toBe(0);
  const reserved = await world.cli(["restore", file], { env: SECRET });
  expect(reserved).toMatchObject({
    exit: 5,
    stderr: expect.stringMatching(/Hint: .*user remove NAME --release/) as string,
  });
  expect((await world.cli("whoami")).stderr).toContain("no agent is registered");
});

test("a path that cannot be read or written is the user's to mend", async () => {
  const world = await createWorld();
  await world.register("alice");
  const nowhere = join(world.home, "nowhere", "x");
  for (const args of [
    ["restore", nowhere],
    ["restore", world.home],
    ["backup", nowhere],
    ["backup", world.home, "--force"],
    ["backup", join(world.home, "y"), "--passphrase-file", nowhere],
  ]) {
    const { exit, stderr } = await world.cli(args, { env: SECRET });
    expect(exit, args.join(" ")).toBe(2);
    expect(stderr).toMatch(/^Error: cannot (read|write) .*: (there is no such file or folder|it is a folder)\nHint: /);
  }
});

test("a backup holds neither secrets in the clear nor device keys, and damage is noticed", async () => {
  const world = await createWorld();
  await world.register("alice");
  await using agent = await Agent.open({ home: world.home, username: "alice" });
  const sealed = await agent.backup("passphrase");
  const head = JSON.parse(sealed) as Record<string, unknown>;
  expect(Object.keys(head)).toEqual(["aimessage_backup", "kdf", "sealed"]);
  expect(sealed).not.toContain("alice");
  const file = join(world.home, "damaged");
  for (const damaged of [sealed.slice(0, -20), sealed.replace(/.("\})/, "A$1"), "{}", ""]) {
    await writeFile(file, damaged);
    const { exit, stderr } = await world.cli(["restore", file], { env: { AIMESSAGE_BACKUP_PASSPHRASE: "passphrase" } });
    expect(exit).toBe(1);
    expect(stderr).toMatch(/backup/);
  }
  await writeFile(file, sealed);
  expect((await world.cli(["restore", file], { stdin: "" })).stderr).toContain("a passphrase is required");
  expect((await readFile(file, "utf8")).split("\n")).toHaveLength(2);
});

test("a backup for which there is no room leaves the one before as it was, and a first try nothing at all", async ({
  skip,
}) => {
  const world = await createWorld();
  await world.register("alice");
  using disk = smallDisk("256k") ?? skip("no right to mount a small disk");
  const file = join(disk.path, "alice.backup");
  expect((await world.cli(["backup", file], { env: SECRET })).exit).toBe(0);
  const good = await readFile(file, "utf8");
  disk.fill();
  const refused = await world.cli(["backup", file, "--force"], { env: SECRET });
  expect(refused).toMatchObject({ exit: 1, stdout: "" });
  expect(refused.stderr).toMatch(/^Error: no space left for .*\nHint: free some space.*\n$/);
  expect(await readFile(file, "utf8")).toBe(good);
  const first = join(disk.path, "first.backup");
  expect((await world.cli(["backup", first], { env: SECRET })).exit).toBe(1);
  expect((await readdir(disk.path)).sort()).toEqual(["alice.backup", "filler"]);
  disk.free();
  expect((await world.cli(["backup", first], { env: SECRET })).exit).toBe(0);
});

test.skipIf(!existsSync("/dev/zero"))("a file that never ends is no backup, and no passphrase", async () => {
  const world = await createWorld();
  for (const words of [["/dev/zero"], [join(world.home, "x"), "--passphrase-file", "/dev/zero"]]) {
    if (words.length > 1) await mkdir(world.home, { recursive: true }).then(() => writeFile(words[0]!, "{}"));
    const { exit, stderr } = await world.cli(["restore", ...words]);
    expect({ exit, stderr }).toEqual({
      exit: 2,
      stderr: "Error: cannot read /dev/zero: it is too large\nHint: check the path\n",
    });
  }
});
