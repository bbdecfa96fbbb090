/** Messages that a command handles. */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { eventually } from "../../../../test/waiting.ts";
import { createWorld, type World } from "../world.ts";
import { send, stateOf, talk } from "./talk.ts";

/** Listens with a command until the test is over. */
function listening(world: World, ...words: string[]) {
  const stop = new AbortController();
  const done = world.cli(["-u", "bob", "listen", "--json", ...words], { interrupted: stop.signal });
  return {
    done,
    async [Symbol.asyncDispose]() {
      stop.abort("SIGTERM");
      await done;
    },
  };
}

test("a question is answered by what a command prints, and handled", async () => {
  const world = await talk();
  await using _ = listening(world, "--exec", "tr a-z A-Z", "--reply");
  const { stdout, exit } = await world.cli(["-u", "alice", "ask", "-t", "bob", "-m", "hello bob"]);
  expect({ stdout, exit }).toEqual({ stdout: "HELLO BOB\n", exit: 0 });
  const id = await send(world, "no question");
  await eventually("it is handled", async () => (await stateOf(world, id)).state === "handled");
  // No reply to what asks for none.
  expect((await world.cli("-u alice inbox --json")).stdout.match(/"message_id"/g)).toHaveLength(1);
});

test("a command that fails three times leaves a dead letter, and the asker sees why", async () => {
  const world = await talk();
  const file = join(world.home, "attempts");
  await using _ = listening(world, "--exec", `echo x >> '${file}'; echo 'no such job' >&2; exit 1`, "--reply");
  const { stderr, exit } = await world.cli(["-u", "alice", "ask", "-t", "bob", "-m", "hello", "--json"]);
  expect(exit).toBe(1);
  expect(JSON.parse(stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({
    error: "failed",
    reason: "no such job (exit code 1)",
  });
  expect(await readFile(file, "utf8")).toBe("x\n".repeat(3));
  expect((await world.cli("-u bob dead")).stdout).toContain("no such job");
});

test("a question that a command has handled without a reply is told of once, and its asker hears that it was handled", async () => {
  const world = await talk();
  const stop = new AbortController();
  const done = world.cli(["-u", "bob", "listen", "--exec", "wc -w"], { interrupted: stop.signal });
  for (const question of ["one", "two"]) {
    const { exit, stderr } = await world.cli(["-u", "alice", "ask", "-t", "bob", "-m", question, "--timeout", "1.5"]);
    expect([exit, stderr]).toEqual([
      1,
      expect.stringMatching(/bob has handled question \w+, and has not answered it in time/),
    ]);
  }
  stop.abort("SIGTERM");
  expect((await done).stderr.match(/alice waits for a reply to that\. With --reply /g)).toHaveLength(1);
});

test("a command that has answered by itself leaves nobody waiting, and no hint is the reason that it has failed", async () => {
  const world = await talk();
  const stop = new AbortController();
  const aimessage = `'${process.execPath}' '${builtCli()}'`;
  const script = `read -r text; [ "$text" = no ] && exec ${aimessage} inbox save 000000; ${aimessage} reply "$AIMESSAGE_ID" -m yes`;
  const done = world.cli(["-u", "bob", "listen", "--attempts", "1", "--exec", script], { interrupted: stop.signal });
  expect(await world.cli(["-u", "alice", "ask", "-t", "bob", "-m", "well"])).toMatchObject({ stdout: "yes\n" });
  const id = await send(world, "no");
  await eventually("it is a dead letter", async () => (await stateOf(world, id)).state === "failed");
  expect((await stateOf(world, id)).reason).toMatch(/^Error: no message 000000 .*\(exit code 1\)$/);
  stop.abort("SIGTERM");
  expect((await done).stderr).not.toContain("waits for a reply to that");
});

test("exit code 65 is never tried again, and 75 is however often", { tags: ["long"] }, async () => {
  const world = await talk();
  const file = join(world.home, "attempts");
  const script = `read -r text; echo x >> '${file}'; [ "$text" = never ] && { echo bad >&2; exit 65; }; [ $AIMESSAGE_ATTEMPT -ge 3 ] || exit 75`;
  await using _ = listening(world, "--attempts", "1", "--exec", script);
  const never = await send(world, "never");
  await eventually("it is a dead letter", async () => (await stateOf(world, never)).state === "failed");
  expect(await stateOf(world, never)).toMatchObject({ reason: "bad (exit code 65)" });
  expect(await readFile(file, "utf8")).toBe("x\n");
  const later = await send(world, "later");
  await eventually("it is handled", async () => (await stateOf(world, later)).state === "handled");
  expect(await readFile(file, "utf8")).toBe("x\n".repeat(4));
});

test("[A-12] a command has the message in its environment, nothing of an outer one, and no passphrase", async () => {
  const world = await talk();
  const file = join(world.home, "environment");
  const stop = new AbortController();
  const outer = { AIMESSAGE_THREAD: "outer", AIMESSAGE_USERNAME: "alice" };
  const env = { ...outer, AIMESSAGE_PASSPHRASE_FILE: "/nowhere", PATH: process.env["PATH"] ?? "" };
  delete (env as Partial<typeof env>).AIMESSAGE_PASSPHRASE_FILE;
  const done = world.cli(["-u", "bob", "listen", "--exec", `env > '${file}'; cat >> '${file}'`, "--count", "1"], {
    env,
    interrupted: stop.signal,
  });
  await world.cli([
    "-u",
    "alice",
    "send",
    "-t",
    "bob",
    "-m",
    "$(touch no) `touch no`",
    "--content-type",
    "text/x; a='$HOME'",
  ]);
  expect((await done).exit).toBe(0);
  const lines = (await readFile(file, "utf8")).split("\n");
  expect(lines).toContain("AIMESSAGE_FROM=alice");
  // Whatever it runs of this program is for the agent that the message is for.
  expect(lines).toContain("AIMESSAGE_USERNAME=bob");
  expect(lines).toContain(`AIMESSAGE_HOME=${world.home}`);
  expect(lines).toContain("AIMESSAGE_CONTENT_TYPE=text/x; a='$HOME'");
  expect(lines).toContain("AIMESSAGE_ATTEMPT=1");
  expect(lines).toContain("AIMESSAGE_EXPECTS_REPLY=false");
  expect(lines.filter((line) => line.startsWith("AIMESSAGE_THREAD"))).toEqual([]);
  expect(lines.at(-1)).toBe("$(touch no) `touch no`");
});

test("a command that takes too long is ended with all that it has started", { tags: ["long"] }, async () => {
  const world = await talk();
  const file = join(world.home, "alive");
  await using _ = listening(
    world,
    "--exec",
    `(sleep 3; echo alive > '${file}') & sleep 30`,
    "--exec-timeout",
    "0.5",
    "--attempts",
    "1",
  );
  const id = await send(world, "hello");
  await eventually("it has failed", async () => (await stateOf(world, id)).state === "failed");
  expect(await stateOf(world, id)).toMatchObject({ reason: "no end after 0.5 s" });
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  await expect(readFile(file, "utf8")).rejects.toThrow("ENOENT");
});

/** Words of a shell that leave a process in a group of its own, which holds the output open, and print its id. */
const DETACHED = `'${process.execPath}' -e "const it = require('child_process').spawn('sleep', ['600'], {detached: true, stdio: [0, 1, 2]}); it.unref(); console.error(it.pid)" 2>`;

describe("a command that has ended has ended, whatever it has left in the background", () => {
  test("exit code 0 is handled, and what is left ends with it", async () => {
    const world = await talk();
    const file = join(world.home, "pid");
    const script = `sleep 600 & echo $! > '${file}'; echo done; exit 0`;
    await using _ = listening(world, "--exec", script, "--reply", "--exec-timeout", "3", "--attempts", "1");
    const { stdout, exit } = await world.cli(["-u", "alice", "ask", "-t", "bob", "-m", "hello"]);
    expect({ stdout, exit }).toEqual({ stdout: "done\n", exit: 0 });
    const pid = (await readFile(file, "utf8")).trim();
    // Of a container, whose first process waits for nobody, something may stay in the table.
    const state = () => spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" }).stdout;
    await eventually("it has ended", () => Promise.resolve(/^(Z.*)?\s*$/.test(state())));
  });

  test("what is in no group of it is not waited for, and all that was printed is the reply", async () => {
    const world = await talk();
    const file = join(world.home, "pid");
    const script = `${DETACHED} '${file}'; head -c 200000 /dev/zero | tr '\\0' x`;
    await using _ = listening(world, "--exec", script, "--reply", "--exec-timeout", "3", "--attempts", "1");
    const { stdout, exit } = await world.cli(["-u", "alice", "ask", "-t", "bob", "-m", "hello"]);
    process.kill(Number(await readFile(file, "utf8")), "SIGKILL");
    expect({ exit, isWhole: stdout === `${"x".repeat(200_000)}\n` }).toEqual({ exit: 0, isWhole: true });
  });

  test("neither after it was ended for taking too long", { tags: ["long"] }, async () => {
    const world = await talk();
    const file = join(world.home, "pid");
    const script = `${DETACHED} '${file}'; sleep 600`;
    await using _ = listening(world, "--exec", script, "--exec-timeout", "0.5", "--attempts", "1");
    const id = await send(world, "hello");
    await eventually("it has failed", async () => (await stateOf(world, id)).state === "failed");
    process.kill(Number(await readFile(file, "utf8")), "SIGKILL");
    expect(await stateOf(world, id)).toMatchObject({ reason: "no end after 0.5 s" });
  });
});

test("with several at a time each sender's messages are handled in their order, one at a time", async () => {
  const world = await talk();
  await world.register("carol");
  const file = join(world.home, "order");
  await writeFile(file, "");
  for (let count = 0; count < 5; count++)
    for (const name of ["alice", "carol"]) await world.cli(["-u", name, "send", "-t", "bob", "-m", `${name} ${count}`]);
  const script = `read -r line; echo "begin $line" >> '${file}'; sleep 0.1; [ "$line" != "alice 2" ] || [ $AIMESSAGE_ATTEMPT = 2 ] || exit 1; echo "end $line" >> '${file}'`;
  const { exit } = await world.cli(["-u", "bob", "listen", "--exec", script, "--parallel", "4", "--count", "10"]);
  expect(exit).toBe(0);
  const lines = (await readFile(file, "utf8")).trim().split("\n");
  for (const name of ["alice", "carol"]) {
    const own = lines.filter((line) => line.includes(name));
    const expected = [0, 1, 2, 3, 4].flatMap((count) => [`begin ${name} ${count}`, `end ${name} ${count}`]);
    if (name === "alice") expected.splice(4, 0, "begin alice 2");
    expect(own).toEqual(expected);
  }
  // The two did not wait for each other.
  expect(lines.findIndex((line) => line === "end carol 4")).toBeLessThan(
    lines.findIndex((line) => line === "end alice 4"),
  );
});

test("--once ends when what waited is handled, and says how much that was", async () => {
  const world = await talk();
  const empty = await world.cli("-u bob listen --once --json");
  expect(empty).toMatchObject({ exit: 0, stdout: '{"count":0}\n' });
  await send(world, "one");
  await send(world, "two");
  const { stdout, exit } = await world.cli("-u bob listen --once --json");
  expect(exit).toBe(0);
  const values = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { body?: string; count?: number });
  expect(values.map(({ body, count }) => body ?? count)).toEqual(["one", "two", 2]);
});

test("what was only not the time for it is no failure of a command, however often", { tags: ["long"] }, async () => {
  const world = await talk();
  const script = "case $AIMESSAGE_ATTEMPT in 1) exit 75;; 2) exit 1;; esac";
  await using _ = listening(world, "--attempts", "2", "--exec", script);
  const id = await send(world, "hello");
  await eventually("it is handled", async () => (await stateOf(world, id)).state === "handled");
});

test("what a command prints that nobody waits for is as long as it likes", async () => {
  const world = await talk();
  const file = join(world.home, "finished");
  await using _ = listening(world, "--reply", "--exec", `head -c 2000000 /dev/zero; echo x > '${file}'`);
  const id = await send(world, "hello");
  await eventually("it is handled", async () => (await stateOf(world, id)).state === "handled");
  expect(await readFile(file, "utf8")).toBe("x\n");
});

test("with --count no more are begun than are counted", async () => {
  const world = await talk();
  const file = join(world.home, "begun");
  for (const name of ["carol", "dave"]) {
    await world.register(name);
    await world.cli(["-u", name, "send", "-t", "bob", "-m", "hello"]);
  }
  await send(world, "hello");
  const words = ["-u", "bob", "listen", "--parallel", "4", "--exec", `echo x >> '${file}'; sleep 0.5`];
  expect((await world.cli([...words, "--count", "2"])).exit).toBe(0);
  expect(await readFile(file, "utf8")).toBe("x\nx\n");
});

describe("[A-14] a loop of commands is stopped, whoever they send as and by whatever", () => {
  const main = `'${process.execPath}' '${builtCli()}'`;
  const line = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "send", params: { to: "alice", body: "x" } });
  const ways = {
    "another agent of the same machine": `${main} -u carol send -t alice -m x`,
    pipe: `echo '${line}' | ${main} -u bob pipe`,
    "a reply to what it names itself": `${main} -u bob send -t alice -m x --reply-to "$AIMESSAGE_ID"`,
  };
  test.each(Object.entries(ways))("%s", { tags: ["long"], timeout: 110_000 }, async (_name, command) => {
    const world = await createWorld();
    await world.register("alice", "bob", "carol");
    const names = ["alice", "bob", "carol"];
    for (const name of names) await world.cli(`-u ${name} guard set --answers-per-exchange 3 --yes`);
    const file = join(world.home, "handled");
    const stop = new AbortController();
    const env = { ...world.env, PATH: process.env["PATH"] ?? "" };
    const listeners = [
      ["alice", `echo x >> '${file}'; ${main} -u alice send -t bob -m x`],
      ["bob", `echo x >> '${file}'; ${command}`],
    ].map(([name = "", exec = ""]) =>
      world.cli(["-u", name, "listen", "--exec", exec], { interrupted: stop.signal, env }),
    );
    await world.cli("-u alice send -t bob -m x");
    await eventually("a guard holds", async () => {
      const held = await Promise.all(names.map((name) => world.cli(`-u ${name} guard list --json`)));
      return held.some(({ stdout }) => /"messages":1/.test(stdout));
    });
    expect((await readFile(file, "utf8")).length / 2).toBe(3);
    stop.abort("SIGTERM");
    await Promise.all(listeners);
  });
});
