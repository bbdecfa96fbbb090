// [P-3.7] of docs/protocol.md.

import { expect, test } from "vitest";
import { type Config, createRelay, defaultConfig, readConfig, type RelayOptions } from "../src/index.ts";
import { aboutTokenAccounts, takesTokenAccounts } from "../src/config/token-accounts.ts";
import { newAgent } from "./agent.ts";
import { folder } from "./folder.ts";
import { loginToken, RawClient, registerToken, tokenClient, type TokenUser } from "./raw-client.ts";
import { relayProcess } from "./relay-process.ts";

test.each<[boolean, Partial<Config>]>([
  [true, {}],
  [true, { host: "::1" }],
  [true, { host: "localhost", publicUrls: ["ws://localhost:1234", "http://127.3.2.1", "ws://[::1]:80/ws"] }],
  [false, { host: "0.0.0.0" }],
  [false, { host: "::" }],
  [false, { host: "192.0.2.1" }],
  [false, { host: "relay.localhost" }],
  [false, { publicUrls: ["ws://localhost:1234", "wss://relay.example.org"] }],
  [false, { publicUrls: ["ws://relay.localhost"] }],
  [false, { trustProxy: true }],
  [true, { host: "0.0.0.0", trustProxy: true, publicUrls: ["wss://relay.example.org"], tokenAccounts: "on" }],
  [false, { tokenAccounts: "off" }],
])("whether token accounts are taken is %s with %j", (taken, config) => {
  expect(takesTokenAccounts({ ...defaultConfig, ...config })).toBe(taken);
  expect(aboutTokenAccounts({ ...defaultConfig, ...config })).toMatch(taken ? /: on\b/ : /: off\b/);
});

test("a relay that others can reach refuses to register a token account, before that costs anything", async () => {
  await using relay = await createRelay({ port: 0, store: "memory", trustProxy: true });
  using client = await RawClient.open(relay.url);
  for (let count = 0; count < 3; count++)
    expect((await client.ask("register", { username: `script-${count}` })).data).toMatchObject({
      code: 403,
      reason: "token_accounts_off",
      hint: expect.stringContaining("--token-accounts on"),
    });
  // Agents have keys, and are not concerned.
  await (await newAgent(relay.url, "alice")).connect();
});

test("an account that exists is refused at each login, and its mail is kept", async () => {
  const db = folder();
  const open = (options: RelayOptions = {}) => createRelay({ port: 0, db, ...options });
  let credentials: TokenUser;
  {
    await using relay = await open();
    using bob = await RawClient.open(relay.url);
    credentials = await registerToken(bob, "bob");
    using alice = await tokenClient(relay.url, "alice");
    expect((await alice.ask("send", { to: "bob", message: "hello" })).data.status).toBe("stored_offline");
  }
  const others: RelayOptions[] = [{ tokenAccounts: "off" }, { publicUrls: ["wss://relay.example.org"] }];
  for (const options of others) {
    await using relay = await open(options);
    using bob = await RawClient.open(relay.url);
    for (const challenge of [undefined, "AAAA"]) {
      const { data } = await bob.ask("authenticate", { username: "bob", challenge });
      expect(data).toMatchObject({ code: 403, reason: "token_accounts_off" });
    }
  }
  await using relay = await open({ publicUrls: ["wss://relay.example.org"], tokenAccounts: "on" });
  using bob = await RawClient.open(relay.url);
  const [waiting] = await loginToken(bob, credentials);
  expect(waiting?.data.message).toBe("hello");
});

test("the option is read from flag and environment, and what is neither is refused", () => {
  expect(readConfig(["--token-accounts", "on"], {})).toMatchObject({ tokenAccounts: "on" });
  expect(readConfig([], { TOKEN_ACCOUNTS: "off" })).toMatchObject({ tokenAccounts: "off" });
  expect(() => readConfig(["--token-accounts", "yes"], {})).toThrow(
    "--token-accounts needs on, off or loopback, not 'yes'",
  );
});

test("one line at start says whether token accounts are taken", async () => {
  using alone = relayProcess(["--port", "0", "--db", folder()]);
  expect((await alone.lines(4))[3]).toBe("Token accounts: on, for this machine alone");
  using known = relayProcess(["--port", "0", "--db", folder(), "--public-url", "https://relay.example.org"]);
  expect((await known.lines(4))[3]).toMatch(/^Token accounts: off, since others can reach this relay; /);
});
