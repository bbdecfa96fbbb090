/** What owners are told of their groups: by the names that these have here, with commands that can be pasted. */
import { expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { createWorld, type World } from "./world.ts";

/** Exit code, error and hint of a command line. */
async function saidIn(world: World, line: string): Promise<string[]> {
  const { exit, stderr } = await world.cli(line);
  return [String(exit), ...stderr.split("\n").filter((each) => /^(Error|Hint): /.test(each))];
}

/** Agents of a home, and a group of the first with the others. */
async function groupOf(...names: [string, ...string[]]): Promise<World> {
  const world = await createWorld({ noLimits: true });
  await world.register(...names);
  const [first, ...others] = names;
  const made = await world.cli(["group", "create", "-u", first, "team", ...others]);
  expect(made.exit).toBe(0);
  return world;
}

test("a group whose name another one has is named as it is called here, and its hints can be pasted", async () => {
  const world = await groupOf("alice", "bob");
  const second = await world.cli("group create -u alice team bob");
  expect(second.stdout).toBe("@team~2 created: 2 members\n");
  expect(second.stderr).toBe(
    "Another group is called @team here, so this one is @team~2: aimessage -u alice send -t @team~2 -m TEXT\n",
  );
  const only = "Hint: make another member one first: aimessage -u alice group promote @team~2 bob";
  const alone = ["1", "Error: this agent is the only admin of @team~2", only];
  expect(await saidIn(world, "group leave -u alice @team~2")).toEqual(alone);
  expect(await saidIn(world, "group demote -u alice @team~2 alice")).toEqual([
    "1",
    "Error: this agent is the only admin of @team~2",
    only,
  ]);
  expect(await saidIn(world, "group demote -u alice @team~2 alice bob")).toEqual([
    "1",
    "Error: @team~2 needs an admin",
    "Hint: leave out one of those you have named",
  ]);
  expect((await world.cli("listen -u bob --once")).exit).toBe(0);
  expect(await saidIn(world, "group add -u bob @team~2 alice")).toEqual([
    "1",
    "Error: only an admin of @team~2 may do this",
    "Hint: ask one of them: alice",
  ]);

  const renamed = await world.cli("group rename -u alice @team~2 two");
  expect(renamed).toMatchObject({ stdout: "@team~2 is called @two now: 2 members\n", stderr: "" });
  const back = await world.cli("group rename -u alice @two team");
  expect(back.stdout).toBe("@two is called @team~2 now: 2 members\n");
  expect(back.stderr).toContain("Another group is called @team here, so this one is @team~2: ");
  const same = await world.cli("group rename -u alice @team~2 team --json");
  expect(JSON.parse(same.stdout)).toMatchObject({ name: "team~2" });
  expect((await world.cli("group rename -u alice @team~2 team")).stdout).toBe(
    "Nothing changed: it is called @team~2 here already\n",
  );
});

test("a change says what was done, or that nothing was", async () => {
  const world = await groupOf("alice", "bob", "carol");
  const said = async (line: string) => (await world.cli(line)).stdout;
  await world.register("dave");
  expect(await said("group add -u alice @team dave")).toBe("dave was added to @team: 4 members\n");
  expect(await said("group promote -u alice team Bob dave")).toBe("bob and dave are admins of @team\n");
  expect(await said("group promote -u alice team bob")).toBe("Nothing changed: bob is an admin of @team already\n");
  expect(await said("group demote -u alice team bob")).toBe("bob is no admin of @team any more\n");
  expect(await said("group demote -u alice team bob")).toBe("Nothing changed: bob is no admin of @team\n");
  expect(await said("group demote -u alice team dave")).toBe("dave is no admin of @team any more\n");
  expect(await said("group remove -u alice team bob carol")).toBe("bob and carol were removed from @team: 2 members\n");
  expect(await said("group remove -u alice team dave")).toBe("dave was removed from @team: 1 member\n");

  expect(await saidIn(world, "send -u alice -t @team -m hello")).toEqual([
    "1",
    "Error: @team has no other members",
    "Hint: nothing was sent; add one: aimessage -u alice group add @team NAME",
  ]);
  expect((await world.cli("outbox -u alice --all")).stdout).toBe("No messages.\n");
});

test("a change that cannot be made names who is meant, and the command that can be given", async () => {
  const world = await groupOf("alice", "bob", "carol");
  const said = (line: string) => saidIn(world, line);
  expect(await said("group remove -u alice team zed carol")).toEqual([
    "1",
    "Error: zed is no member of @team",
    "Hint: nothing was changed; without zed: aimessage -u alice group remove @team carol",
  ]);
  expect(await said("group add -u alice team bob")).toEqual([
    "1",
    "Error: bob is a member of @team already",
    "Hint: nothing was changed; who is in it: aimessage -u alice group info @team",
  ]);
  expect(await said("group promote -u alice team zed")).toEqual([
    "1",
    "Error: zed is no member of @team",
    "Hint: add zed first: aimessage -u alice group add @team zed",
  ]);
  await world.cli("group promote -u alice team bob");
  expect(await said("group remove -u alice team bob")).toEqual([
    "1",
    "Error: bob is an admin of @team",
    "Hint: demote bob first: aimessage -u alice group demote @team bob",
  ]);
  expect(await said("group add -u alice team dave")).toEqual([
    "5",
    "Error: dave cannot be added: there is no agent dave at this relay",
    "Hint: check the spelling, or have dave register first; nothing of the change was made",
  ]);
  expect(await said("group remove -u alice team alice")).toEqual([
    "2",
    "Error: this agent itself is named",
    "Hint: to leave: aimessage -u alice group leave @team",
  ]);
});

test.each([
  ["My Team", "my-team"],
  ["équipe!", "equipe"],
  ["x".repeat(40), "x".repeat(32)],
  ["--Ops--", "ops"],
  ["!", undefined],
  ["", undefined],
])("%j is no name of a group, and %s is suggested", async (name, near) => {
  const world = await createWorld();
  await world.register("alice");
  const { exit, stderr } = await world.cli(["group", "create", "-u", "alice", "--", name, "bob"]);
  const suggested = near === undefined ? "" : `, such as ${near}`;
  expect({ exit, stderr }).toEqual({
    exit: 2,
    stderr: `Error: "${name}" is no name of a group\nHint: lower case and no spaces: 2 to 32 of a-z, 0-9, dash and underscore${suggested}\n`,
  });
});

test.each([
  ["kick @team bob", "remove"],
  ["show @team", "info"],
  ["delete @team", "leave"],
  ["members", "info"],
  ["invite @team dave", "add"],
  ["promte @team bob", "promote"],
])("group %s is no command, and the nearest one is named", async (line, near) => {
  const world = await createWorld();
  await world.register("alice");
  const { exit, stderr } = await world.cli(`group ${line}`);
  expect(exit).toBe(2);
  expect(stderr).toContain(`Error: unknown command 'group ${line.split(" ")[0]}'\n`);
  expect(stderr).toContain(`Hint: did you mean: aimessage group ${near}; group has the commands create, add,`);
});

test("whoever writes to a group that it has left, that is called otherwise now, or without its @, is told so", async () => {
  const world = await groupOf("alice", "bob", "carol");
  const said = (line: string) => saidIn(world, line);
  expect(await said("send -u alice -t team -m hello")).toEqual([
    "5",
    expect.stringMatching(/^Error: message \w+ to team was refused by the relay: unknown user$/),
    "Hint: a group is called so here, and is written to as @team",
  ]);
  await world.cli("send -u alice -t @team -m one");
  await world.cli("group rename -u alice @team two");
  expect(await said("send -u alice -t @team -m two")).toEqual([
    "1",
    "Error: @team has another name now",
    "Hint: it is called @two: aimessage -u alice group info @two",
  ]);
  expect((await world.cli("listen -u bob --once")).exit).toBe(0);
  expect((await world.cli("group leave -u bob @two")).exit).toBe(0);
  expect(await said("send -u bob -t @two -m three")).toEqual([
    "1",
    "Error: this agent is not in @two any more: it has left, or was removed",
    "Hint: an admin of it can add this agent: alice",
  ]);
  expect(await said("status -u alice @two")).toEqual([
    "2",
    "Error: @two is a group, and status is of a message",
    "Hint: see: aimessage -u alice group info @two",
  ]);
});

test("a wait for a group that takes too long says who has handled the message and who has not", async () => {
  const world = await groupOf("alice", "bob", "carol");
  await world.cli("send -u alice -t @team -m one");
  expect((await world.cli("listen -u bob --count 1")).exit).toBe(0);
  const sent = await world.cli("send -u alice -t @team -m two --wait handled --timeout 0.1 --json");
  const { message_id: id } = JSON.parse(sent.stderr) as { message_id: string };
  expect(await saidIn(world, "send -u alice -t @team -m three --wait handled --timeout 0.1")).toEqual([
    "7",
    expect.stringMatching(/^Error: /),
    expect.stringMatching(/no word yet from bob, carol; see: aimessage -u alice status [0-9a-f]{8}$/),
  ]);
  expect((await world.cli(`status -u alice ${id.slice(0, 8)}`)).stdout).toMatch(/^Waiting: +bob, carol$/m);
});

test("a change that the relay cannot be told is kept, says so, and is made when the relay is there", async () => {
  const world = await groupOf("alice", "bob", "carol");
  await world.register("dave");
  const kept =
    "the change is kept, and made while a command such as listen runs and the relay is there: aimessage -u alice group list shows it";
  const away = { env: { AIMESSAGE_SERVER: "ws://127.0.0.1:9" } };
  const added = await world.cli("group add -u alice @team dave --timeout 1", away);
  expect(added.exit).toBe(4);
  expect(added.stderr).toContain(kept);
  expect((await world.cli("group list -u alice", away)).stdout).toMatch(/^@team +1 change waiting +admin +3$/m);
  const created = await world.cli("group create -u alice ops bob --timeout 1", away);
  expect(created.stderr).toContain(kept);
  const end = new AbortController();
  const listener = world.cli("listen -u alice", { interrupted: end.signal });
  const groups = async () => (await world.cli("group list -u alice")).stdout;
  await eventually("both are made", async () => /^@ops +admin +2$.*^@team +admin +4$/ms.test(await groups()));
  end.abort("SIGINT");
  await listener;
});

test("an invitation is told with the commands for it, as they are typed here, and one that is refused is no group that was left", async () => {
  const world = await createWorld({ noLimits: true });
  await world.register("alice", "bob", "carol");
  await world.cli("requests -u bob policy contacts");
  await world.cli("group create -u alice news bob carol");
  await world.cli("group create -u alice ops bob carol");
  await world.cli("listen -u bob --once");
  const env = { npm_command: "exec", npm_lifecycle_script: "aimessage" };
  const { stdout, stderr } = await world.cli("group -u bob", { env });
  expect(stdout).toMatch(/^@news +invited +3$/m);
  expect(stdout).toMatch(/^alice invites this agent to @news\.\nalice invites this agent to @ops\.$/m);
  for (const name of ["news", "ops"])
    expect(stderr).toContain(
      `To join @${name}, or not: npx aimessage -u bob group accept @${name}; npx aimessage -u bob group refuse @${name}\n`,
    );
  expect((await world.cli("group list -u bob --json")).stderr).toBe("");
  expect((await world.cli("group refuse -u bob news")).stdout).toBe("The invitation to @news is refused.\n");
  expect((await world.cli("group accept -u bob ops --yes")).stdout).toBe("This agent is in @ops: 3 members\n");
  const unmeant = await world.cli("group accept -u bob ops", { stdin: "" });
  expect(unmeant).toMatchObject({ exit: 2, stderr: expect.stringContaining("give --yes if it is meant") as string });
});
