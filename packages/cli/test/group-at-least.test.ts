import { expect, test } from "vitest";
import { createWorld } from "./world.ts";

test("a wait ends when so many of a group have handled a message, and a group is made like another one", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  await world.cli("group create -u alice team bob carol");
  expect((await world.cli("listen -u bob --once")).exit).toBe(0);
  const listener = world.cli("listen -u bob --count 1");
  const sent = await world.cli("send -u alice -g team -m shipit --wait handled --at-least 1");
  expect(sent).toMatchObject({ exit: 0, stdout: "Message sent to @team (handled by 1 of 2)\n" });
  await listener;
  const json = await world.cli("send -u alice -t @team -m more --wait received --at-least 2 --timeout 0.2 --json");
  expect(json.exit).toBe(7);
  expect(JSON.parse(json.stdout || json.stderr)).toMatchObject({
    error: "timeout",
    message_id: expect.any(String) as string,
  });

  const made = await world.cli("group create -u alice ops --like @team --json");
  expect(JSON.parse(made.stdout)).toMatchObject({ name: "ops", members: ["alice", "bob", "carol"] });
});

test("what no wait for several could ever see is refused before anything is sent", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("group create -u alice team bob");
  const said = async (line: string) => {
    const { exit, stderr } = await world.cli(`send -u alice -m hello ${line}`);
    return `${exit} ${stderr.split("\n")[0]}`;
  };
  expect(await said("-t @team --at-least 1")).toBe("2 Error: --at-least needs --wait received or --wait handled");
  expect(await said("-t bob --wait handled --at-least 2")).toMatch(/^2 Error: bob is one recipient/);
  expect(await said("-t @team --wait handled --at-least 2")).toBe("2 Error: @team has 1 other member, and no 2");
  expect(await said("-t @team --wait handled --at-least none")).toMatch(/^2 Error: /);
  expect(await said("-t @team -g team")).toBe("2 Error: -t and -g exclude each other");
  expect((await world.cli("outbox -u alice --all")).stdout).not.toContain("@team");
});
