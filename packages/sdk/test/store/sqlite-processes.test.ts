/** What several processes do to one store, and what is left when one of them is killed. */
import { describe, expect, it } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { Random, seed } from "../random.ts";
import { newFolder, openStore } from "./folder.ts";
import { startChild } from "./process.ts";

describe("several processes", () => {
  it("four that write 200 increments each lose none", async () => {
    const folder = newFolder();
    const children = await Promise.all(Array.from({ length: 4 }, () => startChild(folder, "increment", "200")));
    expect(await Promise.all(children.map(({ exit }) => exit))).toEqual([0, 0, 0, 0]);
    const store = await openStore(folder);
    expect(await store.read((tx) => tx.get("count"))).toBe("800");
    expect(await store.read((tx) => tx.list({ prefix: "by/" }))).toHaveLength(800);
  });

  it(`kill -9 in the midst of writing leaves a whole transaction or none (seed ${seed})`, async () => {
    const folder = newFolder();
    const store = await openStore(folder);
    const random = new Random();
    let last = 0;
    for (let round = 0; round < 6; round++) {
      const child = await startChild(folder, "pairs");
      await new Promise((resolve) => {
        setTimeout(resolve, random.int(40));
      });
      child.process.kill("SIGKILL");
      // At once, while the system still cleans up behind it.
      const early = await store.read(async (tx) => [await tx.get("left"), await tx.get("right")]);
      expect(early[0] === early[1]).toBe(true);
      await child.exit;
      const [left, right] = await store.read(async (tx) => [await tx.get("left"), await tx.get("right")]);
      expect(left === right).toBe(true);
      expect(left).toBeTypeOf("string");
      last = Math.max(last, Number.parseInt(left as string, 10));
    }
    expect(last).toBeGreaterThan(1);
    await store.write((tx) => tx.put("left", "still writable"));
  });
});

describe("the link", () => {
  it("is free the moment that its holder is killed by kill -9", async () => {
    const folder = newFolder();
    const store = await openStore(folder);
    const child = await startChild(folder, "link");
    expect(await store.takeLink("test")).toBeUndefined();
    expect(await store.linkHolder()).toEqual({ pid: child.process.pid, role: "the child", stopped: false });
    child.process.kill("SIGKILL");
    await child.exit;
    const lock = await store.takeLink("test");
    expect(lock).toBeDefined();
    expect(await store.linkHolder()).toEqual({ pid: process.pid, role: "test", stopped: false });
    await lock?.release();
  });

  it.runIf(process.platform === "linux")("names a holder that is stopped, until it goes on", async () => {
    const folder = newFolder();
    const store = await openStore(folder);
    const child = await startChild(folder, "link");
    child.process.kill("SIGSTOP");
    await eventually("it is called stopped", async () => (await store.linkHolder())?.stopped === true);
    expect(await store.takeLink("test")).toBeUndefined();
    child.process.kill("SIGCONT");
    await eventually("it is called stopped no more", async () => (await store.linkHolder())?.stopped === false);
  });

  it.runIf(process.platform === "linux")(
    "names a holder that was stopped within a transaction to those who want to write",
    { tags: ["long"] },
    async () => {
      const folder = newFolder();
      const store = await openStore(folder);
      const child = await startChild(folder, "link and transaction");
      child.process.kill("SIGSTOP");
      await expect(store.write((tx) => tx.put("a", "1"))).rejects.toMatchObject({
        code: "timeout",
        message: `process ${child.process.pid} (the child) holds the link and is stopped`,
      });
      child.process.kill("SIGKILL");
      await child.exit;
      await store.write((tx) => tx.put("a", "1"));
    },
  );
});
