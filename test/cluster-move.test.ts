/** Agents whose relay moves into a cluster, and back. */
import { expect, test } from "vitest";
import { commandHere } from "../packages/server/test/console.ts";
import { caughtUp, follow, World } from "../packages/sdk/test/scenario/world.ts";
import { hasPostgres, database } from "./postgres.ts";
import { gathered, hears, texts } from "../packages/sdk/test/scenario/members.ts";

test.runIf(hasPostgres)(
  "agents talk on after their relay has moved into a cluster, and back: they notice a reconnect",
  async () => {
    const store = (await database()) as `postgres://${string}`;
    await using world = await World.create();
    const [first, second] = [world.folder(), world.folder()];
    await world.stopRelay();
    const inFolder = (db: string) => world.startRelay({ store: "sqlite", db, noLimits: true });
    const inCluster = () => world.startRelay({ store, drain: 0, noLimits: true });
    await inFolder(first);

    const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
    const dave = await world.open("dave");
    await dave.sync();
    await dave.close();
    await (await alice.agent.send("bob", "before")).handled();
    const waiting = await alice.agent.send("dave", "waits");
    await waiting.stored();
    await Promise.all([alice, bob, carol].map(({ agent }) => caughtUp(agent)));

    await world.stopRelay();
    expect(await commandHere("migrate", "--db", first, "--store", store)).toMatchObject({ code: 0 });
    await alice.agent.send("bob", "meanwhile");
    await inCluster();
    await (await bob.agent.send("alice", "in the cluster")).handled();
    await carol.agent.send("@team", "to all");

    await Promise.all([alice, bob, carol].map(({ agent }) => caughtUp(agent)));
    await world.stopRelay();
    expect(await commandHere("migrate", "--back", "--db", second, "--store", store)).toMatchObject({ code: 0 });
    await inFolder(second);
    await alice.agent.send("@team", "at home");
    const again = await world.open("dave");
    const got = follow(again);
    await waiting.handled();

    await hears(
      bob,
      "@undefined alice: before",
      "@undefined alice: meanwhile",
      "@team carol: to all",
      "@team alice: at home",
    );
    await hears(alice, "@undefined bob: in the cluster", "@team carol: to all");
    await hears(carol, "@team alice: at home");
    expect(texts({ agent: again, got })).toEqual(["@undefined alice: waits"]);
    for (const { agent } of [alice, bob, carol]) expect(await agent.alerts()).toEqual([]);
  },
);
