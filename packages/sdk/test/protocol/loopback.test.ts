import { describe, expect, it } from "vitest";
import { serverUrl } from "../../src/agent/server-url.ts";
import { isLoopback } from "../../src/protocol/index.ts";

describe("this machine", () => {
  it.each([
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
    "::FFFF:127.1.2.3",
  ])("is %s", (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each([
    "",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "128.0.0.1",
    "127.0.0.1.example.org",
    "localhost.example.org",
    "127.0.0.256",
    "127.0.0.01",
    "127.1",
    "1127.0.0.1",
    "::2",
    "::ffff:7e00:1",
    "::ffff:10.0.0.1",
    "[localhost",
    "localhost\n",
  ])("is not %j", (host) => {
    expect(isLoopback(host)).toBe(false);
  });

  it.each(["relay.localhost", "a.b.localhost", "localhost."])("is not %s, for which DNS may be asked", (host) => {
    expect(isLoopback(host)).toBe(false);
    expect(() => serverUrl(`ws://${host}:8080`, false)).toThrow(/not on this machine/);
    expect(serverUrl(`wss://${host}:8080`, false).hostname).toBe(host);
  });

  it.each(["ws://127.1:8080", "ws://2130706433:8080", "ws://[::ffff:127.0.0.1]:8080", "ws://LocalHost:8080"])(
    "is %s, however its address is written",
    (url) => {
      expect(serverUrl(url, false).protocol).toBe("ws:");
    },
  );
});
