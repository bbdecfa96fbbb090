// What -s says while another process of the agent holds the link is not ignored: it is that link's address, or refused.
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { createWorld, type World } from "./world.ts";

const NOWHERE = "ws://127.0.0.1:1";

/** A listener that holds the link, until what it is for is done. */
async function listening(world: World, line: string): Promise<() => Promise<unknown>> {
  const stderr = new Recorder();
  const end = new AbortController();
  const listener = world.cli(line, { stderr, interrupted: end.signal });
  await stderr.until(/Listening/);
  await eventually("it holds the link", async () =>
    /link +held by process/.test((await world.cli("doctor -u alice")).stdout),
  );
  return async () => {
    end.abort();
    await listener;
  };
}

test("another address is refused, with who holds the link and where to, and nothing is stored", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const end = await listening(world, "listen -u alice --from carol");
  expect((await world.cli("send -u bob -t alice -m kept")).exit).toBe(0);
  await eventually("it has come", async () => (await world.cli("inbox -u alice")).stdout.includes("kept"));
  for (const line of [
    "send -u alice -t bob -m hello",
    "users -u alice",
    "listen -u alice --timeout 5",
    "unregister -u alice --yes",
  ]) {
    const refused = await world.cli(`${line} -s ${NOWHERE}`);
    expect([line, refused.exit, refused.stdout]).toEqual([line, 2, ""]);
    expect(refused.stderr).toMatch(
      /Error: process \d+ \(listen\) holds the link to the relay, and talks to ws:\S+, not to ws:\/\/127\.0\.0\.1:1\/ws\nHint: .*-s/,
    );
  }
  expect((await world.cli("inbox -u alice")).stdout).toMatch(/ unhandled .* kept\n/);
  const doctor = await world.cli(`doctor -u alice -s ${NOWHERE}`);
  expect(doctor.exit).toBe(7);
  expect(doctor.stdout).toMatch(/^problem +link +process \d+ \(listen\) holds the link/m);
  expect(doctor.stdout).not.toMatch(/^ok +relay/m);
  expect((await world.cli("outbox list -u alice --all")).stdout).toBe("No messages.\n");
  // The address of the link is the one that is meant, however it is written.
  const written = world.server.replace(/^ws:/, "http:");
  expect((await world.cli(`send -u alice -t bob -m hello -s ${written}`)).exit).toBe(0);
  await end();
});

test("a command that was given no address uses the link that another one holds by its own", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const other = world.server.replace("localhost", "127.0.0.1");
  const env = { AIMESSAGE_SERVER: "" };
  const end = await listening(world, `listen -u alice -s ${other}`);
  expect((await world.cli("send -u alice -t bob -m hello", { env })).exit).toBe(0);
  expect((await world.cli(`send -u alice -t bob -m hello -s ${other}`, { env })).exit).toBe(0);
  await end();
  // It is forgotten with that link.
  const again = await listening(world, "listen -u alice");
  expect((await world.cli(`send -u alice -t bob -m hello -s ${other}`, { env })).exit).toBe(2);
  await again();
});
