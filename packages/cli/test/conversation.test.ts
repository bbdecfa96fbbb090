import { Agent } from "@aimessage/sdk/node";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { createWorld } from "./world.ts";

test("a message to a listener is delivered; one to nobody waits and arrives as offline", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const [stop, heard] = [new AbortController(), new Recorder()];
  const listening = world.cli("-u bob listen", { interrupted: stop.signal, stdout: heard });
  await untilOnline(world, "bob");

  expect(await world.cli(["send", "-u", "alice", "-t", "bob", "-m", "hello bob"])).toEqual({
    exit: 0,
    stdout: expect.stringMatching(/^Message sent to bob \(delivered\)\nIts id: [0-9a-f]{8}\n$/) as string,
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

  expect((await world.cli("send -u alice -t bob -m later")).stdout).toMatch(
    /^Message sent to bob \(stored for offline delivery\)\n/,
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
    message_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    peer_id: message_id,
    from: "alice",
    to: "bob",
    body,
    content_type: "text/plain",
    sent_at: expect.any(Number),
    received_at: expect.any(Number),
    offline: true,
    verified: false,
    trust: "unknown",
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
    hint: expect.stringContaining(`aimessage -u alice status ${error["message_id"]?.slice(0, 8)}`),
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
  expect((await world.cli("inbox -u bob --last 2")).stderr).not.toContain("older ones");
  expect((await world.cli("listen -u bob --count 1")).stdout).toContain("alice: one\n    of alice");
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

test("doctor finds a healthy agent healthy, in text and in JSON", async () => {
  const world = await createWorld();
  await world.register("alice");
  const text = await world.cli("doctor");
  expect(text).toMatchObject({ exit: 0, stderr: "" });
  for (const check of ["store", "link", "relay", "protocol", "login", "clock", "keys"]) {
    expect(text.stdout).toMatch(new RegExp(`^ok +${check} `, "m"));
  }
  expect(text.stdout).toMatch(/^frame +1 MiB$/m);
  expect(text.stdout).toMatch(/^mailbox_age +14d$/m);
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
  expect((await world.cli("outbox -u alice list")).stdout).toMatch(
    new RegExp(`^${id.slice(0, 8)}  stored .* bob`, "m"),
  );
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
  const [, local = ""] =
    /^(\w{8}) .* alice +no printer +task$/m.exec((await world.cli("dead -u bob list")).stdout) ?? [];
  const shown = JSON.parse((await world.cli(`dead -u bob show ${local} --json`)).stdout) as object;
  expect(shown).toMatchObject({
    message_id: expect.stringMatching(`^${local}`) as string,
    peer_id: id,
    from: "alice",
    body: "task",
    reason: "no printer",
  });
  expect((await world.cli(`dead -u bob redeliver ${local}`)).exit).toBe(0);
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toContain("alice: task");
  expect((await world.cli("dead -u bob list")).stdout).toBe("No dead letters.\n");
  expect((await world.cli(`dead -u bob discard ${id}`)).stderr).toContain(
    "Hint: aimessage -u bob dead list shows them",
  );

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
  // One that a program has chosen is shown whole.
  const { stdout: listed } = await world.cli("outbox -u alice");
  expect(listed).toMatch(/^likewise-1 .*\nlikewise-2 .*\nlikewise /m);
  expect((await world.cli("outbox -u alice --all")).stdout).toMatch(new RegExp(`^${id.slice(0, 8)} `, "m"));
  for (const line of ["status", "outbox retry", "outbox discard"]) {
    const unclear = await world.cli(`${line} likewise- -u alice`);
    expect([line, unclear.exit]).toEqual([line, 2]);
    expect(unclear.stderr).toMatch(/beginning of 2 message ids\nHint: give more of it: likewise-1, likewise-2\n/);
  }
  expect((await world.cli("status -u alice likewise")).stdout).toMatch(/^Message: +likewise$/m);

  let here = "";
  {
    await using bob = await Agent.open({ home: world.home, username: "bob" });
    for await (const message of bob.messages()) {
      await message.failed("not for me");
      here = message.id;
      break;
    }
  }
  const first = here.slice(0, 6);
  expect((await world.cli(`dead show ${first} -u bob`)).stdout).toContain(here);
  expect((await world.cli(`dead redeliver ${first} -u bob`)).stdout).toBe(
    `Message ${here} is given to handlers again.\n`,
  );
  expect((await world.cli("listen --count 1 -u bob")).exit).toBe(0);
  expect((await world.cli(["reply", first, "-m", "thank you", "-u", "bob"])).stdout).toBe("Reply sent to alice\n");
});

test("a command that has commands of its own lists where none is named, and refuses one that it does not have", async () => {
  const world = await createWorld();
  await world.register("alice");
  for (const [name, nothing, names] of [
    ["outbox", "No messages.", "list, retry and discard"],
    ["dead", "No dead letters.", "list, show, redeliver and discard"],
    ["contacts", "No contacts.", "list, add, trust, block, allow and tier"],
  ] as const) {
    expect(await world.cli(name)).toMatchObject({ exit: 0, stdout: `${nothing}\n` });
    expect((await world.cli(`${name} --json`)).stdout).toBe((await world.cli(`${name} list --json`)).stdout);
    const unknown = await world.cli(`${name} bogus`);
    expect(unknown).toMatchObject({ exit: 2, stdout: "" });
    expect(unknown.stderr).toBe(`Error: unknown command '${name} bogus'\nHint: ${name} has the commands ${names}\n`);
  }
  expect((await world.cli("outbox --all")).exit).toBe(0);
});
