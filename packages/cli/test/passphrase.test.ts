/** Which passphrases seal a store or a backup, and how one is made. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { beforeEach, expect, test } from "vitest";
import { cheapPassphrases } from "../../../test/passphrases.ts";
import { eventually } from "../../../test/waiting.ts";
import { createWorld } from "./world.ts";

beforeEach(cheapPassphrases);

const MADE = /^[a-z2-7]{4}(-[a-z2-7]{4}){5}\n$/;

test("a passphrase that is empty, short or no UTF-8 makes no backup, and the way to a good one is named", async () => {
  const world = await createWorld();
  await world.register("alice");
  const [file, target] = [join(world.home, "secret.txt"), join(world.home, "alice.backup")];
  for (const content of ["", "\n", "abc", "       \n", Buffer.from("p\xe4sswort lang", "latin1")]) {
    writeFileSync(file, content);
    const { exit, stderr } = await world.cli(["backup", target, "--passphrase-file", file]);
    expect({ exit, stderr }).toEqual({ exit: 2, stderr: expect.stringMatching(/^Error: .*\nHint: .*--generate FILE/) });
  }
  const { exit } = await world.cli(["backup", target], { env: { AIMESSAGE_BACKUP_PASSPHRASE: "abc" } });
  expect(exit).toBe(2);
  expect(existsSync(target)).toBe(false);
});

test("seal --generate makes a passphrase, leaves it in a file for this user alone, and seals with it", async () => {
  const world = await createWorld();
  await world.register("alice");
  const file = join(world.home, "secret.txt");
  const sealed = await world.cli(["seal", "--generate", file]);
  expect(sealed).toEqual({
    exit: 0,
    stdout: `The store of alice is sealed. Every command needs its passphrase now:\nexport AIMESSAGE_PASSPHRASE_FILE='${file}'\n`,
    stderr: "",
  });
  expect((statSync(file).mode & 0o777).toString(8)).toBe("600");
  const made = readFileSync(file, "utf8");
  expect(made).toMatch(MADE);
  await using agent = await Agent.open({ home: world.home, username: "alice", passphrase: made.trim(), create: false });
  expect(agent.username).toBe("alice");
  // It is sealed: nothing is made, and nothing lost.
  const other = join(world.home, "other.txt");
  expect((await world.cli(["seal", "--generate", other])).stderr).toContain("is sealed with a passphrase");
  expect([existsSync(other), readFileSync(file, "utf8")]).toEqual([false, made]);
});

test("a passphrase that was made for a store that could not be sealed does not stay, and never takes a file's place", async () => {
  const world = await createWorld();
  await world.register("alice");
  const file = join(world.home, "secret.txt");
  const stop = new AbortController();
  const listening = world.cli("listen", { interrupted: stop.signal });
  await eventually("it holds the link", async () => (await world.cli("doctor --json")).stdout.includes("(listen)"));
  expect((await world.cli(["seal", "--generate", file])).stderr).toContain("another process uses this agent");
  expect(existsSync(file)).toBe(false);
  stop.abort();
  await listening;
  writeFileSync(file, "mine");
  expect((await world.cli(["seal", "--generate", file])).exit).toBe(2);
  expect(readFileSync(file, "utf8")).toBe("mine");
});

test("backup --generate makes a passphrase that restores it, and leaves none for a backup that was not made", async () => {
  const world = await createWorld();
  await world.register("alice");
  const [file, secret, other] = ["alice.backup", "secret.txt", "other.txt"].map((name) => join(world.home, name)) as [
    string,
    string,
    string,
  ];
  const made = await world.cli(["backup", file, "--generate", secret, "--json"]);
  expect(JSON.parse(made.stdout)).toEqual({ username: "alice", file, passphrase_file: secret });
  expect(readFileSync(secret, "utf8")).toMatch(MADE);
  const elsewhere = { AIMESSAGE_HOME: join(world.home, "elsewhere") };
  const restored = await world.cli(["restore", file, "--passphrase-file", secret], { env: elsewhere });
  expect(restored.exit).toBe(0);
  expect((await world.cli(["backup", file, "--generate", other])).exit).toBe(2);
  expect((await world.cli(["backup", "--force", file, "--generate", file])).exit).toBe(2);
  expect((await world.cli(["backup", file, "--generate", other, "--passphrase-file", secret])).exit).toBe(2);
  expect(existsSync(other)).toBe(false);
});
