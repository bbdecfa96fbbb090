import { expect, test, vi } from "vitest";
import { forASecond } from "../src/for-a-second.ts";
import { createMetrics } from "../src/metrics.ts";

const totals = { count: 3, bytes: 30, awaited: 10 };
const SAMPLE = /^(aimessage_(?:mailbox_entries|blobs|blob_bytes|blob_bytes_awaited|connections)) (.*)$/gm;

function samples(text: string): Record<string, number> {
  return Object.fromEntries([...text.matchAll(SAMPLE)].map(([, name, value]) => [name, Number(value)]));
}

test("a number that cannot be read is left out, and all others are told", async () => {
  let isAway = true;
  const unless = async <T>(value: T): Promise<T> => {
    if (isAway) throw new Error("the engine is away");
    return value;
  };
  const metrics = createMetrics(
    () => unless(7),
    async () => totals,
  );
  metrics.connections.inc();
  const rest = {
    aimessage_connections: 1,
    aimessage_blobs: 3,
    aimessage_blob_bytes: 30,
    aimessage_blob_bytes_awaited: 10,
  };
  expect(samples(await metrics.text())).toEqual(rest);
  isAway = false;
  expect(samples(await metrics.text())).toEqual({ ...rest, aimessage_mailbox_entries: 7 });
  isAway = true;
  expect(samples(await metrics.text())).toEqual(rest);
});

test("whoever asks for metrics does not wait for an engine that says nothing", async () => {
  const metrics = createMetrics(
    () => new Promise(() => {}),
    () => new Promise(() => {}),
  );
  metrics.connections.inc();
  const began = performance.now();
  expect(samples(await metrics.text())).toEqual({ aimessage_connections: 1 });
  expect(performance.now() - began).toBeLessThan(5_000);
});

test("a question that has no answer yet is not asked again, however long it takes", async () => {
  vi.useFakeTimers();
  try {
    const answers: PromiseWithResolvers<number>[] = [];
    const ask = forASecond(() => {
      const answer = Promise.withResolvers<number>();
      answers.push(answer);
      return answer.promise;
    });
    const first = ask();
    vi.advanceTimersByTime(60_000);
    const second = ask();
    expect(answers.length).toBe(1);
    answers[0]?.resolve(1);
    expect(await Promise.all([first, second])).toEqual([1, 1]);
    // The answer of a minute ago is old.
    const third = ask();
    expect(answers.length).toBe(2);
    answers[1]?.reject(new Error("away"));
    await expect(third).rejects.toThrow("away");
    void ask();
    expect(answers.length).toBe(3);
  } finally {
    vi.useRealTimers();
  }
});
