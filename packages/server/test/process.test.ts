import { fileURLToPath } from "node:url";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { aimessageServer } from "./console.ts";
import { folder } from "./folder.ts";
import { loginToken, onBun, RawClient, tokenClient } from "./raw-client.ts";
import { command, relayProcess } from "./relay-process.ts";

test("the start-up lines are the original's, with the real port; SIGTERM ends it with 0", async () => {
  using relay = relayProcess(["--port", "0", "--db", folder()]);
  const [first, second, third] = await relay.lines(3);
  const port = /^AI Message Server starting on :(\d+)$/.exec(first ?? "")?.[1];
  expect(second).toBe(`WebSocket endpoint: ws://localhost:${port}/ws`);
  expect(third).toBe(`Health check: http://localhost:${port}/health`);
  using client = await RawClient.open(`ws://localhost:${port}/ws`);
  relay.child.kill("SIGTERM");
  expect((await client.closed).code).toBe(1001);
  expect(await relay.exited).toBe(0);
  expect(relay.output.stderr).toBe("");
});

test.each([
  ["text", "SIGTERM"],
  ["json", "SIGINT"],
] as const)("a relay with a log of %s says that it stops, on %s, and that it has stopped", async (format, signal) => {
  using relay = relayProcess(["--port", "0", "--db", folder(), "--log-format", format]);
  await relay.lines(3);
  relay.child.kill(signal);
  expect(await relay.exited).toBe(0);
  const lines = relay.output.stdout.trimEnd().split("\n").slice(-2);
  expect(format === "text" ? lines : lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    `AI Message Server stopping (${signal})`,
    "AI Message Server stopped",
  ]);
});

test("with public URLs the endpoints are those, as agents connect to them", async () => {
  const urls = ["--public-url", "https://relay.example.org", "--public-url", "ws://localhost:1234/ws"];
  using relay = relayProcess(["--port", "0", "--db", folder(), ...urls]);
  const [first, second, third] = await relay.lines(3);
  const port = /:(\d+)$/.exec(first ?? "")?.[1];
  expect(second).toBe("WebSocket endpoint: wss://relay.example.org/ws, ws://localhost:1234/ws");
  expect(third).toBe(`Health check: http://localhost:${port}/health`);
});

test("with LOG_FORMAT=json every line on stdout is JSON", async () => {
  using relay = relayProcess(["--port", "0", "--db", folder()], { LOG_FORMAT: "json" });
  const lines = await relay.lines(3);
  const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  const port = /:(\d+)$/.exec(messages[0] ?? "")?.[1];
  using client = await tokenClient(`ws://localhost:${port}/ws`, "alice");
  await client.close();
  relay.child.kill("SIGINT");
  expect(await relay.exited).toBe(0);
  for (const line of relay.output.stdout.trim().split("\n")) expect(() => JSON.parse(line) as unknown).not.toThrow();
  expect(relay.output.stderr).toBe("");
});

test("what was acknowledged survives kill -9", async () => {
  const db = folder();
  const first = relayProcess(["--port", "0", "--db", db]);
  const url = (await first.lines(2))[1]?.replace("WebSocket endpoint: ", "") ?? "";
  using a = await tokenClient(url, "alice");
  const bob = await tokenClient(url, "bob");
  await bob.close();
  const acknowledged: string[] = [];
  for (let count = 0; count < 200; count++) a.write("send", { to: "bob", message: `m${count}` });
  for (let count = 0; count < 100; count++) {
    expect((await a.read()).type).toBe("ack");
    acknowledged.push(`m${count}`);
  }
  first.child.kill("SIGKILL");
  await first.exited;
  using second = relayProcess(["--port", "0", "--db", db]);
  const again = (await second.lines(2))[1]?.replace("WebSocket endpoint: ", "") ?? "";
  using b = await RawClient.open(again);
  const bodies = (await loginToken(b, bob.user)).slice(0, -1).map(({ data }) => data.message);
  expect(bodies.slice(0, 100)).toEqual(acknowledged);
  expect(new Set(bodies).size).toBe(bodies.length);
});

async function failure(args: string[]): Promise<{ code: number; stderr: string }> {
  const { code, stdout, stderr } = await aimessageServer(args);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^Error: .+\nHint: .+\n$/);
  return { code, stderr };
}

test("a port in use, a locked database, a bad folder, a newer schema: one line and a hint each, exit 1", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  expect(await failure(["--port", `${port}`, "--db", folder()])).toEqual({
    code: 1,
    stderr: `Error: Port ${port} is in use\nHint: stop what listens there or choose another with --port\n`,
  });
  server.close();

  const db = folder();
  using running = relayProcess(["--port", "0", "--db", db]);
  await running.lines(3);
  expect(await failure(["--port", "0", "--db", db])).toEqual({
    code: 1,
    stderr: `Error: Database folder ${db} is locked by another relay\nHint: stop that one or choose another folder with --db\n`,
  });
  running.child.kill("SIGKILL");
  await running.exited;
  using taken = relayProcess(["--port", "0", "--db", db]);
  expect(await taken.lines(1)).not.toEqual([""]);

  const file = join(folder(), "file");
  writeFileSync(file, "");
  expect((await failure(["--port", "0", "--db", join(file, "data")])).stderr).toMatch(
    /^Error: Cannot use database folder .* \(ENOTDIR\)\nHint: check its permissions or choose another with --db\n$/,
  );

  if (existsSync("/proc/self"))
    expect((await failure(["--port", "0", "--db", "/proc/nothing"])).stderr).toMatch(
      /^Error: Cannot use database folder/,
    );

  const newer = folder();
  const database = new DatabaseSync(join(newer, "relay.db"));
  database.exec("PRAGMA user_version = 99");
  database.close();
  expect(await failure(["--port", "0", "--db", newer])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("schema version 99"),
  });

  const corrupt = folder();
  writeFileSync(join(corrupt, "relay.db"), "this is not a database, but it is long enough to be looked at".repeat(20));
  expect(await failure(["--port", "0", "--db", corrupt])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("Cannot open the database"),
  });
});

test("bad flags end with 2", async () => {
  const { code, stdout, stderr } = await command("--prot", "8080");
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toBe("Error: unknown option '--prot'\nHint: did you mean --port?\n");
  expect(await failure(["--no-limits", "--host", "0.0.0.0"])).toEqual({
    code: 2,
    stderr: expect.stringMatching(/^Error: --no-limits is only for loopback addresses, not for 0\.0\.0\.0\n/),
  });
});

test.skipIf(onBun)("an older Node gets one line that says what to do", () => {
  const bin = fileURLToPath(new URL("../bin/aimessage-server.js", import.meta.url));
  const asNode20 = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })";
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(asNode20)}`, bin, "--version"],
    { encoding: "utf8" },
  );
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/^aimessage-server needs Node 24 or newer; this is 20\.20\.2\..*\n$/);
});
