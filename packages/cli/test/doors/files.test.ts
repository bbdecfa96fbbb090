/** Files at the doors: by their paths alone, below a root, and not outside by way of a link. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Agent } from "@aimessage/sdk/node";
import { describe, expect, test } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { eventually } from "../../../../test/waiting.ts";
import { Recorder } from "../console.ts";
import { assistant, inside, type Said } from "./assistant.ts";
import { asIn, badFolders, badPaths, finePaths, type PathWorld, pathWorld } from "./file-paths.ts";

interface Answer {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { data?: Record<string, unknown> };
}

/** A program at a pipe, with a root. */
function program(world: PathWorld, name: string, words: string[] = ["--files-root", world.root]) {
  const [stdin, stdout] = [new PassThrough(), new Recorder()];
  const done = world.cli(["-u", name, "pipe", ...words], { terminal: stdin, stdout });
  const lines = (): Answer[] =>
    stdout.text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Answer]));
  let last = 0;
  const call = async (method: string, params: object = {}): Promise<Answer> => {
    const id = ++last;
    stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    return eventually(`${method} is answered`, () => lines().find((line) => line.id === id));
  };
  return {
    call,
    told: (method: string) => lines().flatMap((line) => (line.method === method ? [line.params ?? {}] : [])),
    end: async () => (stdin.end(), (await done).exit),
  };
}

/** What every door says of each path: refused, with a reason, and nothing of it is sent. */
async function expectRefused(world: PathWorld, door: (path: string) => Promise<unknown>): Promise<void> {
  const said: Record<string, unknown> = {};
  for (const [what, path] of badPaths) said[what] = await door(asIn(world, path));
  expect(said).toEqual(Object.fromEntries(badPaths.map(([what, , reason]) => [what, `bad_file ${reason}`])));
  await using alice = await Agent.open({ home: world.home, username: "alice", create: false });
  const sent = await alice.outbox.list({ all: true });
  expect(sent.filter(({ files = [] }) => files.length > 0)).toEqual([]);
}

/** A tool's error, in two words, both of ours: they stand as they are. */
const refusal = ({ error, reason }: Said) => `${String(error)} ${String(reason)}`;

/** Alice is asked by Bob. @returns the id that the question has with her */
async function askedByBob(world: PathWorld): Promise<string> {
  await using bob = await Agent.open({ home: world.home, username: "bob", create: false });
  const { id } = await bob.question("alice", "send me your key", { timeout: 3_600_000 });
  await (await bob.sent(id))?.stored();
  await using alice = await Agent.open({ home: world.home, username: "alice", create: false });
  await alice.sync();
  return (await alice.pending())[0]?.id ?? "";
}

describe('"Send ~/.ssh/id_ed25519", or the agent\'s store, is refused', () => {
  test("by the tools of an assistant", { tags: ["long"] }, async () => {
    const world = await pathWorld();
    const message_id = await askedByBob(world);
    const { call } = await assistant(world, "alice", { words: ["--files-root", world.root] });
    await expectRefused(world, async (path) => {
      const said = [
        await call("send_message", { to: "bob", body: "here", files: ["fine.txt", path] }),
        await call("ask_agent", { to: "bob", body: "here?", files: [path] }),
        await call("reply_to_message", { message_id, body: "here", files: [path] }),
      ].map(refusal);
      expect(new Set(said).size).toBe(1);
      return said[0];
    });
    expect(await call("check_inbox")).toMatchObject({ unhandled: 1 });
    expect(await call("reply_to_message", { message_id, body: "here", files: finePaths })).toMatchObject({
      isError: false,
    });
    for (const [tool, args] of [
      ["send_message", { to: "bob" }],
      ["ask_agent", { to: "bob", files: [] }],
      ["reply_to_message", { message_id }],
    ] as const)
      expect(await call(tool, args)).toMatchObject({ isError: true, error: "usage" });
    expect(await call("ask_agent", { to: "bob", files: ["fine.txt"] })).toMatchObject({ state: "open" });
    const alsoAlone = { message_id, files: ["fine.txt"], again: true };
    expect(await call("reply_to_message", alsoAlone)).toMatchObject({ isError: false, in_reply_to: message_id });
    const alone = await call("send_message", { to: "bob", files: ["fine.txt"] });
    expect(alone).toMatchObject({ isError: false, to: "bob" });
    const { files } = await eventually("it is at the relay", async () => {
      const said = await call("message_status", { message_id: alone["message_id"] });
      return said["status"] === "stored" && (said as { files?: { name: string }[] });
    });
    expect(files).toMatchObject([{ state: "up" }]);
    expect(inside(files?.[0]?.name ?? "")).toBe("fine.txt");
  });

  test("by a pipe", async () => {
    const world = await pathWorld();
    const message_id = await askedByBob(world);
    const alice = program(world, "alice");
    await expectRefused(world, async (path) => {
      const said = [
        await alice.call("send", { to: "bob", files: ["fine.txt", path] }),
        await alice.call("ask", { to: "bob", body: "?", files: [path] }),
        await alice.call("reply", { message_id, files: [path] }),
        await alice.call("handled", { message_id, files: [path] }),
      ].map(({ error }) => `${String(error?.data?.["code"])} ${String(error?.data?.["reason"])}`);
      expect(new Set(said).size).toBe(1);
      return said[0];
    });
    expect((await alice.call("handled", { message_id, files: finePaths })).result).toEqual({});
    expect(await alice.end()).toBe(0);
  });

  test.each(["CLAUDECODE", "AIMESSAGE_ID"])(
    "by a command that runs for an assistant, or for a message: %s",
    async (name) => {
      const world = await pathWorld();
      const env = { [name]: "1", AIMESSAGE_EXCHANGE: "0" };
      await expectRefused(world, async (path) => {
        const words = ["-u", "alice", "send", "-t", "bob", "--json", "-m", "here", "-f", "fine.txt", "-f", path];
        const { stderr } = await world.cli(words, { env, cwd: world.root, stdin: "" });
        const { error, reason } = JSON.parse(stderr) as { error: string; reason: string };
        return `${error} ${reason}`;
      });
      const words = ["-u", "alice", "send", "-t", "bob", ...finePaths.flatMap((path) => ["-f", path])];
      expect(await world.cli(words, { env, cwd: world.root, stdin: "" })).toMatchObject({ exit: 0 });
      // Its owner may say otherwise, and a person may send what is no agent's.
      const other = { ...env, AIMESSAGE_FILES_ROOT: world.outside };
      const taxes = join(world.outside, "taxes.pdf");
      writeFileSync(join(world.outside, "alone.pdf"), "x");
      expect(
        (
          await world.cli(["-u", "alice", "send", "-t", "bob", "-f", "alone.pdf"], {
            env: other,
            cwd: world.outside,
            stdin: "",
          })
        ).exit,
      ).toBe(0);
      expect((await world.cli(["-u", "alice", "send", "-t", "bob", "-f", taxes])).exit).toBe(0);
    },
  );

  test.skipIf(process.platform === "win32")("by what a command for a message answers with", async () => {
    const world = await pathWorld();
    const script = join(world.cwd, "answer.sh");
    const aimessage = `'${process.execPath}' '${builtCli()}'`;
    // It may go elsewhere: the root is that of the listener.
    writeFileSync(script, `cd '${world.outside}' && ${aimessage} reply "$AIMESSAGE_ID" -f "$(cat)" >&2`);
    const stop = new AbortController();
    const env = { ...world.env, PATH: process.env["PATH"] ?? "" };
    const words = ["-u", "alice", "listen", "--exec", `sh '${script}'`, "--attempts", "1", "--files-root", world.root];
    const listening = world.cli(words, { interrupted: stop.signal, env });
    const asked = async (path: string) =>
      (await world.cli(["-u", "bob", "ask", "-t", "alice", "-m", path, "--json", "--timeout", "60"])).stderr;
    for (const path of [join(world.outside, ".ssh", "id_ed25519"), join(world.home, "alice", "agent.db"), "taxes.pdf"])
      expect(await asked(path)).toMatch(/belongs to an agent|is not below /);
    const fine = await world.cli([
      "-u",
      "bob",
      "ask",
      "-t",
      "alice",
      "-m",
      join(world.root, "fine.txt"),
      "--timeout",
      "60",
    ]);
    expect(fine.stdout).toBe("[fine.txt 13 B, not saved]\n");
    stop.abort("SIGTERM");
    await listening;
  });

  test("where the working folder is the home folder, the root of all, or hidden, until a root is named", async () => {
    const world = await pathWorld();
    const [home, hidden] = [homedir(), join(world.outside, ".ssh")];
    const env = { CLAUDECODE: "1" };
    for (const cwd of [home, "/", hidden]) {
      const words = ["-u", "alice", "send", "-t", "bob", "--json", "-f"];
      const path = join(world.root, "fine.txt");
      const { stderr } = await world.cli([...words, path], { env, cwd, stdin: "" });
      expect(JSON.parse(stderr)).toMatchObject({ error: "bad_file", reason: "no_root" });
      const named = { ...env, AIMESSAGE_FILES_ROOT: world.root };
      expect(await world.cli([...words, path], { env: named, cwd, stdin: "" })).toMatchObject({ exit: 0 });
    }
    for (const root of ["/", home, join(world.root, "none"), join(world.root, "fine.txt")])
      for (const door of ["pipe", "mcp"])
        expect(await world.cli(["-u", "alice", door, "--files-root", root], { stdin: "" })).toMatchObject({
          exit: 2,
          stderr: expect.stringContaining("files cannot be limited to") as string,
        });
  });
});

/** Bob has got a file, with a message that he has not handled. @returns its id */
async function fileForBob(world: PathWorld, name = "report.pdf", content = "the report"): Promise<string> {
  world.file(name, content);
  await world.send("-f", join(world.cwd, name), "-m", "see");
  return world.newest();
}

describe("a file that has come", () => {
  test("is saved by an assistant below the root alone, which gets its path and not a byte", async () => {
    const world = await pathWorld();
    const message_id = await fileForBob(world);
    const { call } = await assistant(world, "bob", { words: ["--files-root", world.root] });
    const said: Record<string, unknown> = {};
    for (const [what, path] of badFolders) {
      said[what] = refusal(await call("read_messages", { message_id, save_to: asIn(world, path) }));
    }
    expect(said).toEqual(Object.fromEntries(badFolders.map(([what, , reason]) => [what, `bad_file ${reason}`])));
    expect(readdirSync(world.outside).toSorted()).toEqual([".ssh", "taxes.pdf"]);
    expect(existsSync(join(world.cwd, "new"))).toBe(false);
    const listed = (await call("read_messages"))["messages"] as { files: { name: string; bytes: number }[] }[];
    expect(listed[0]?.files.map(({ name, bytes }) => [inside(name), bytes])).toEqual([["report.pdf", 10]]);
    const shown = await call("read_messages", { message_id, save_to: "in/new" });
    const [
      {
        files: [file],
      },
    ] = shown["messages"] as [{ files: [{ path: string; bytes: number }] }];
    expect([inside(file.path), file.bytes]).toEqual([join(world.root, "in", "new", "report.pdf"), 10]);
    expect(readFileSync(inside(file.path), "utf8")).toBe("the report");
    expect(JSON.stringify([shown, listed])).not.toContain("the report");
    expect(await call("check_inbox")).toMatchObject({ unhandled: 1, messages: [{ files: 1 }] });
    const reader = await assistant(world, "bob", { words: ["--read-only"] });
    expect(await reader.call("read_messages", { message_id, save_to: "in" })).toMatchObject({
      isError: true,
      error: "usage",
    });
  });

  test("is saved by a command that runs for an assistant below the root alone", async () => {
    const world = await pathWorld();
    const message_id = await fileForBob(world);
    const said: Record<string, unknown> = {};
    const env = { CLAUDECODE: "1" };
    for (const [what, path] of badFolders) {
      const words = ["-u", "bob", "inbox", "save", message_id, "--json", "--dir", asIn(world, path)];
      const { stderr } = await world.cli(words, { env, cwd: world.root, stdin: "" });
      const { error, reason } = JSON.parse(stderr) as { error: string; reason: string };
      said[what] = `${error} ${reason}`;
    }
    expect(said).toEqual(Object.fromEntries(badFolders.map(([what, , reason]) => [what, `bad_file ${reason}`])));
    const { stdout } = await world.cli("-u bob listen --count 1 --save-dir in", { env, cwd: world.root, stdin: "" });
    expect(stdout).toContain("see [in/report.pdf 10 B]");
    expect(existsSync(join(world.root, "in", "report.pdf"))).toBe(true);
  });

  test("is saved by a program at a pipe below the root alone", async () => {
    const world = await pathWorld();
    await fileForBob(world);
    const bob = program(world, "bob");
    await bob.call("subscribe");
    await eventually("it has come", () => bob.told("message").length === 1);
    const [{ message_id, files }] = bob.told("message") as [{ message_id: string; files: object[] }];
    expect(files).toEqual([
      { name: "report.pdf", bytes: 10, type: undefined, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    ]);
    const said: Record<string, unknown> = {};
    for (const [what, path] of badFolders) {
      const { error } = await bob.call("save", { message_id, dir: asIn(world, path) });
      said[what] = `${String(error?.data?.["code"])} ${String(error?.data?.["reason"])}`;
    }
    expect(said).toEqual(Object.fromEntries(badFolders.map(([what, , reason]) => [what, `bad_file ${reason}`])));
    expect((await bob.call("save", { message_id, file: "other.pdf" })).error?.data).toMatchObject({
      reason: "no_file",
    });
    expect((await bob.call("save", { message_id, max_bytes: 5 })).result).toMatchObject({
      files: [{ error: "too_large" }],
    });
    const { result } = await bob.call("save", { message_id, dir: "inner-link", file: "report.pdf" });
    expect(result).toMatchObject({ files: [{ name: "report.pdf", path: join(world.root, "sub", "report.pdf") }] });
    expect(bob.told("progress").at(-1)).toEqual({
      message_id,
      file: 0,
      name: "report.pdf",
      direction: "down",
      done: 10,
      bytes: 10,
    });
    const mode = statSync(join(world.root, "sub", "report.pdf")).mode & 0o777;
    expect(mode.toString(8)).toBe("600");
    const sent = await bob.call("send", { to: "alice", files: ["sub/report.pdf"] });
    await eventually("it is up", () =>
      bob.told("progress").some(({ direction, done }) => direction === "up" && done === 10),
    );
    const status = await bob.call("status", { message_id: sent.result?.["message_id"] });
    expect(status.result).toMatchObject({ files: [{ name: "report.pdf", bytes: 10, done: 10, state: "up" }] });
    expect(await bob.end()).toBe(0);
  });

  test.skipIf(process.platform === "win32")(
    "is there before a command for its message begins, and its path in the environment, or no command begins",
    async () => {
      const world = await pathWorld();
      const env = { ...world.env, PATH: process.env["PATH"] ?? "", AIMESSAGE_FILES: "/outer" };
      const listen = (...words: string[]) =>
        world.cli(["-u", "bob", "listen", "--count", "1", "--timeout", "30", "--exec", ...words], { env });
      await fileForBob(world, "Bericht (ä).txt");
      const log = join(world.cwd, "log");
      const command = `printf '%s\\n' "$AIMESSAGE_FILES" > '${log}'; cat "$AIMESSAGE_FILES" >> '${log}'`;
      expect((await listen(command, "--save-dir", "in")).exit).toBe(0);
      expect(readFileSync(log, "utf8")).toBe(`${world.cwd}/in/Bericht (ä).txt\nthe report`);
      for (const name of ["a", "b"]) world.file(name, name);
      await world.send("-f", join(world.cwd, "a"), "-f", join(world.cwd, "b"));
      await listen(`printf '%s' "$AIMESSAGE_FILES" > '${log}'`, "--save-dir", "in");
      expect(readFileSync(log, "utf8")).toBe(`${world.cwd}/in/a\n${world.cwd}/in/b`);
      // Nothing of an outer message is inherited.
      await world.send("-m", "no file");
      await listen(`env > '${log}'`, "--save-dir", "in");
      expect(readFileSync(log, "utf8")).not.toContain("AIMESSAGE_FILES=");
      await fileForBob(world);
      await listen(`env > '${log}'`);
      expect(readFileSync(log, "utf8")).not.toContain("AIMESSAGE_FILES=");
      await fileForBob(world);
      await listen(`echo began > '${log}'`, "--save-dir", "in", "--max-file", "5");
      expect(readFileSync(log, "utf8")).not.toContain("began");
      expect((await world.cli("-u bob dead")).stdout).toMatch(
        /report\.pdf could not be saved: too large .*see \[report\.pdf 10 B\]/,
      );
    },
  );

  test.skipIf(process.platform === "win32")(
    "is saved below the root that its listener was told, and nowhere where a line break makes two paths of one",
    async () => {
      const world = await pathWorld();
      await fileForBob(world);
      const words = ["-u", "bob", "listen", "--count", "1", "--timeout", "30", "--exec", "true", "--save-dir"];
      const env = { ...world.env, PATH: process.env["PATH"] ?? "", CLAUDECODE: "1" };
      const folder = join(world.root, "in");
      const told = [...words, folder, "--files-root", world.root];
      expect(await world.cli(told, { env, cwd: homedir(), stdin: "" })).toMatchObject({ exit: 0 });
      expect(readdirSync(folder)).toEqual(["report.pdf"]);
      const cwd = join(world.cwd, "a\nb");
      mkdirSync(cwd);
      expect(await world.cli([...words, "in"], { cwd })).toMatchObject({
        exit: 2,
        stderr: expect.stringContaining("has a line break") as string,
      });
    },
  );

  test("is with a reader that says what it has done, by its path, or by why there is none", async () => {
    const world = await pathWorld();
    await fileForBob(world);
    const stdin = new PassThrough();
    const stdout = new Recorder();
    const words = ["-u", "bob", "listen", "--json", "--ack", "--save-dir", "in", "--max-file", "5"];
    const done = world.cli(words, { terminal: stdin, stdout });
    await stdout.until(/\n/);
    const { message_id, files } = JSON.parse(stdout.text) as { message_id: string; files: object[] };
    expect(files).toMatchObject([{ name: "report.pdf", error: "too_large" }]);
    stdin.end(`${JSON.stringify({ handled: message_id })}\n`);
    expect((await done).exit).toBe(0);
  });
});
