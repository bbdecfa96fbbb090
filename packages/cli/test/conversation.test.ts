import { Agent } from "@aimessage/sdk/node";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { createWorld } from "./world.ts";

const FINGERPRINT = /^[A-Z2-7]{4}( [A-Z2-7]{4}){12}$/;

test("register prints name, fingerprint and folder, and whoami remembers them", async () => {
  const world = await createWorld();
  const { exit, stdout, stderr } = await world.cli("register -u Alice");
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  const lines = stdout.split("\n");
  expect(lines).toEqual([
    "Registration successful!",
    "Username: Alice",
    expect.stringMatching(/^Fingerprint: /),
    `Saved to: ${join(world.home, "alice")}`,
    "",
  ]);
  const who = JSON.parse((await world.cli("whoami --json")).stdout) as Record<string, string>;
  expect(who).toEqual({
    username: "Alice",
    fingerprint: expect.stringMatching(FINGERPRINT),
    server: expect.any(String),
    home: world.home,
    folder: join(world.home, "alice"),
  });
  expect(lines[2]).toBe(`Fingerprint: ${who["fingerprint"]}`);
  const text = await world.cli("whoami", { env: { AIMESSAGE_SERVER: "" } });
  expect(text.stdout).toMatch(/^Username: {5}Alice\nFingerprint: {2}[A-Z2-7 ]+\nServer: .*\nSaved to: .*\n$/);
});

test("register --json prints one object", async () => {
  const world = await createWorld();
  const { stdout } = await world.cli("--json register -u alice");
  expect(stdout.match(/\n/g)).toHaveLength(1);
  expect(Object.keys(JSON.parse(stdout) as object)).toEqual(["username", "fingerprint", "server", "home", "folder"]);
});

test("a message to a listener is delivered; one to nobody waits and arrives as offline", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const [stop, heard] = [new AbortController(), new Recorder()];
  const listening = world.cli("-u bob listen", { interrupted: stop.signal, stdout: heard });
  await untilOnline(world, "bob");

  expect(await world.cli(["send", "-u", "alice", "-t", "bob", "-m", "hello bob"])).toEqual({
    exit: 0,
    stdout: "Message sent to bob (delivered)\n",
    stderr: "",
  });
  await heard.until(/\n/);
  expect(heard.text).toMatch(/^\[\d\d:\d\d:\d\d\] alice: hello bob\n$/);
  stop.abort();
  const { exit, stderr } = await listening;
  expect({ exit, stderr }).toEqual({
    exit: 130,
    stderr: "Listening for messages as bob... (Press Ctrl+C to stop)\nStopping listener...\n",
  });

  expect((await world.cli("send -u alice -t bob -m later")).stdout).toBe(
    "Message sent to bob (stored for offline delivery)\n",
  );
  const offline = await world.cli("-u bob listen --count 1 --timeout 30 --quiet");
  expect(offline).toMatchObject({ exit: 0, stderr: "" });
  expect(offline.stdout).toMatch(/^\[OFFLINE \d\d:\d\d:\d\d\] alice: later\n$/);
});

test("in JSON, stdout is one object a line and nothing else", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const body = "two\nlines\u2028\u202e\u0000 and 😀";
  const sent = await world.cli("send --json -u alice -t bob -m -", { stdin: body });
  const { message_id } = JSON.parse(sent.stdout) as { message_id: string };
  expect(JSON.parse(sent.stdout)).toEqual({ message_id, to: "bob", status: "stored_offline" });

  const inbox = await world.cli("inbox --json -u bob");
  expect(JSON.parse(inbox.stdout)).toEqual({ messages: [] });

  const { stdout } = await world.cli("listen --json -u bob --count 1");
  expect(stdout.match(/\n/g)).toHaveLength(1);
  expect(JSON.parse(stdout)).toEqual({
    message_id,
    from: "alice",
    to: "bob",
    body,
    content_type: "text/plain",
    sent_at: expect.any(Number),
    received_at: expect.any(Number),
    offline: true,
    verified: false,
  });
});

test("stdin is sent byte by byte, text or not", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const bodies = [
    "x",
    "é😀\n".repeat(15_000),
    "no newline at the end",
    "\n",
    "\ufeffbom\r\n\u0000",
    new Uint8Array([0x00, 0xff, 0xfe, 0x80]),
    "",
  ];
  for (const body of bodies) {
    expect((await world.cli("send -u alice -t bob -m -", { stdin: body })).exit).toBe(0);
  }
  expect((await world.cli("send -u alice -t bob", { stdin: "a pipe" })).exit).toBe(0);
  const { stdout } = await world.cli(`listen --json -u bob --count ${bodies.length + 1}`);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { body: string | null; body_base64?: string });
  expect(lines.map((line) => line.body_base64 ?? line.body)).toEqual([...bodies.slice(0, 5), "AP/+gA==", "", "a pipe"]);
  const inbox = JSON.parse((await world.cli("inbox --json -u bob")).stdout) as { messages: object[] };
  expect(inbox.messages).toEqual(lines.map((line) => Object.assign(line, { state: "handled" })));
  expect((await world.cli("inbox -u bob")).stdout).toContain("(4 bytes of application/octet-stream)\n");
});

test("send --wait says how far the message came, and status agrees", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const late = await world.cli("send -u alice -t bob -m early --wait handled --timeout 0.5 --json");
  expect(late).toMatchObject({ exit: 7, stdout: "" });
  const error = JSON.parse(late.stderr) as Record<string, string>;
  expect(error).toMatchObject({
    error: "timeout",
    hint: expect.stringContaining(`aimessage status ${error["message_id"]}`),
  });
  expect(await world.cli(`status -u alice ${error["message_id"]}`)).toMatchObject({
    exit: 0,
    stdout: expect.stringMatching(/^Message: .*\nTo: +bob\nStatus: +stored\nSent: .*\nSince: .*\n$/),
  });

  const stop = new AbortController();
  const listening = world.cli("-u bob listen", { interrupted: stop.signal });
  expect((await world.cli("send -u alice -t bob -m now --wait handled")).stdout).toBe(
    "Message sent to bob (handled)\n",
  );
  const after = await world.cli(`status --json -u alice ${error["message_id"]}`);
  expect(JSON.parse(after.stdout)).toMatchObject({ message_id: error["message_id"], to: "bob", status: "handled" });
  stop.abort();
  expect((await listening).stdout).toMatch(/alice: early\n\[.*alice: now\n$/);
});

test("the inbox shows what was received and consumes nothing", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  await world.cli(["send", "-u", "alice", "-t", "bob", "-m", "one\nof alice"]);
  await world.cli("send -u carol -t bob -m two");
  expect((await world.cli("listen -u bob --from carol --count 1")).stdout).toContain("carol: two");
  const { stdout } = await world.cli("inbox -u bob");
  expect(stdout).toMatch(/unhandled .* alice +one\\x0aof alice$/m);
  expect(stdout).toMatch(/ handled .* carol +two$/m);
  const newest = await world.cli("inbox -u bob --last 1");
  expect(newest.stdout).not.toContain("alice");
  expect(newest.stdout).toContain("carol");
  expect(newest.stderr).toContain("There are older ones");
  expect((await world.cli("inbox -u bob --last 2")).stderr).toBe("");
  expect((await world.cli("listen -u bob --count 1")).stdout).toContain("alice: one\n    of alice");
});

test("register again with another address of the relay says that it is remembered", async () => {
  const world = await createWorld();
  await world.register("alice");
  const other = world.server.replace("localhost", "127.0.0.1");
  const { exit, stdout } = await world.cli(`register -u alice -s ${other}`);
  expect(exit).toBe(0);
  expect(stdout).toMatch(
    /^alice was registered already; .* remembered: ws:\/\/127\.0\.0\.1:\d+\/ws\nUsername: alice\n/,
  );
  expect((await world.cli("whoami", { env: { AIMESSAGE_SERVER: "" } })).stdout).toContain(other);
});

test("users lists the others that listen", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  expect((await world.cli("users -u alice")).stdout).toBe("Online users:\n(nobody)\n");
  const stop = new AbortController();
  const listening = world.cli("-u bob listen", { interrupted: stop.signal });
  await untilOnline(world, "bob");
  expect((await world.cli("users -u alice")).stdout).toBe("Online users:\n- bob\n");
  expect((await world.cli("users -u alice --json")).stdout).toBe('{"users":["bob"]}\n');
  stop.abort();
  await listening;
});

test("a fingerprint is compared, and a contact can be blocked and allowed", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const { fingerprint } = JSON.parse((await world.cli("whoami -u bob --json")).stdout) as { fingerprint: string };
  const shown = await world.cli("verify -u alice bob");
  expect(shown.stdout).toContain(`bob:    ${fingerprint}  (not verified)`);

  const words = fingerprint.toLowerCase().split(" ");
  expect(await world.cli(["verify", "-u", "alice", "bob", ...words])).toMatchObject({
    exit: 0,
    stdout: "bob is verified.\n",
  });
  const wrong = fingerprint.replace(/^./, fingerprint.startsWith("A") ? "B" : "A");
  const different = await world.cli(["verify", "-u", "alice", "bob", wrong]);
  expect(different).toMatchObject({ exit: 6, stdout: "" });
  expect(different.stderr).not.toContain("sent");
  expect(await world.cli("verify -u alice Alice")).toMatchObject({
    exit: 2,
    stdout: "",
    stderr: "Error: alice: this is you\nHint: aimessage whoami -u alice shows your own fingerprint\n",
  });

  expect((await world.cli("contacts list -u alice")).stdout).toBe(
    `NAME  STATE     FINGERPRINT\nbob   verified  ${fingerprint}\n`,
  );
  expect(JSON.parse((await world.cli("contacts block bob -u alice --json")).stdout)).toMatchObject({ blocked: true });
  expect((await world.cli("contacts -u alice")).stdout).toContain("blocked");
  expect((await world.cli("contacts allow bob -u alice")).stdout).toContain("verified");
});

test("several agents and none named: exit 2, and their names", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  expect(await world.cli("whoami")).toEqual({
    exit: 2,
    stdout: "",
    stderr: expect.stringMatching(/^Error: .*: alice, bob\nHint: .*-u.*\n$/),
  });
  expect((await world.cli("whoami", { env: { AIMESSAGE_USERNAME: "bob" } })).stdout).toContain("bob");
  expect((await world.cli("whoami -u alice", { env: { AIMESSAGE_USERNAME: "bob" } })).stdout).toContain("alice");
  expect((await world.cli("-u alice whoami", { env: { AIMESSAGE_USERNAME: "bob" } })).stdout).toContain("alice");
});

test("unregister asks for a word of confirmation, and removes the agent here and at the relay", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  expect(await world.cli("unregister -u bob", { stdin: "" })).toMatchObject({ exit: 2, stdout: "" });
  await access(join(world.home, "bob"));
  const gone = await world.cli("unregister -u bob --yes --release");
  expect(gone).toEqual({ exit: 0, stdout: "bob is no longer registered, and its folder is deleted.\n", stderr: "" });
  await expect(access(join(world.home, "bob"))).rejects.toThrow("ENOENT");
  expect((await world.cli("whoami")).stdout).toContain("alice");
  await world.register("bob");
});

test("doctor finds a healthy agent healthy, in text and in JSON", async () => {
  const world = await createWorld();
  await world.register("alice");
  const text = await world.cli("doctor");
  expect(text).toMatchObject({ exit: 0, stderr: "" });
  for (const check of ["store", "link", "relay", "protocol", "login", "clock", "keys"]) {
    expect(text.stdout).toMatch(new RegExp(`^ok +${check} `, "m"));
  }
  expect(text.stdout).toMatch(/^frame +1 MiB$/m);
  expect(text.stdout).toMatch(/^mailbox_age +14 d$/m);
  const report = JSON.parse((await world.cli("doctor --json")).stdout) as object;
  expect(report).toMatchObject({ ok: true, limits: { frame_bytes: expect.any(Number) }, versions: { cli: "0.1.0" } });
});

test("a message that stdout does not take stays unhandled and is shown again", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("send -u alice -t bob -m precious");
  const broken = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error(), { code: "EPIPE" })),
  });
  broken.on("error", () => undefined);
  expect(await world.cli("listen -q -u bob", { stdout: broken })).toMatchObject({
    exit: 1,
    stderr: "Error: nobody reads standard output any more\n",
  });
  expect((await world.cli("listen -u bob --count 1")).stdout).toContain("alice: precious");
});

/** Resolves when the relay calls a listener online. */
async function untilOnline(world: Awaited<ReturnType<typeof createWorld>>, name: string): Promise<void> {
  await eventually(`${name} is online`, async () => (await world.cli("users -u alice")).stdout.includes(`- ${name}\n`));
}

test("dead letters and the outbox can be looked at and acted upon", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const sent = JSON.parse((await world.cli("send -u alice -t bob -m task --json")).stdout) as { message_id: string };
  const { message_id: id } = sent;
  expect((await world.cli("outbox -u alice list")).stdout).toMatch(new RegExp(`^${id}  stored .* bob`, "m"));
  {
    await using bob = await Agent.open({ home: world.home, username: "bob" });
    for await (const message of bob.messages()) {
      await message.failed("no printer");
      break;
    }
  }
  const followed = await world.cli(`status -u alice ${id} --follow --timeout 20`);
  expect(followed.exit).toBe(1);
  expect(followed.stdout).toMatch(/to bob: failed \(no printer\)\n$/);
  expect(followed.stderr).toContain(`message ${id} to bob failed: no printer`);
  expect((await world.cli("dead -u bob list")).stdout).toMatch(new RegExp(`^${id} .* alice +no printer +task$`, "m"));
  const shown = JSON.parse((await world.cli(`dead -u bob show ${id} --json`)).stdout) as object;
  expect(shown).toMatchObject({ message_id: id, from: "alice", body: "task", reason: "no printer" });
  expect((await world.cli(`dead -u bob redeliver ${id}`)).exit).toBe(0);
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toContain("alice: task");
  expect((await world.cli("dead -u bob list")).stdout).toBe("No dead letters.\n");
  expect((await world.cli(`dead -u bob discard ${id}`)).stderr).toContain("Hint: aimessage dead list shows them");

  expect((await world.cli("send -u alice -t nobody -m lost")).exit).toBe(5);
  const all = JSON.parse((await world.cli("outbox -u alice list --all --json")).stdout) as {
    messages: { message_id: string; status: string }[];
  };
  expect(all.messages.map(({ status }) => status)).toEqual(["failed", "refused"]);
  await world.register("nobody");
  const again = await world.cli(`outbox -u alice retry ${all.messages[1]?.message_id}`);
  expect(again.stdout).toMatch(/is sent again, as [0-9a-f]{32}\.$/m);
  expect((await world.cli("listen -u nobody --count 1 --timeout 20")).stdout).toContain("alice: lost");
  expect((await world.cli("status -u alice")).exit).toBe(2);
});

test("bench measures a relay and leaves nothing behind", async () => {
  const world = await createWorld();
  const { exit, stdout } = await world.cli("bench --pairs 2 --window 4 --seconds 0.5 --json");
  expect(exit).toBe(0);
  const result = JSON.parse(stdout) as { messages: number; handled: { p50_ms: number } };
  expect(result).toMatchObject({ pairs: 2, size: 128, window: 4 });
  expect(result.messages).toBeGreaterThan(1);
  expect(result.handled.p50_ms).toBeGreaterThan(0);
  expect((await world.cli("whoami")).exit).toBe(3);
});

test("unregister names what waits, and has it sent before the agent is gone", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("send -u bob -t alice -m unread");
  await world.cli("users -u alice");
  const offline = { env: { AIMESSAGE_SERVER: NOWHERE } };
  for (const text of ["one", "two"]) expect((await world.cli(`send -u alice -t bob -m ${text}`, offline)).exit).toBe(4);
  const asked = await world.cli("unregister -u alice", { stdin: "" });
  expect(asked.exit).toBe(2);
  expect(asked.stderr).toContain("it has 2 messages waiting to be sent, and 1 message received and not handled");
  // Where the relay cannot be asked to, nothing is given up.
  expect(await world.cli("unregister -u alice --yes", offline)).toMatchObject({ exit: 4, stdout: "" });
  expect((await world.cli("inbox -u alice")).stdout).toMatch(/ unhandled .* unread\n/);
  const gone = await world.cli("unregister -u alice --yes --json");
  expect(gone.exit).toBe(0);
  expect(gone.stderr).toContain("2 messages waiting to be sent");
  expect(JSON.parse(gone.stdout)).toMatchObject({ username: "alice", unregistered: true, unsent: 0 });
  expect((await world.cli("listen -u bob --count 2 --timeout 20")).stdout).toMatch(/one\n.*two\n/);
});

test("the beginning of a message id is enough wherever a command takes one; of several it is wrong usage", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const sent = await world.cli("send -u alice -t bob -m hello --json");
  const { message_id: id } = JSON.parse(sent.stdout) as { message_id: string };
  const begin = id.slice(0, 6);
  expect((await world.cli(`status -u alice ${begin}`)).stdout).toContain(id);
  expect((await world.cli(`status -u alice --follow --timeout 0.1 ${begin}`)).stdout).toContain(`${id} to bob: stored`);
  expect((await world.cli(`status -u alice ${id.slice(0, 5)}`)).exit).toBe(1);
  expect((await world.cli(`outbox retry -u alice ${begin}`)).stdout).toBe(`Message ${id} is tried again.\n`);
  expect((await world.cli(`outbox discard -u alice ${begin}`)).stdout).toBe(`Message ${id} is given up.\n`);
  // Two whose ids begin alike, which by themselves they do not.
  const { Agent } = await import("@aimessage/sdk/node");
  {
    await using alice = await Agent.open({ home: world.home, username: "alice" });
    for (const messageId of ["likewise-1", "likewise-2", "likewise"]) await alice.send("bob", "x", { messageId });
  }
  for (const line of ["status", "outbox retry", "outbox discard"]) {
    const unclear = await world.cli(`${line} likewise- -u alice`);
    expect([line, unclear.exit]).toEqual([line, 2]);
    expect(unclear.stderr).toMatch(/beginning of 2 message ids\nHint: give more of it: likewise-1, likewise-2\n/);
  }
  expect((await world.cli("status -u alice likewise")).stdout).toMatch(/^Message: +likewise$/m);

  {
    await using bob = await Agent.open({ home: world.home, username: "bob" });
    for await (const message of bob.messages()) {
      await message.failed("not for me");
      if (message.id === "likewise") break;
    }
  }
  expect((await world.cli("dead show likewise- -u bob")).exit).toBe(2);
  expect((await world.cli("dead show likewise-2 -u bob")).stdout).toMatch(/^Message: +likewise-2$/m);
  expect((await world.cli(`dead show ${begin} -u bob`)).stdout).toContain(id);
  expect((await world.cli(`dead redeliver ${begin} -u bob`)).stdout).toBe(
    `Message ${id} is given to handlers again.\n`,
  );
  expect((await world.cli("dead discard likewise-1 -u bob")).exit).toBe(0);
});

test("a command that has commands of its own lists where none is named, and refuses one that it does not have", async () => {
  const world = await createWorld();
  await world.register("alice");
  for (const [name, nothing, names] of [
    ["outbox", "No messages.", "list, retry and discard"],
    ["dead", "No dead letters.", "list, show, redeliver and discard"],
    ["contacts", "No contacts.", "list, trust, block and allow"],
  ] as const) {
    expect(await world.cli(name)).toMatchObject({ exit: 0, stdout: `${nothing}\n` });
    expect((await world.cli(`${name} --json`)).stdout).toBe((await world.cli(`${name} list --json`)).stdout);
    const unknown = await world.cli(`${name} bogus`);
    expect(unknown).toMatchObject({ exit: 2, stdout: "" });
    expect(unknown.stderr).toBe(`Error: unknown command '${name} bogus'\nHint: ${name} has the commands ${names}\n`);
  }
  expect((await world.cli("outbox --all")).exit).toBe(0);
});

/** A port that nothing listens on. */
const NOWHERE = "ws://127.0.0.1:1";
