import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { createWorld } from "./world.ts";

test("[R-16] what a relay writes into its errors draws on no terminal", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => server.close());
  await once(server, "listening");
  const data = { code: 400, reason: "x", message: "\u001B[31mred\u0007\r\n", hint: "\u202Eback\u2028wards\u009B" };
  server.on("connection", (socket) =>
    socket.on("message", (text) => {
      const { id } = JSON.parse((text as Buffer).toString()) as { id: string };
      socket.send(JSON.stringify({ type: "error", reply_to: id, timestamp: 1, data }));
    }),
  );
  const world = await createWorld();
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const json of [[], ["--json"]]) {
    const { exit, stdout, stderr } = await world.cli(["register", "-u", "alice", "-s", url, ...json]);
    expect({ exit, stdout }).toEqual({ exit: 5, stdout: "" });
    expect(stderr).toContain("red");
    // oxlint-disable-next-line no-control-regex -- that none is there is the point
    expect(stderr).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E]/);
  }
});
