import { once } from "node:events";
import { createServer } from "node:http";
import { mkdir, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { smallDisk } from "../../../test/small-disk.ts";
import { createWorld } from "./world.ts";
import type { Transcript } from "./console.ts";

function* zeros(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(65_536);
}

/** One line of error, one of hint, nothing on stdout. */
function expectError(transcript: Transcript, exit: number, message: RegExp): void {
  const { stdout, stderr } = transcript;
  expect({ exit: transcript.exit, stdout, stderr }).toEqual({
    exit,
    stdout: "",
    stderr: expect.stringMatching(/^Error: [^\n]+\nHint: [^\n]+\n$/),
  });
  expect(stderr).toMatch(message);
}

test("no relay", async () => {
  const world = await createWorld();
  expectError(await world.cli("register -u alice -s ws://127.0.0.1:1"), 4, /127\.0\.0\.1:1/);
  await world.register("alice");
  const sent = await world.cli("send -t bob -m hello -s ws://127.0.0.1:1 --timeout 5");
  expectError(sent, 4, /stays in the outbox .*aimessage status [A-Za-z0-9_-]+/);
});

test("a relay that register did not name is for one command only", async () => {
  const world = await createWorld();
  await world.register("alice");
  expect((await world.cli("users -s ws://127.0.0.1:1")).exit).toBe(4);
  expect(await world.cli("users", { env: { AIMESSAGE_SERVER: "" } })).toMatchObject({ exit: 0, stderr: "" });
});

test("a listener that does not reach the relay says so once, and ends with 4", { tags: ["long"] }, async () => {
  const world = await createWorld();
  await world.register("alice");
  const gone = await world.cli("listen --timeout 2 -s ws://127.0.0.1:1");
  expect(gone).toMatchObject({ exit: 4, stdout: "" });
  expect(gone.stderr.match(/no relay answers/g)).toHaveLength(2);
  expect(gone.stderr).toMatch(/; trying again\nError: no relay answers.*\nHint: .*\n$/);
});

test("what ends of itself says once that it does not reach the relay", { tags: ["long"] }, async () => {
  const world = await createWorld();
  await world.register("alice");
  for (const command of ["listen --once", "watch --count 1 --timeout 1"]) {
    const gone = await world.cli(`${command} -s ws://127.0.0.1:1`);
    expect(gone).toMatchObject({ exit: 4, stdout: "" });
    expect(gone.stderr.match(/no relay answers/g)).toHaveLength(1);
  }
});

test("a wrong URL", async () => {
  const world = await createWorld();
  for (const url of ["nonsense", "ftp://localhost", "ws://", "http://user:secret@localhost"]) {
    expectError(await world.cli(["register", "-u", "alice", "-s", url]), 2, /./);
  }
  expectError(await world.cli("register -u alice -s ws://relay.example.org"), 2, /--insecure|wss:/);
});

test("a web server that is no relay", async () => {
  const world = await createWorld();
  await using server = createServer((_request, response) => void response.writeHead(404).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  expectError(await world.cli(`register -u alice -s http://127.0.0.1:${port}`), 4, new RegExp(String(port)));
});

test("a relay of another protocol version", async () => {
  const world = await createWorld();
  using server = await futureRelay();
  expectError(await world.cli(`register -u alice -s ${server.url}`), 5, /protocol.*99/);
});

test("an unknown recipient", async () => {
  const world = await createWorld();
  await world.register("alice");
  expectError(await world.cli("send -t nobody -m hello"), 5, /nobody|not found/i);
});

test("a relay that does not know the agent", async () => {
  const world = await createWorld();
  const other = await createWorld();
  await world.register("alice");
  const lost = await world.cli("users", { env: { AIMESSAGE_SERVER: other.server } });
  expectError(lost, 5, /Invalid credentials/);
  expect(lost.stderr).toContain(`registered at ${world.server}`);
});

test("not registered", async () => {
  const world = await createWorld();
  for (const line of ["whoami", "send -t bob -m hello", "listen", "users", "doctor", "whoami -u alice"]) {
    expectError(await world.cli(line), 3, /register/);
  }
  const { stderr } = await world.cli("whoami -u alice", { env: { AIMESSAGE_SERVER: "" } });
  expect(stderr).toContain("Hint: aimessage register -u alice -s URL\n");
});

test("bad usernames", async () => {
  const world = await createWorld();
  for (const name of ["ab", "-ab", "a b c", "al/ice", "../alice", "con", "x".repeat(33), "álice"]) {
    expectError(await world.cli(["register", "-u", name]), 2, /username|name/i);
  }
});

test("a name that is taken, here or at the relay", async () => {
  const world = await createWorld();
  await world.register("alice");
  expect(await world.cli("register -u Alice")).toMatchObject({
    exit: 0,
    stdout: expect.stringContaining("already") as string,
  });
  expectError(await world.cli(["register", "-u", "alice", "--home", join(world.home, "other")]), 5, /alice|exists/);
});

test("a home that is no folder", async () => {
  const world = await createWorld();
  await mkdir(dirname(world.home), { recursive: true });
  await writeFile(world.home, "a file");
  expectError(await world.cli("register -u alice"), 1, new RegExp(world.home));
});

test("the largest message arrives; one byte more is refused before it is sent, with the limit", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const report = JSON.parse((await world.cli("doctor --json -u alice")).stdout) as { limits: { body_bytes: number } };
  const limit = report.limits.body_bytes;
  const largest = "x".repeat(limit);
  expectError(await world.cli("send -u alice -t bob", { stdin: `${largest}y` }), 1, new RegExp(`\\b${limit}\\b`));
  expect((await world.cli("send -u alice -t bob", { stdin: largest })).exit).toBe(0);
  const heard = JSON.parse((await world.cli("listen --json -u bob --count 1 --timeout 20")).stdout) as { body: string };
  expect(heard.body === largest).toBe(true);
});

test("standard input that never ends is refused as soon as it is too large", async () => {
  const world = await createWorld();
  await world.register("alice");
  const endless = Readable.from(zeros(), { objectMode: false });
  const { exit, stderr } = await world.cli("send -u alice -t bob", { terminal: endless });
  expect(exit).toBe(1);
  expect(stderr).toMatch(/more than \d+ bytes/);
});

test("a full mailbox", async () => {
  const world = await createWorld({ limits: { mailboxMessages: 16 } });
  await world.register("alice", "bob");
  expect((await world.cli("send -u alice -t bob -m first")).exit).toBe(0);
  expectError(await world.cli("send -u alice -t bob -m second"), 5, /mailbox full.*read/s);
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toContain("alice: first");
});

// Making a file system takes rights that not everybody has.
test("a full disk", async (context) => {
  const world = await createWorld();
  await world.register("bob");
  using disk = smallDisk("900k") ?? context.skip("no right to mount a small disk");
  expect((await world.cli(["register", "-u", "alice", "--home", disk.path])).exit).toBe(0);
  disk.fill();
  const send = ["send", "-t", "bob", "--home", disk.path, "-u", "alice", "--timeout", "2"];
  expectError(await world.cli(send, { stdin: "x".repeat(100_000) }), 1, /no space left/);
  expectError(await world.cli([...send, "-m", "small"]), 1, /no space left/);
});

test("an unknown message id", async () => {
  const world = await createWorld();
  await world.register("alice");
  expectError(await world.cli("status nonsense"), 1, /nonsense/);
});

test("an unknown contact", async () => {
  const world = await createWorld();
  await world.register("alice");
  expectError(await world.cli("contacts block nobody"), 1, /nobody/);
});

/** A relay from the future: whatever it is asked, it answers with its `info`. */
async function futureRelay(): Promise<{ url: string } & Disposable> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  server.on("connection", (socket) => {
    socket.on("message", (bytes) => {
      const { id } = JSON.parse((bytes as Buffer).toString("utf8")) as { id: string };
      const limits = Object.fromEntries(LIMITS.map((name) => [name, 1_000_000]));
      const facts = {
        protocol: 99,
        version: "9.0.0",
        suite: "future",
        names: [],
        time: Date.now(),
        features: [],
        limits,
      };
      socket.send(JSON.stringify({ type: "info", id: "1", reply_to: id, timestamp: 1, data: facts }));
    });
  });
  const { port } = server.address() as AddressInfo;
  const end = (): void => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  };
  return { url: `ws://127.0.0.1:${port}`, [Symbol.dispose]: end };
}

const LIMITS = [
  "frame_bytes",
  "frame_bytes_unauthenticated",
  "mailbox_messages",
  "mailbox_bytes",
  "mailbox_age_ms",
  "in_flight_messages",
  "in_flight_bytes",
  "frames_per_second",
  "frames_burst",
  "key_packages",
];

test("a sender that cannot be one is refused; of one that is unknown a listener says what it waits for", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  for (const name of ["b d", "", "x", "bob#ABCD"])
    expect([name, (await world.cli(["listen", "-u", "alice", "--from", name, "--timeout", "1"])).exit]).toEqual([
      name,
      2,
    ]);
  const unknown = await world.cli("listen -u alice --from nobody --timeout 0.1");
  expect(unknown).toMatchObject({
    exit: 0,
    stderr: expect.stringMatching(/^Nothing has come from nobody yet: its first message is waited for\.\n/) as string,
  });
  await world.cli("verify -u alice bob");
  expect((await world.cli("listen -u alice --from BOB --timeout 0.1")).stderr).not.toContain("Nothing has come");
});

test("an expiry beyond what the relay keeps is refused, and says how long that is", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const refused = await world.cli("send -u alice -t bob -m hello --expires 100d");
  expectError(refused, 2, /keeps no message for 100 d/);
  expect(refused.stderr).toMatch(/^Hint: .* after 14 d: /m);
  expect((await world.cli("outbox list -u alice --all")).stdout).toBe("No messages.\n");
  expect((await world.cli("send -u alice -t bob -m hello --expires 14d")).exit).toBe(0);
});
