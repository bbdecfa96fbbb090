// What a wrong clock would delete is gone for good: a jump of the system's clock is no proof that time has passed.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createRelay } from "../src/index.ts";
import { SteadyClock } from "../src/config/steady-clock.ts";
import { newAgent, randomGroup } from "./agent.ts";
import { tokenClient } from "./raw-client.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 3600 * 1000;

describe("the relay's clock", () => {
  let real = 0;
  let wrong = 0;
  let suspended = 0;
  let jumps: number[] = [];
  let clock: SteadyClock;
  beforeEach(() => {
    vi.useFakeTimers();
    [real, wrong, suspended, jumps] = [1_800_000_000_000, 0, 0, []];
    clock = new SteadyClock(
      () => real + wrong,
      () => real - 1_700_000_000_000 - suspended,
      (ahead) => jumps.push(ahead),
    );
  });
  afterEach(() => {
    clock[Symbol.dispose]();
    vi.useRealTimers();
  });
  const pass = (milliseconds: number): void => {
    for (let left = milliseconds; left > 0; left -= 1000) {
      real += Math.min(1000, left);
      vi.advanceTimersByTime(1000);
    }
  };

  test.each([30 * DAY_MS, -30 * DAY_MS, 2 * MINUTE_MS])(
    "goes on over a jump of %d ms that is set right again",
    (jump) => {
      pass(5_000);
      wrong = jump;
      expect(clock.now()).toBe(real);
      pass(9 * MINUTE_MS);
      expect(clock.now()).toBe(real);
      wrong = 0;
      expect(clock.now()).toBe(real);
      pass(20 * MINUTE_MS);
      expect([clock.now(), jumps]).toEqual([real, [jump, 0]]);
    },
  );

  test("believes a new time that has held for ten minutes, and none that goes on jumping", () => {
    for (wrong of [DAY_MS, 2 * DAY_MS, 3 * DAY_MS]) {
      pass(9 * MINUTE_MS);
      expect(clock.now()).toBe(real);
    }
    pass(2 * MINUTE_MS);
    expect(clock.now()).toBe(real + 3 * DAY_MS);
    expect(jumps).toEqual([DAY_MS, 2 * DAY_MS, 3 * DAY_MS, 0]);
    // Back to the right time is a jump like any other.
    wrong = 0;
    expect(clock.now()).toBe(real + 3 * DAY_MS);
    pass(11 * MINUTE_MS);
    expect(clock.now()).toBe(real);
  });

  test("follows a clock that is set bit by bit, and a machine that wakes up", () => {
    for (let count = 0; count < 100; count++) {
      wrong += 2_000;
      pass(5_000);
      expect(clock.now()).toBe(real + wrong);
    }
    real += 8 * 3600 * 1000;
    expect(clock.now()).toBe(real + wrong);
    expect(jumps).toEqual([]);
  });

  test("takes a pause that even the system's uptime does not know for a jump, and believes it after ten minutes", () => {
    suspended = 3600 * 1000;
    real += suspended;
    expect(clock.now()).toBe(real - suspended);
    pass(11 * MINUTE_MS);
    expect(clock.now()).toBe(real);
  });
});

test("a relay whose clock is 30 days ahead for seconds deletes, expires and withholds nothing", async () => {
  let ahead = 0;
  await using relay = await createRelay({
    port: 0,
    store: "memory",
    noLimits: true,
    clock: () => Date.now() + ahead,
  });
  const alice = await newAgent(relay.url, "alice");
  const bob = await newAgent(relay.url, "bob");
  using a = await alice.connect();
  const group = randomGroup();
  await a.ask("listen");
  await a.ask("commit", alice.opening(bob, group, [{ message_id: "m1" }]));
  const inAnHour = Date.now() + 3600 * 1000;
  const send = (id: string) =>
    a.ask("send", { to: "bob", message: "eA==", group_id: group, epoch: 1, message_id: id, expires_at: inAnHour });
  await send("m2");
  ahead = 100 * DAY_MS;
  expect((await send("m3")).data.status).toBe("stored_offline");
  expect((await a.ask("info")).data.time).toBeLessThan(inAnHour);
  expect((await a.ask("claim_keys", { username: "bob" })).type).toBe("keys");
  using b = await bob.connect();
  const { log_id } = (await b.ask("listen")).data;
  const got = [];
  for (let count = 0; count < 4; count++) got.push((await b.read()).data);
  expect(got.map(({ message_id }) => message_id)).toEqual([got[0]?.message_id, "m1", "m2", "m3"]);
  ahead = 0;
  expect((await b.ask("received", { log_id, seq: got[3]?.seq })).data.status).toBe("received");
  expect((await send("m4")).data.status).toBe("delivered");
  expect(Math.abs((await a.ask("info")).data.time - Date.now())).toBeLessThan(MINUTE_MS);
  expect(a.unread).toEqual([]);
});

test("agents whose relay believes a new time log in again, and measure it anew [P-1.6]", async () => {
  const [startedAt, hour] = [Date.now(), 3600 * 1000];
  let [ahead, passed] = [0, 0];
  await using relay = await createRelay({
    port: 0,
    store: "memory",
    noLimits: true,
    clock: () => startedAt + passed + ahead,
    uptime: () => passed,
  });
  const alice = await newAgent(relay.url, "alice");
  using a = await alice.connect();
  using plain = await tokenClient(relay.url, "plain");
  ahead = 8 * hour;
  expect((await a.ask("info")).data.time).toBeLessThan(startedAt + hour);
  passed = 11 * MINUTE_MS;
  await plain.ask("info");
  expect((await a.closed).code).toBe(1001);
  expect((await plain.ask("info")).data.time).toBe(startedAt + passed + ahead);
  using again = await alice.connect();
  expect((await again.ask("info")).data.time).toBe(startedAt + passed + ahead);
});
