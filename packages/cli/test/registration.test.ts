import { access } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createWorld } from "./world.ts";

/** A port that nothing listens on. */
const NOWHERE = "ws://127.0.0.1:1";
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
    card: expect.stringMatching(/^aimessage:Alice@localhost:\d+#[A-Z2-7]{52}$/),
  });
  expect(lines[2]).toBe(`Fingerprint: ${who["fingerprint"]}`);
  const text = await world.cli("whoami", { env: { AIMESSAGE_SERVER: "" } });
  expect(text.stdout).toMatch(/^Username: {5}Alice\nFingerprint: {2}[A-Z2-7 ]+\nServer: .*\nSaved to: .*\nCard: .*\n$/);
});

test("register --json prints one object", async () => {
  const world = await createWorld();
  const { stdout } = await world.cli("--json register -u alice");
  expect(stdout.match(/\n/g)).toHaveLength(1);
  expect(Object.keys(JSON.parse(stdout) as object)).toEqual(["username", "fingerprint", "server", "home", "folder"]);
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
  expect((await world.cli("contacts allow bob -u alice --yes")).stdout).toContain("verified");
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

test("unregister names what waits, and has it sent before the agent is gone", { tags: ["long"] }, async () => {
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
