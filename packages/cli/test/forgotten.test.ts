// An agent whose relay does not know it any more: every command names the one way out, and it works.
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay } from "@aimessage/server";
import { expect, onTestFinished, test } from "vitest";
import { aimessage } from "./console.ts";

/** A home, and a relay that can lose everything and come back at the same address. */
async function world() {
  const home = await mkdtemp(join(tmpdir(), "aimessage forgotten "));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  let relay = await createRelay({ port: 0, store: "memory" });
  onTestFinished(() => relay[Symbol.asyncDispose]());
  const { url } = relay;
  const loseAll = async () => {
    await relay[Symbol.asyncDispose]();
    relay = await createRelay({ port: Number(new URL(url).port), store: "memory" });
  };
  const cli = (line: string, more: Record<string, string> = {}) =>
    aimessage(line.split(" "), { env: { AIMESSAGE_HOME: home, AIMESSAGE_SERVER: url, ...more } });
  return { home, url, cli, loseAll };
}

const WAY_OUT =
  /^Error: .*does not know alice any more\nHint: aimessage register -u alice -s \S+ registers it there again/m;

test("an account that its relay has lost is registered again with the same keys, and messages arrive as before", async () => {
  const { cli, loseAll } = await world();
  for (const name of ["alice", "bob"]) expect((await cli(`register -u ${name}`)).exit).toBe(0);
  const before = JSON.parse((await cli("whoami -u alice --json")).stdout) as { fingerprint: string };
  expect((await cli("send -u alice -t bob -m one")).exit).toBe(0);
  expect((await cli("listen -u bob --count 1 --timeout 20")).stdout).toContain("one");

  await loseAll();
  for (const line of ["send -u alice -t bob -m two", "users -u alice", "listen -u alice --timeout 20"]) {
    const refused = await cli(line);
    expect([line, refused.exit, refused.stdout]).toEqual([line, 5, ""]);
    expect(refused.stderr).toMatch(WAY_OUT);
  }
  for (const name of ["alice", "bob"]) {
    const again = await cli(`register -u ${name}`);
    expect(again.stderr).toBe("");
    expect(again.stdout).toContain(`${name} is registered again`);
  }
  const after = JSON.parse((await cli("whoami -u alice --json")).stdout) as { fingerprint: string };
  expect(after.fingerprint).toBe(before.fingerprint);
  expect((await cli("send -u alice -t bob -m three")).exit).toBe(0);
  // What could not be sent meanwhile has waited.
  expect((await cli("listen -u bob --count 2 --timeout 20")).stdout).toMatch(/two\n.*three\n/);
  const known = await cli("register -u alice");
  expect(known.exit).toBe(0);
  expect(known.stdout).toMatch(/^alice is registered already, at ws:.*: nothing was changed\.\n/);
  expect(known.stdout).toContain(before.fingerprint);
});

test("an account that was removed at its relay is registered again if its name is free, else told how it gets free", async () => {
  const { cli, home } = await world();
  const other = `${home} copy`;
  onTestFinished(() => rm(other, { recursive: true, force: true }));
  for (const how of ["--release", ""]) {
    expect((await cli("register -u alice --json")).stderr).toBe("");
    await cp(home, other, { recursive: true });
    expect((await cli(`unregister -u alice --yes ${how}`.trim(), { AIMESSAGE_HOME: other })).exit).toBe(0);
    expect((await cli("send -u alice -t bob -m hello")).stderr).toMatch(WAY_OUT);
    const again = await cli("register -u alice");
    if (how === "--release") {
      expect(again).toMatchObject({ exit: 0, stdout: expect.stringContaining("alice is registered again") as string });
      expect((await cli("unregister -u alice --yes --release")).exit).toBe(0);
    } else {
      expect(again.exit).toBe(5);
      expect(again.stderr).toMatch(
        /already exists\nHint: its name is reserved or another one's: .*--release.*aimessage -u alice unregister/,
      );
      expect((await cli("unregister -u alice --yes")).exit).toBe(0);
    }
  }
});
