import { expect, test } from "vitest";
import { newAgent, randomGroup } from "../../server/test/agent.ts";
import { createWorld } from "./world.ts";

test("strangers who write junk fill no terminal: five warnings of a kind are printed, and doctor shows each kind", async () => {
  const world = await createWorld({ noLimits: true });
  await world.register("bob", "alice");
  expect((await world.cli("verify -u bob alice")).exit).toBe(0);
  const junk = async (name: string): Promise<void> => {
    const eve = await newAgent(world.server, name);
    using client = await eve.connect();
    const { device } = (await client.ask("lookup", { username: "bob" })).data;
    const bob = Object.assign(Object.create(eve) as typeof eve, { username: "bob", deviceId: device.id });
    for (let count = 0; count < 2; count++) await client.ask("commit", eve.opening(bob, randomGroup()));
  };
  for (let count = 0; count < 12; count++) await junk(`eve-${count}`);
  await world.register("a1ice");
  await world.cli("send -u a1ice -t bob -m hello");
  const { stderr } = await world.cli("listen -u bob --count 1 --timeout 20");
  const warnings = stderr.split("\n").filter((line) => line.startsWith("Warning: "));
  expect(warnings.filter((line) => line.includes("eve-")).length).toBe(5);
  expect(warnings.filter((line) => line.includes("aimessage -u bob doctor")).length).toBe(1);
  expect(warnings.filter((line) => line.includes("looks like")).length).toBe(1);
  const doctor = (await world.cli("doctor -u bob")).stdout;
  expect(doctor).toContain("looks like your contact alice");
  expect(doctor).toContain("and 9 more: welcome_without_key");
  expect(doctor).toContain("(2 times since ");
  const { alerts } = JSON.parse((await world.cli("doctor -u bob --json")).stdout) as { alerts: object[] };
  expect(alerts.length).toBe(13);
});
