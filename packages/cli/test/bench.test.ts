import { expect, test } from "vitest";
import { createWorld } from "./world.ts";

test("bench measures a relay and leaves nothing behind", async () => {
  const world = await createWorld();
  const { exit, stdout } = await world.cli("bench --pairs 2 --window 4 --seconds 0.5 --json");
  expect(exit).toBe(0);
  const result = JSON.parse(stdout) as { messages: number; handled: { p50_ms: number } };
  expect(result).toMatchObject({ pairs: 2, size: 128, window: 4 });
  expect(result.messages).toBeGreaterThan(1);
  expect(result.handled.p50_ms).toBeGreaterThan(0);
  expect((await world.cli("whoami")).exit).toBe(3);
});

test("bench measures a group, whose members leave with it", async () => {
  const world = await createWorld();
  const { exit, stdout } = await world.cli("bench --group 4 --json");
  expect(exit).toBe(0);
  const figures = JSON.parse(stdout) as Record<"founded" | "stored" | "pushed", { ms: number }>;
  expect(figures).toMatchObject({ members: 4, founded: { bare_ms: expect.any(Number) as number } });
  expect(figures.pushed.ms).toBeGreaterThanOrEqual(figures.stored.ms);
  expect((await world.cli("bench --group 2")).exit).toBe(2);
});
