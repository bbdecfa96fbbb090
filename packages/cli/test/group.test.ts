import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createWorld } from "./world.ts";

test("a group is founded, written to, answered and left by one command each", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  const create = ["group", "create", "-u", "alice", "team", "bob", "carol", "--about", "release crew"];
  expect(await world.cli(create)).toMatchObject({
    exit: 0,
    stdout: "@team created: 3 members\n",
  });
  expect((await world.cli("group -u alice")).stdout).toMatch(/^@team +admin +3 +release crew$/m);
  const sent = await world.cli("send -u alice -t @team -m shipit");
  expect(sent).toMatchObject({
    exit: 0,
    stdout: expect.stringMatching(
      /^Message sent to @team \(stored for offline delivery\)\nIts id: [0-9a-f]{8}\n$/,
    ) as string,
  });
  const heard = await world.cli("listen -u bob --count 1");
  expect(heard.stdout).toMatch(/^\[OFFLINE [0-9:]{8}\] @team alice: shipit$/m);
  expect((await world.cli("inbox -u bob")).stdout).toMatch(/@team alice +shipit$/m);

  const file = join(world.home, "said");
  const done = await world.cli([
    "listen",
    "-u",
    "carol",
    "--once",
    "--reply",
    "always",
    "--exec",
    `env > '${file}'; echo done`,
  ]);
  expect(done.exit).toBe(0);
  expect(done.stdout).toMatch(/^[0-9a-f]{32} of @team alice: handled$/m);
  expect(await readFile(file, "utf8")).toContain("AIMESSAGE_GROUP=team\n");
  expect((await world.cli("listen -u bob --count 1")).stdout).toMatch(/@team carol: done$/m);

  const outbox = await world.cli("outbox list -u alice --all --json");
  const [{ message_id: id }] = (JSON.parse(outbox.stdout) as { messages: [{ message_id: string }] }).messages;
  const status = await world.cli(`status -u alice ${id}`);
  expect(status.stdout).toMatch(/^To: +@team$/m);
  expect(status.stdout).toMatch(/^Members: +received 2\/2, handled 2\/2$/m);
  const json = JSON.parse((await world.cli(`status -u alice ${id} --json`)).stdout) as object;
  expect(json).toMatchObject({
    to: "@team",
    status: "handled",
    recipients: { handled: ["bob", "carol"], waiting: [] },
  });

  expect(await world.cli("group leave -u carol @team")).toMatchObject({ exit: 0 });
  expect((await world.cli("group info -u alice team --json")).stdout).toContain('"admins":["alice"]');
});

test("what cannot be done with a group says why, and what to do", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const said = async (line: string) => {
    const { exit, stderr } = await world.cli(line);
    return `${exit} ${stderr.split("\n")[0]}`;
  };
  expect(await said("send -u alice -t @team -m hello")).toBe("1 Error: this agent is in no group @team");
  expect(await said("group create -u alice team bob nobody")).toBe(
    "5 Error: nobody cannot be added: there is no agent nobody at this relay",
  );
  expect(await said("group create -u alice team")).toBe("2 Error: a group needs members");
  expect(await said("group create -u alice TEAM! bob")).toBe('2 Error: "TEAM!" is no name of a group');
  expect(await said("group create -u alice team alice")).toBe("2 Error: this agent itself is named");
  expect(await said("group leave -u alice team")).toBe("1 Error: this agent is in no group @team");
});

test("whoever was just added sees so at once, and whoever looks sees what the relay had for it; without a relay it is said", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  expect(await world.cli("group create -u alice team bob")).toMatchObject({ exit: 0 });
  expect((await world.cli("group list -u bob")).stdout).toMatch(/^@team +member +2$/m);
  expect(await world.cli("group add -u alice @team carol")).toMatchObject({ exit: 0 });
  expect(JSON.parse((await world.cli("group info -u bob @team --json")).stdout)).toMatchObject({
    members: ["alice", "bob", "carol"],
  });
  expect((await world.cli("send -u carol -t @team -m here")).stdout).toMatch(/^Message sent to @team/);
  await world.stop();
  const { exit, stdout, stderr } = await world.cli("group list -u carol");
  expect({ exit, stdout, note: stderr.split(":")[0] }).toEqual({
    exit: 0,
    stdout: expect.stringMatching(/^@team /m) as string,
    note: "This is what was known last",
  });
});
