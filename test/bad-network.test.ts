/** The proxy by which tests make a network bad. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { Proxy } from "../lab/shared/proxy.ts";
import { eventually, never } from "./waiting.ts";

/** A server that gives back what it gets, and has noted it, behind a proxy. */
async function echoBehindProxy() {
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket
      .on("error", () => undefined)
      .on("data", (data) => {
        heard.push(data.toString());
        socket.write(data);
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await Proxy.start({ port: 0, to: (server.address() as AddressInfo).port });
  return {
    heard,
    proxy,
    open: async () => {
      const socket = connect(proxy.port, "127.0.0.1");
      await once(socket, "connect");
      return caller(socket);
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      server.close();
    },
  };
}

function caller(socket: Socket) {
  const answers: string[] = [];
  const closed = new Promise<string>((resolve) => {
    socket.on("error", ({ message }) => resolve(message)).on("close", () => resolve("closed"));
  });
  socket.on("data", (data) => answers.push(data.toString()));
  const say = (text: string) => void socket.write(text);
  return { say, answers, closed, [Symbol.dispose]: () => socket.destroy() };
}

test("a network that stalls carries later what was said meanwhile", async () => {
  await using world = await echoBehindProxy();
  using caller = await world.open();
  world.proxy.weather = { kind: "stall" };
  caller.say("a");
  await never("it is heard", () => world.heard.length > 0);
  world.proxy.weather = { kind: "fair" };
  await eventually("it is answered", () => caller.answers.join("") === "a");
});

test("a network that is dead in one direction carries in the other", async () => {
  await using world = await echoBehindProxy();
  using caller = await world.open();
  world.proxy.weather = { kind: "half-open", dead: "down" };
  caller.say("a");
  await eventually("it is heard", () => world.heard.join("") === "a");
  await never("it is answered", () => caller.answers.length > 0);
  world.proxy.weather = { kind: "half-open", dead: "up" };
  await eventually("it is answered", () => caller.answers.join("") === "a");
});

test("a slow network delays and loses nothing", async () => {
  await using world = await echoBehindProxy();
  using caller = await world.open();
  world.proxy.weather = { kind: "delay", ms: 60 };
  const from = performance.now();
  caller.say("a");
  await eventually("it is answered", () => caller.answers.join("") === "a");
  expect(performance.now() - from).toBeGreaterThan(110);
});

test("connections that are cut end at once, and new ones are made", async () => {
  await using world = await echoBehindProxy();
  using first = await world.open();
  await eventually("it goes through", () => world.proxy.connections === 1);
  world.proxy.cut();
  expect(await first.closed).toMatch("ECONNRESET");
  using second = await world.open();
  second.say("b");
  await eventually("it is answered", () => second.answers.join("") === "b");
});

test("a network that refuses keeps the connections that there are", async () => {
  await using world = await echoBehindProxy();
  using first = await world.open();
  await eventually("it goes through", () => world.proxy.connections === 1);
  world.proxy.refuse();
  await expect(world.open()).rejects.toThrow("ECONNREFUSED");
  first.say("a");
  await eventually("it is answered", () => first.answers.join("") === "a");
  await world.proxy.admit();
  using second = await world.open();
  second.say("b");
  await eventually("it is answered", () => second.answers.join("") === "b");
});
