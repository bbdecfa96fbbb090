/** What `diagnose` says is wrong, and that it says nothing else. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { nodeTransport } from "../../src/node/transport.ts";
import { openAgent } from "../../src/agent/open.ts";
import { never, World } from "./world.ts";

/** A port of this machine at which the system drops what comes: nobody accepts, and the queue is full. */
async function droppingPort(): Promise<number> {
  const program =
    "const s = require('net').createServer().listen({port: 0, host: '127.0.0.1', backlog: 1}, () => console.log(s.address().port))";
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  child.kill("SIGSTOP");
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let full = false; !full;) {
    const socket = connect(Number(port), "127.0.0.1").on("error", () => undefined);
    sockets.push(socket);
    let connected = false;
    socket.once("connect", () => (connected = true));
    full = await never("it is connected", () => connected).then(
      () => true,
      () => false,
    );
  }
  return Number(port);
}

test.skipIf(process.platform !== "linux")(
  "where packets are dropped it is the relay that does not answer, and no link is called well",
  async () => {
    await using world = await World.create();
    const store = world.memory("alice");
    await (await world.openFrom("alice", store)).close();
    const server = `ws://127.0.0.1:${await droppingPort()}/ws`;
    await using alice = await openAgent({ store: world.memory("alice"), server, transport: nodeTransport });
    const { checks } = await alice.diagnose({ timeout: 100 });
    expect(checks).toMatchObject([
      { name: "store", ok: true },
      {
        name: "relay",
        ok: false,
        text: `no answer from ${server} (time-out)`,
        hint: expect.stringContaining("firewall"),
      },
      { name: "contacts", ok: true },
    ]);
  },
);

test("where another process holds the link and does not reach the relay, it is the relay that is gone", async () => {
  await using world = await World.create();
  await using first = await world.open("alice");
  await first.users();
  await using second = await world.openFrom("alice", world.memory("alice"));
  world.proxy.target = "ws://127.0.0.1:1/ws";
  world.proxy.cut("alice");
  await world.proxy[Symbol.asyncDispose]();
  const { checks } = await second.diagnose({ timeout: 500 });
  expect(checks.filter(({ ok }) => !ok)).toMatchObject([
    { name: "relay", text: expect.stringContaining("nothing listens there (ECONNREFUSED)") },
  ]);
  expect(checks).toContainEqual({
    name: "link",
    ok: true,
    text: expect.stringMatching(/^held by process \d+ \(agent\)$/),
  });
});
