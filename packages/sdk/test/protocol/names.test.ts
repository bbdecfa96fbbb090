import { describe, expect, it } from "vitest";
import { Id, randomId, relayName, Username, usernameKey, usernameObjection } from "../../src/protocol/index.ts";

describe("usernames", () => {
  it.each(["bob", "BOB-1_x", "---", "a".repeat(32)])("%j is one", (name) => {
    expect(Username.safeParse(name).success).toBe(true);
  });

  it.each(["", "ab", "a".repeat(33), "bob ", "bob\n", "b.b", "b\u{f6}b", "bob\0", "../bob", "b\u{43e}b", 123, null])(
    "%j is none",
    (name) => {
      expect(Username.safeParse(name).success).toBe(false);
    },
  );

  it("are compared without regard to case", () => {
    expect(usernameKey("Alice-B_2")).toBe("alice-b_2");
  });

  it.each(["-rf", "--help", "con", "NUL", "Com1", "lpt9", "aux", "prn"])(
    "%j is refused by our own register",
    (name) => {
      expect(usernameObjection(name)).toMatch(/./);
    },
  );

  it.each(["bob", "console", "com10", "nul-1", "b-"])("%j is not", (name) => {
    expect(usernameObjection(name)).toBeUndefined();
  });
});

describe("ids", () => {
  it("are random, and ids", () => {
    const ids = Array.from({ length: 100 }, randomId);
    expect(new Set(ids).size).toBe(100);
    for (const id of ids) expect(Id.safeParse(id).success).toBe(true);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("the name of a relay", () => {
  it.each([
    ["ws://localhost:8080/ws", "localhost:8080"],
    ["ws://LOCALHOST:8080", "localhost:8080"],
    ["ws://relay.example:80/ws", "relay.example"],
    ["wss://Relay.Example/ws?x=1#y", "relay.example"],
    ["wss://relay.example:443/", "relay.example"],
    ["wss://relay.example:80/", "relay.example:80"],
    ["ws://relay.example:443/", "relay.example:443"],
    ["https://relay.example:443", "relay.example"],
    ["http://relay.example:8080", "relay.example:8080"],
    ["ws://127.0.0.1:8080/ws", "127.0.0.1:8080"],
    ["ws://[::1]:8080/ws", "[::1]:8080"],
    ["wss://user:secret@relay.example/", "relay.example"],
    ["wss://b\u{fc}cher.example/", "xn--bcher-kva.example"],
  ])("of %s is %s", (url, name) => {
    expect(relayName(new URL(url))).toBe(name);
  });
});
