/** Files that a person sends. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Agent, AgentError, type MessageStatus } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { eventually } from "../../../../test/waiting.ts";
import { AskError, explain, SendError } from "../../src/errors.ts";
import { Recorder } from "../console.ts";
import { fileWorld, relayFolder } from "./world.ts";

/** What Bob gets: the next message, with its files in a folder. */
async function received(home: string, folder: string) {
  await using bob = await Agent.open({ home, username: "bob", create: false });
  for await (const message of bob.messages()) {
    const paths: string[] = [];
    for (const file of message.files) paths.push(await file.save(folder));
    await message.handled();
    return { body: message.body, paths };
  }
  throw new Error("nothing came");
}

test("files go with a message, or alone, and come equal", async () => {
  const world = await fileWorld();
  const [report, data] = [world.file("report.pdf", 2_500_000), world.file("data.csv", "a,b\n")];
  const sent = await world.cli("-u alice send -t bob -f report.pdf -f data.csv -m numbers");
  expect(sent).toMatchObject({
    exit: 0,
    stdout: expect.stringMatching(/^Message sent to bob \(stored for offline delivery\)\n/) as string,
  });
  expect(sent.stderr.split("\n").toSorted()).toEqual(["", "data.csv 4 B sent", "report.pdf 2.4 MiB sent"]);
  const first = await received(world.home, `${world.cwd}/in`);
  expect(first.body).toBe("numbers");
  expect(first.paths.map((path) => readFileSync(path))).toEqual([readFileSync(report), readFileSync(data)]);
  // Without a text stdin is not read: it may be somebody else's.
  expect(await world.cli("-u alice send -t bob -f data.csv --quiet", { stdin: "not this" })).toMatchObject({
    exit: 0,
    stderr: "",
  });
  expect(await received(world.home, `${world.cwd}/in`)).toEqual({ body: "", paths: [`${world.cwd}/in/data (2).csv`] });
});

test.skipIf(process.platform === "win32")("what a pipe or a file holds is not left out without a word", async () => {
  const world = await fileWorld();
  world.file("data.csv", "a,b\n");
  const said = async (rest: string) => {
    const command = `printf text | '${process.execPath}' '${builtCli()}' -u alice send -t bob -f data.csv ${rest}`;
    return (await promisify(execFile)("sh", ["-c", command], { cwd: world.cwd, env: world.env })).stderr;
  };
  expect(await said("")).toMatch(/^Only the files are sent: what stdin holds goes with them by -m -\.$/m);
  expect(await said("< data.csv")).toMatch(/^Only the files are sent/m);
  for (const rest of ["-m -", "-m text", "< /dev/null"]) expect(await said(rest)).toBe("data.csv 4 B sent\n");
  const { stdout } = await world.cli("-u bob listen --json --count 5 --timeout 30");
  const bodies = stdout.match(/"body":"\w*"/g);
  expect(bodies).toEqual(["", "", "text", "text", ""].map((body) => `"body":"${body}"`));
});

test("a text that shall be JSON is checked, unless there is none beside files", async () => {
  const world = await fileWorld();
  world.file("data.csv", "a,b\n");
  const send = async (stdin: string, ...words: string[]) => {
    const line = ["-u", "alice", "send", "-t", "bob", "--content-type", "application/json", ...words];
    return (await world.cli(line, { stdin })).exit;
  };
  expect(await send("", "-m", "-")).toBe(2);
  expect(await send("no", "-m", "-", "-f", "data.csv")).toBe(2);
  expect(await send("", "-f", "data.csv")).toBe(0);
});

test("reply and ask take files, too", async () => {
  const world = await fileWorld();
  world.file("why.txt", "because");
  const asked = world.cli("-u alice ask -t bob -f why.txt -m why? --json");
  const id = await world.newest();
  await using alice = await Agent.open({ home: world.home, username: "alice", create: false });
  // Files take a part of the time for which a reply is of use.
  expect(await alice.questions()).toMatchObject([{ deadline: expect.closeTo(Date.now() + 3_600_000, -6) as number }]);
  const answer = await world.cli(["-u", "bob", "reply", id, "-f", "why.txt"]);
  expect(answer).toMatchObject({ exit: 0, stdout: "Reply sent to alice\n", stderr: "why.txt 7 B sent\n" });
  expect((await asked).stderr).toContain("why.txt 7 B sent\n");
  expect(await world.cli("-u alice ask --resume 123456 -f why.txt")).toMatchObject({ exit: 2 });
});

test("a question whose files were not up in time says so", async () => {
  const late = new AgentError("expired", "nobody has answered", { hint: "ask again" });
  expect(await explain(new AskError("1f", late, false))).toMatchObject({
    hint: expect.stringContaining("--timeout") as string,
  });
  expect(await explain(new AskError("1f", late, true))).toMatchObject({ hint: "ask again" });
});

test("what is told to go on with its files is a message that waits for them", async () => {
  const hints = ["waits", "up"].map(async (state) => {
    const status = { id: "1f", to: "bob", state: "queued", files: [{ state }] } as unknown as MessageStatus;
    return (await explain(new SendError(status, new AgentError("timeout", "time ran out")))).hint;
  });
  expect(await Promise.all(hints)).toEqual([
    expect.stringContaining("its files go on"),
    "the message stays in the outbox and is sent as soon as possible; see: aimessage status 1f",
  ]);
});

test("what cannot be sent is said at once, and nothing is in the outbox then", async () => {
  const world = await fileWorld({ limits: { blobBytes: 100_000 } });
  world.file("large", 200_000);
  const send = async (...words: string[]) => {
    const { exit, stderr } = await world.cli(["-u", "alice", "send", "-t", "bob", "--json", ...words]);
    const { error, reason } = JSON.parse(stderr) as { error: string; reason?: string };
    return [exit, error, reason];
  };
  expect(await send("-f", "nowhere")).toEqual([1, "bad_file", "missing"]);
  expect(await send("-f", ".")).toEqual([1, "bad_file", "no_file"]);
  expect(await send("-f", "large")).toEqual([1, "bad_file", "too_large"]);
  expect(await send("-f", `${world.home}/alice/agent.db`)).toEqual([1, "bad_file", "own_store"]);
  expect(
    await send(
      ...Array<string>(17)
        .fill("large")
        .flatMap((name) => ["-f", name]),
    ),
  ).toEqual([2, "usage", undefined]);
  expect((await world.cli("-u alice outbox")).stdout).toBe("No messages.\n");
  const words = Array<string>(17).fill("-f large").join(" ");
  expect((await world.cli(`-u alice send -t bob ${words}`)).stderr).toMatch(/^Error: 17 files; 16 at most\nHint: /);
  world.file("my data/one", "x");
  expect((await world.cli(["-u", "alice", "send", "-t", "bob", "-f", "my data"])).stderr).toMatch(
    /^Error: .*\/my data is a folder\nHint: pack it, for example: tar czf 'my data\.tgz' 'my data'\n$/,
  );
});

test.runIf(process.platform === "linux")("what the system makes up while it is read is no file of a size", async () => {
  const world = await fileWorld();
  for (const path of ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"].filter((path) =>
    existsSync(path),
  )) {
    const { stderr } = await world.cli(["-u", "alice", "send", "-t", "bob", "--json", "-f", path]);
    expect(JSON.parse(stderr)).toMatchObject({
      error: "bad_file",
      reason: "no_file",
      hint: expect.stringContaining("copy it into a file") as string,
    });
  }
  // What is empty is a file.
  world.file("empty", "");
  await world.send("-f", "empty");
});

test("a message that waits for its files is counted by doctor; of a file that is gone its name and the way out are said", async () => {
  const world = await fileWorld({ limits: { accountBlobs: 1_000_000 } });
  for (const name of ["one", "two"]) world.file(name, 800_000);
  await world.send("-f", "one");
  const first = await world.cli("-u alice send -t bob -f two --timeout 1 --json");
  const { message_id: id } = JSON.parse(first.stderr.trim().split("\n").at(-1) ?? "") as { message_id: string };
  const { stdout } = await world.cli("-u alice doctor");
  expect(stdout).toMatch(/0 to be sent, 1 waits for its files$/m);
  expect(stdout).toMatch(/nothing is stuck; 1 waits for its files: aimessage outbox shows how far it is$/m);
  rmSync(join(world.cwd, "two"));
  await world.cli(["-u", "bob", "inbox", "save", await world.newest(), "--dir", "in"]);
  const retry = async () => (await world.cli(["-u", "alice", "outbox", "retry", id])).stderr;
  // There is room once alice has heard that bob has the first one.
  const failed = await eventually("it has failed", async () => {
    const said = await retry();
    return said.includes("failed") && said;
  });
  expect(failed).toMatch(/^Error: message \w+ to bob failed: file_gone: two$/m);
  expect((await world.cli(["-u", "alice", "status", id])).stdout).toMatch(/^Files: +two 781 KiB, file gone$/m);
  expect(await retry()).toMatch(/two is not there.*\nHint: put it back, or send the message again with -f FILE\n$/);
});

test("Ctrl+C leaves what has gone, and outbox retry goes on from there", async () => {
  const world = await fileWorld({ store: "sqlite", db: relayFolder() });
  world.file("large.bin", 160_000_000);
  const stderr = Object.assign(new Recorder(), { isTTY: true, columns: 60 });
  const stop = new AbortController();
  const sending = world.cli("-u alice send -t bob -f large.bin", { stderr, interrupted: stop.signal });
  await stderr.until(/\[#+ *\] +\d+ %/);
  stop.abort("SIGINT");
  const { exit } = await sending;
  expect(exit).toBe(130);
  expect(stderr.text).toMatch(
    /Hint: .*what has gone stays; its files go on with a command that stays \(listen, .*\), or at once with outbox retry ID:\n {4}aimessage -u alice outbox retry \w{8}\n {4}aimessage -u alice status \w{8}\n$/,
  );
  for (const line of stderr.text.split("\n")) if (line.includes("[#")) expect(line.length).toBeLessThan(60 + 8);
  const listed = await world.cli("-u alice outbox");
  const [, id = "", percent] = /(\w+) +queued .* waits for its file, (\d+) % of 153 MiB\n/.exec(listed.stdout) ?? [];
  expect(Number(percent)).toBeGreaterThan(0);
  expect((await world.cli(["-u", "alice", "status", id])).stdout).toMatch(/^Files: +waits for its file, \d+ %/m);
  const again = await world.cli(["-u", "alice", "outbox", "retry", id]);
  expect(again.stderr).toMatch(/^large\.bin goes on at \d+ %\n(.*\n)?large\.bin 153 MiB sent/);
  expect(again.stdout).toMatch(new RegExp(`^Message ${id}\\w{24} is sent\\.\n$`));
  const { files } = JSON.parse((await world.cli(["-u", "alice", "status", id, "--json"])).stdout) as {
    files: object[];
  };
  expect(files).toEqual([{ name: "large.bin", bytes: 160_000_000, done: 160_000_000, state: "up" }]);
});

test("a message whose files have no room at the relay waits, and says why", async () => {
  const world = await fileWorld({ limits: { accountBlobs: 1_000_000 } });
  for (const name of ["one", "two"]) world.file(name, 800_000);
  await world.send("-f", "one");
  const { exit, stderr } = await world.cli("-u alice send -t bob -f two --timeout 3");
  expect(exit).toBe(7);
  expect(stderr).toMatch(/^two 0 %, waits: no room left for your files at the relay \(blob_quota\)$/m);
  expect((await world.cli("-u alice outbox")).stdout).toContain("(blob_quota)");
});

test("what another process brings is seen by whoever waits for it", async () => {
  const world = await fileWorld({ store: "sqlite", db: relayFolder() });
  await using alice = await Agent.open({ home: world.home, username: "alice", create: false });
  const sent = await alice.send("bob", "", { files: [world.file("other.bin", 160_000_000)] });
  const { exit, stderr } = await world.cli(["-u", "alice", "outbox", "retry", sent.id]);
  expect(exit).toBe(0);
  expect(stderr).toContain("other.bin 153 MiB sent");
  expect(await sent.status()).toMatchObject({ state: "stored" });
});
