/** Files that come: shown, saved, or not. */
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Agent, AgentError, type ErrorCode } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { answers } from "../../src/saving.ts";
import { Recorder } from "../console.ts";
import { fileWorld, relayFolder, sha256 } from "./world.ts";

const LISTEN = "-u bob listen --count 1 --timeout 30";

test("files are saved before their message is shown, with their paths in the line", async () => {
  const world = await fileWorld();
  const path = world.file("report.pdf", 1_200_000);
  await world.send("-f", "report.pdf", "-m", "numbers");
  const { stdout, exit } = await world.cli(`${LISTEN} --save-dir in --quiet`);
  expect(exit).toBe(0);
  expect(stdout).toMatch(/^\[OFFLINE [\d:]+\] alice: numbers \[in\/report\.pdf 1\.1 MiB\]\n$/);
  expect(readFileSync(join(world.cwd, "in", "report.pdf"))).toEqual(readFileSync(path));
  world.file("a", "x");
  await world.send("-f", "a", "-f", "report.pdf");
  const json = await world.cli(`${LISTEN} --save-dir in --json`);
  expect(JSON.parse(json.stdout)).toMatchObject({
    body: "",
    files: [
      { name: "a", bytes: 1, sha256: sha256(join(world.cwd, "a")), path: join(world.cwd, "in", "a") },
      { name: "report.pdf", bytes: 1_200_000, path: join(world.cwd, "in", "report (2).pdf") },
    ],
  });
  await world.send("-f", "a", "-f", "report.pdf");
  expect((await world.cli(`${LISTEN} --save-dir in`)).stdout).toMatch(
    /alice: \[in\/a \(2\) 1 B\] \[in\/report \(3\)\.pdf 1\.1 MiB\]\n$/,
  );
});

test("without a folder nothing is fetched, and inbox save fetches it later: a path a line, and nothing is settled", async () => {
  const world = await fileWorld();
  for (const name of ["one.txt", "two.txt"]) world.file(name, name);
  await world.send("-f", "one.txt", "-f", "two.txt", "-m", "both");
  const { stdout, stderr } = await world.cli(LISTEN);
  expect(stdout).toMatch(/alice: both \[one\.txt 7 B, not saved\] \[two\.txt 7 B, not saved\]\n$/);
  const [, id = ""] = /alice has sent 2 files: aimessage -u bob inbox save (\w{8})\n/.exec(stderr) ?? [];
  expect((await world.cli("-u bob inbox")).stdout).toMatch(/handled .* both \[2 files, 14 B\]\n/);
  const saved = await world.cli(["-u", "bob", "inbox", "save", id]);
  expect(saved).toMatchObject({ exit: 0, stderr: "", stdout: `${world.cwd}/one (2).txt\n${world.cwd}/two (2).txt\n` });
  const again = await world.cli(["-u", "bob", "inbox", "save", id, "--file", "two.txt", "--json"]);
  expect(JSON.parse(again.stdout)).toEqual({
    name: "two.txt",
    bytes: 7,
    sha256: sha256(join(world.cwd, "two.txt")),
    path: join(world.cwd, "two (2).txt"),
    state: "saved",
  });
  expect(await world.cli(["-u", "bob", "inbox", "save", id, "--file", "three"])).toMatchObject({
    exit: 2,
    stderr: "Error: the message has no file three\nHint: it has one.txt, two.txt\n",
  });
  await world.send("-f", "one.txt");
  const next = await world.newest();
  await world.cli(["-u", "bob", "inbox", "save", next, "--dir", "in"]);
  expect((await world.cli("-u bob inbox")).stdout).toMatch(/unhandled .* \[one\.txt 7 B\]\n/);
});

test("what is larger than is taken is told, its message stays unhandled, and the listener goes on", async () => {
  const world = await fileWorld();
  world.file("large", 5_000);
  await world.send("-f", "large", "-m", "first");
  await world.send("-m", "second");
  const said = await world.cli("-u bob listen --count 2 --timeout 30 --save-dir in --max-file 4KB");
  expect(said.stdout).toMatch(/: first \[large 4\.9 KiB, not saved: too large\]\n.*: second\n$/);
  expect(said.stderr).toMatch(
    /Warning: large has 5000 bytes, .*, and the message of alice stays unhandled; to try again: aimessage -u bob inbox save \w{8} --dir in --max-file 5000\n/,
  );
  expect(readdirSync(join(world.cwd, "in"))).toEqual([]);
  const once = await world.cli("-u bob listen --once --json --save-dir in --max-file 4KB");
  expect([once.exit, once.stdout.split("\n").at(-2)]).toEqual([1, '{"count":1}']);
  // It is shown again, until its files are there.
  const { stdout } = await world.cli(`${LISTEN} --save-dir in --json --max-file 4KiB`);
  const { message_id, files } = JSON.parse(stdout) as { message_id: string; files: object[] };
  expect(files).toMatchObject([{ name: "large", error: "too_large" }]);
  expect(await world.cli(["-u", "bob", "inbox", "save", message_id, "--max-file", "1KB", "--json"])).toMatchObject({
    exit: 1,
    stdout: expect.stringContaining('"state":"failed"') as string,
    stderr: expect.stringContaining('"reason":"too_large"') as string,
  });
  expect((await world.cli(`${LISTEN} --save-dir in`)).stdout).toContain("first [in/large 4.9 KiB]");
  expect((await world.cli("-u bob inbox")).stdout).not.toContain("unhandled");
});

test("a file that was saved elsewhere before is copied, and told where it is", async () => {
  const world = await fileWorld();
  world.file("large", 5_000);
  await world.send("-f", "large");
  await world.cli(["-u", "bob", "inbox", "save", await world.newest(), "--dir", "else where"]);
  writeFileSync(join(world.cwd, "large"), "another");
  expect((await world.cli(`${LISTEN} --save-dir .`)).stdout).toContain("[large (2) 4.9 KiB]");
  expect(readFileSync(join(world.cwd, "large (2)")).length).toBe(5_000);
});

test("what is damaged is told, and comes when its sender has sent it again", async () => {
  const folder = relayFolder();
  const world = await fileWorld({ store: "sqlite", db: folder });
  world.file("numbers", 100_000);
  const sent = await world.send("-f", "numbers");
  const [blob = ""] = globSync("blobs/*/*", { cwd: folder });
  const bytes = readFileSync(join(folder, blob));
  bytes[50_000]! ^= 1;
  writeFileSync(join(folder, blob), bytes);
  const { stdout, stderr, exit } = await world.cli(`${LISTEN} --save-dir in`);
  expect({ exit, stdout }).toEqual({
    exit: 0,
    stdout: expect.stringContaining("[numbers 98 KiB, not saved: file damaged]") as string,
  });
  const [, id = ""] = /inbox save (\w{8}) --dir in\n/.exec(stderr) ?? [];
  {
    await using alice = await Agent.open({ home: world.home, username: "alice", create: false });
    await alice.sync();
    await eventually("it is sent again", async () => {
      const isAnother = globSync("blobs/*/*", { cwd: folder }).some((name) => name !== blob);
      return isAnother && ((await alice.status(sent))?.files ?? []).every(({ state }) => state === "up");
    });
  }
  expect(await world.cli(["-u", "bob", "inbox", "save", id, "--dir", "in"])).toMatchObject({ exit: 0, stderr: "" });
  expect(sha256(join(world.cwd, "in", "numbers"))).toBe(sha256(join(world.cwd, "numbers")));
  expect((await world.cli("-u bob inbox")).stdout).toContain("unhandled");
});

test("what has expired is told, and is no end of the listener", async () => {
  const folder = relayFolder();
  const world = await fileWorld({ store: "sqlite", db: folder });
  world.file("numbers", 1_000);
  await world.send("-f", "numbers");
  await world.send("-m", "goes on");
  {
    using relay = new DatabaseSync(join(folder, "relay.db"));
    relay.exec("DELETE FROM blobs");
  }
  const { stdout } = await world.cli("-u bob listen --count 2 --timeout 30 --save-dir in");
  expect(stdout).toMatch(/\[numbers 1000 B, not saved: file expired\]\n.*: goes on\n$/);
});

test("a folder that cannot be written is told, and so is one that is none", async () => {
  const world = await fileWorld();
  writeFileSync(join(world.cwd, "file"), "");
  expect(await world.cli(`${LISTEN} --save-dir file`)).toMatchObject({
    exit: 2,
    stderr: expect.stringMatching(/^Error: cannot write file: something is in its place\n/) as string,
  });
  world.file("a", "x");
  await world.send("-f", "a");
  const id = await world.newest();
  expect(await world.cli(["-u", "bob", "inbox", "save", id, "--dir", "file/below"])).toMatchObject({
    exit: 1,
    stderr: expect.stringContaining("cannot be written to") as string,
  });
});

test("who listens is told how far a file is, and what is stopped goes on", async () => {
  const world = await fileWorld({ store: "sqlite", db: relayFolder() });
  world.file("large.bin", 160_000_000);
  await world.send("-f", "large.bin");
  const stderr = Object.assign(new Recorder(), { isTTY: true, columns: 80 });
  const stop = new AbortController();
  const listening = world.cli("-u bob listen --save-dir in", { stderr, interrupted: stop.signal });
  await stderr.until(/large\.bin +\[#+ *\] +\d+ %/);
  stop.abort("SIGINT");
  expect((await listening).stdout).toBe("");
  expect(stderr.text).toMatch(
    /What was fetched of its files stays, and the next listen goes on; or: aimessage -u bob inbox save \w{8} --dir in$/m,
  );
  expect(readdirSync(join(world.cwd, "in"))).toEqual([expect.stringMatching(/^\.large\.bin\.part-/)]);
  const [, id = ""] = /inbox save (\w{8})/.exec(stderr.text) ?? [];
  const [again, stopAgain] = [new Recorder(), new AbortController()];
  const words = ["-u", "bob", "inbox", "save", id, "--dir", "in", "--max-file", "1GB"];
  const saving = world.cli(words, { stderr: again, interrupted: stopAgain.signal });
  await again.until(/^large\.bin goes on at \d+ %$/m);
  stopAgain.abort("SIGINT");
  expect((await saving).exit).toBe(130);
  expect(again.text).toMatch(
    /Error: interrupted; what was fetched stays\nHint: it goes on with: aimessage -u bob inbox save \w{8} --dir in --max-file 1000000000\n$/,
  );
  const { stdout, stderr: said } = await world.cli(`${LISTEN} --save-dir in`);
  expect(said).toMatch(/^large\.bin goes on at \d+ %$/m);
  expect(stdout).toContain("[in/large.bin 153 MiB]");
  expect(readdirSync(join(world.cwd, "in"))).toEqual(["large.bin"]);
});

test("who decides about a stranger sees what it has sent, and of a dead letter, too", async () => {
  const world = await fileWorld();
  await world.cli("-u bob requests policy contacts --yes");
  world.file("invoice.exe", "x");
  await world.send("-f", "invoice.exe", "-m", "pay");
  await eventually("it waits", async () => {
    await world.cli("-u bob listen --once");
    return (await world.cli("-u bob requests")).stdout.includes("alice");
  });
  expect((await world.cli("-u bob requests show alice")).stdout).toMatch(/alice: pay \[invoice\.exe 1 B\]\n$/);
  expect(existsSync(join(world.cwd, "in"))).toBe(false);
});

test("an answer that has a file says how to get it", async () => {
  const world = await fileWorld();
  world.file("answer.txt", "42");
  const asked = world.cli("-u alice ask -t bob -m what?");
  await world.cli(["-u", "bob", "reply", await world.newest(), "-f", "answer.txt"]);
  const { stdout, stderr } = await asked;
  expect(stdout).toBe("[answer.txt 2 B, not saved]\n");
  const [, id = ""] = /inbox save (\w{8})/.exec(stderr) ?? [];
  rmSync(join(world.cwd, "answer.txt"));
  expect((await world.cli(["-u", "alice", "inbox", "save", id])).stdout).toBe(`${world.cwd}/answer.txt\n`);
});

test("its sender hears that a file was fetched", async () => {
  const world = await fileWorld();
  world.file("a", "x");
  const id = await world.send("-f", "a");
  mkdirSync(join(world.cwd, "in"));
  await world.cli(["-u", "bob", "inbox", "save", await world.newest(), "--dir", "in"]);
  await using alice = await Agent.open({ home: world.home, username: "alice", create: false });
  await eventually("it is fetched", async () => {
    await alice.sync();
    return ((await alice.status(id))?.files ?? []).every(({ state }) => state === "fetched");
  });
  expect((await world.cli(["-u", "alice", "status", id])).stdout).toMatch(/^Files: +a 1 B, fetched$/m);
});

const failing = (code: ErrorCode) => async () => Promise.reject(new AgentError(code, "no"));
const nobody = async () => [];

test("a relay that is asked by another process answers before an attempt is used up, and what ends the link ends the wait", async () => {
  const { signal } = new AbortController();
  const other = { sync: async () => undefined, linkHolder: async () => ({ pid: 1, role: "listen", stopped: false }) };
  expect(await answers({ ...other, users: failing("relay_unreachable") }, signal)).toBe(false);
  expect(await answers({ ...other, users: failing("timeout") }, signal)).toBe(false);
  expect(await answers({ ...other, users: failing("refused") }, signal)).toBe(true);
  expect(await answers({ ...other, users: nobody }, signal)).toBe(true);
  expect(await answers({ ...other, users: nobody, sync: failing("refused") }, signal)).toBe(false);
  await expect(answers({ ...other, users: nobody, sync: failing("device_replaced") }, signal)).rejects.toThrow("no");
});
