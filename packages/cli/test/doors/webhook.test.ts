/** Messages that a web service handles. */
import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { vectorsWith } from "../../../../test/vectors.ts";
import { eventually } from "../../../../test/waiting.ts";
import { secretBytes, signatureOf } from "../../src/doors/webhook.ts";
import { pauseOf } from "../../src/doors/webhook.ts";
import { createWorld, type World } from "../world.ts";
import { send, stateOf, talk } from "./talk.ts";

interface Posted {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A web service that answers each post as it is told, and Alice and Bob. */
async function service(answer: (response: ServerResponse, count: number) => void) {
  const posted: Posted[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      posted.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      answer(response, posted.length);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const world = await talk();
  return { world, posted, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

const listen = (world: World, ...words: string[]) => world.cli(["-u", "bob", "listen", ...words]);

test("a service handles a message by a 2xx, and what it answers is the reply", async () => {
  const { world, posted, url } = await service((response) => response.end("three\n"));
  const done = listen(world, "--webhook", url, "--reply", "--count", "1");
  const { stdout } = await world.cli(["-u", "alice", "ask", "-t", "bob", "-m", "how many?", "--thread", "t-1"]);
  expect(stdout).toBe("three\n");
  expect((await done).exit).toBe(0);
  const [{ headers, body }] = posted as [Posted];
  expect(body).toBe("how many?");
  expect(headers).toMatchObject({
    "content-type": "text/plain",
    "aimessage-from": "alice",
    "aimessage-thread": "t-1",
    "aimessage-expects-reply": "true",
  });
});

test(
  "500 is tried again under the same id, 410 never, and a redirect is not followed",
  { tags: ["long"] },
  async () => {
    const { world, posted, url } = await service((response, count) => {
      response.statusCode = [500, 302, 200, 410][count - 1] ?? 200;
      response.setHeader("location", "http://127.0.0.1:1/");
      response.end();
    });
    const done = listen(world, "--webhook", url, "--count", "2");
    const first = await send(world, "one");
    await eventually("it is handled", async () => (await stateOf(world, first)).state === "handled");
    const second = await send(world, "two");
    await done;
    expect(posted.map(({ body }) => body)).toEqual(["one", "one", "one", "two"]);
    expect(new Set(posted.slice(0, 3).map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    await eventually("its sender knows", async () => (await stateOf(world, second)).reason === "HTTP 410");
  },
);

test("a service is left alone for as long as it says, an hour at most, and as any other where it says no time that is to come", () => {
  const now = Date.UTC(2026, 0, 1);
  for (const [said, pause] of [
    [null, undefined],
    ["0", undefined],
    ["-5", undefined],
    ["soon", undefined],
    ["2001", 2_001_000],
    ["7200", 3_600_000],
    ["Wed, 21 Oct 2015 07:28:00 GMT", undefined],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["2026-01-01", undefined],
  ] as const)
    expect([said, pauseOf(said, now)]).toEqual([said, pause]);
});

test("a service that answers 500 has handled nothing: the next listener gets the message", async () => {
  const { world, posted, url } = await service((response) => {
    response.statusCode = 500;
    response.end();
  });
  const id = await send(world, "hello");
  const stop = new AbortController();
  const done = world.cli(["-u", "bob", "listen", "--webhook", url], { interrupted: stop.signal });
  await eventually("it was posted", () => posted.length > 0);
  stop.abort("SIGTERM");
  await done;
  await eventually("it is only received", async () => (await stateOf(world, id)).state === "received");
  expect((await listen(world, "--json", "--count", "1")).stdout).toContain('"body":"hello"');
});

test("[A-12] what is posted is signed, and shaped by a template whose placeholders are filled once", async () => {
  const { world, posted, url } = await service((response) => response.end());
  const [secret, header] = [join(world.home, "secret"), join(world.home, "header")];
  const key = Buffer.from("0123456789abcdef0123456789abcdef");
  await writeFile(secret, `whsec_${key.toString("base64")}\n`);
  await writeFile(header, "Authorization: Bearer token\n");
  const template = '{"text": "{{from}} says: {{body}}", "thread": "{{thread}}", "nested": ["{{unknown}}", 1]}';
  const words = ["--webhook", url, "--webhook-secret", `@${secret}`, "--webhook-header", `@${header}`];
  const done = listen(world, ...words, "--webhook-template", template, "--count", "1");
  await send(world, 'a "quoted" {{from}}');
  await done;
  const [{ headers, body }] = posted as [Posted];
  expect(JSON.parse(body)).toEqual({ text: 'alice says: a "quoted" {{from}}', thread: "", nested: ["{{unknown}}", 1] });
  expect(headers.authorization).toBe("Bearer token");
  const said = [headers["webhook-id"], headers["webhook-timestamp"], body].join(".");
  expect(headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", key).update(said).digest("base64")}`);
});

type Signed = Record<"id" | "body" | "secret" | "signature", string> & { timestamp: number };
test.each(vectorsWith<Signed>("webhooks", "signature"))("it is signed as others do it: $what", (vector) => {
  const { id, timestamp, body, secret, signature } = vector;
  const posted = { id, timestamp: String(timestamp), body: Buffer.from(body) };
  expect(signatureOf(posted, secretBytes(secret))).toBe(signature);
});

test("where a message could be read on its way, or a secret by others, nothing is posted", async () => {
  const world = await createWorld();
  await world.register("bob");
  for (const words of [
    ["--webhook", "http://example.com/hook"],
    ["--webhook", "ftp://localhost/"],
    ["--webhook", "http://localhost/", "--webhook-secret", "0123456789abcdef0123456789abcdef"],
    ["--webhook", "http://localhost/", "--webhook-header", "no header"],
    ["--webhook", "http://localhost/", "--exec", "true"],
    ["--webhook", "http://user:secret@localhost/"],
    ["--webhook", "http://localhost/", "--webhook-header", "Content-Length: 3"],
    ["--webhook", "http://localhost/", "--webhook-header", "Expect: 100-continue"],
    ["--webhook", "http://localhost/", "--webhook-header", "X-Price: 3 \u{20ac}"],
  ])
    expect((await listen(world, ...words)).exit, words.join(" ")).toBe(2);
});
