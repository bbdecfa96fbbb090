/** Files that a model may name: what was checked is what is sent, and saved, whatever becomes of their paths meanwhile. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { createRelay } from "@aimessage/server";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { folderWithin, inspect } from "../src/node/bounds.ts";
import { Agent, FilesRoot } from "../src/node/index.ts";

/** A root, and a key beside it. */
function folders() {
  const folder = mkdtempSync(join(tmpdir(), "aimessage root "));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [root, home, key] = [join(folder, "root"), join(folder, "home"), join(folder, "keys", "id_ed25519")];
  for (const each of [root, home, join(folder, "keys")]) mkdirSync(each);
  writeFileSync(key, "SECRET");
  return { folder, root, home, key, bounds: { root, agents: home } };
}

/** Has another thread put two things into one place, in turns, until the test ends. */
function flipping(place: string, [one, other]: [string, string]): void {
  const code = `
    const { linkSync, renameSync, rmSync, symlinkSync } = require("node:fs");
    const [place, one, other] = ${JSON.stringify([place, one, other])};
    for (;;) for (const target of [one, other]) {
      try { symlinkSync(target, place + ".new"); renameSync(place + ".new", place); } catch {}
    }`;
  const worker = new Worker(code, { eval: true });
  onTestFinished(async () => void (await worker.terminate()));
}

/** Looks at a path that leads elsewhere in each moment. */
async function lookedAt(looks: number): Promise<void> {
  const { root, key, bounds } = folders();
  const fine = join(root, "fine.txt");
  writeFileSync(fine, "fine");
  const { found } = inspect(fine, bounds);
  flipping(join(root, "x"), [fine, key]);
  await eventually("it turns", () => readdirSync(root).includes("x"));
  const seen = new Set<string>();
  for (let count = 0; count < looks; count++)
    try {
      const looked = inspect(join(root, "x"), bounds);
      expect([looked.found.ino, looked.real]).toEqual([found.ino, fine]);
      seen.add("sent");
    } catch (error) {
      seen.add((error as { reason: string }).reason);
    }
  expect([...seen].filter((each) => !["sent", "outside", "missing"].includes(each))).toEqual([]);
  expect(seen.has("sent") && seen.has("outside")).toBe(true);
}

test("[A-19] a path that leads elsewhere in each moment is refused, or is the file that may be sent", () =>
  lookedAt(4_000));

test("[A-19] so it is at each of very many looks", { tags: ["long"] }, () => lookedAt(50_000));

test("[A-19] a folder that leads elsewhere in each moment has nothing saved in it that is elsewhere", async () => {
  const { root, folder, bounds } = folders();
  mkdirSync(join(root, "real"));
  flipping(join(root, "in"), [join(root, "real"), join(folder, "keys")]);
  await eventually("it turns", () => readdirSync(root).includes("in"));
  const seen = new Set<string>();
  for (let count = 0; count < 2_000; count++)
    try {
      seen.add(folderWithin("in/new", root, bounds.agents));
    } catch (error) {
      seen.add((error as { reason?: string; code: string }).reason ?? (error as { code: string }).code);
    }
  expect([...seen].filter((each) => each.includes("keys"))).toEqual([]);
  expect(seen.has(join(root, "real", "new"))).toBe(true);
});

test("a link that takes the place of a file before it has left ends the message, and nothing of where it leads has left", async () => {
  const { root, folder, home, key } = folders();
  const relay = { db: join(folder, "relay"), noLimits: true };
  const first = await createRelay({ ...relay, port: 0 });
  await using alice = await Agent.open({ home, username: "alice", server: first.url });
  await using bob = await Agent.open({ home, username: "bob", server: first.url });
  await (await alice.send(bob.username, "hello")).stored();
  await first[Symbol.asyncDispose]();
  const files = FilesRoot.of({ named: root, cwd: () => root });
  for (const name of ["replaced", "edited"]) writeFileSync(join(root, name), "fine");
  const sent = await alice.send("bob", "", { files: files.files(["replaced"]) });
  const edited = await alice.send("bob", "", { files: files.files(["edited"]) });
  renameSync(join(root, "replaced"), join(root, "was"));
  symlinkSync(key, join(root, "replaced"));
  writeFileSync(join(root, "edited"), "fine, too");
  await using _ = await createRelay({ ...relay, port: first.port });
  await expect(sent.stored()).rejects.toMatchObject({ code: "failed", reason: "file_changed" });
  await edited.stored();
  expect((await alice.status(edited.id))?.files ?? []).toMatchObject([{ bytes: 9, state: "up" }]);
});

test("a root is no folder in which the home folder is, and by default none that is hidden", () => {
  const { root } = folders();
  const of = (named: string | undefined, cwd = root) => FilesRoot.of({ named, cwd: () => cwd });
  for (const named of ["/", homedir(), join(homedir(), ".."), join(root, "none")])
    expect(() => of(named)).toThrow(/^files cannot be limited to /);
  const hidden = join(root, ".work");
  mkdirSync(hidden);
  writeFileSync(join(hidden, "x"), "");
  expect(of(hidden).files(["x"])).toEqual([{ path: join(hidden, "x"), root: hidden }]);
  for (const cwd of ["/", homedir(), hidden]) {
    expect(of(undefined, cwd).path).toBeUndefined();
    expect(() => of(undefined, cwd).files(["x"])).toThrow(/^no file is sent or saved: the working directory /);
    expect(() => of(undefined, cwd).folder()).toThrow("no file is sent or saved");
  }
  expect(of(undefined).folder("in")).toEqual({ folder: join(root, "in"), root });
});
