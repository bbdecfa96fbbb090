// Many who wait for the same thing.
import { expect, onTestFinished, test, vi } from "vitest";
import { WaitingRoom } from "../src/waiting-room.ts";

test("however many wait, one timer looks for them, and they go in their order while there is room", () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let room = 0;
  let looks = 0;
  const gone: number[] = [];
  const waiting = new WaitingRoom<number>({
    lookMs: 50,
    isOpen: () => {
      looks += 1;
      return room > 0;
    },
    go(who) {
      room -= 1;
      gone.push(who);
      // The first one needs more than there is at once.
      if (gone.length === 1) waiting.add(who);
    },
  });
  for (let who = 0; who < 1000; who++) waiting.add(who % 500);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(500);
  expect([looks, gone.length]).toEqual([10, 0]);
  room = 2;
  vi.advanceTimersByTime(100);
  expect(gone).toEqual([0, 1]);
  room = 1000;
  vi.advanceTimersByTime(50);
  expect(gone).toHaveLength(501);
  expect(gone.slice(-2)).toEqual([499, 0]);
  expect(vi.getTimerCount()).toBe(0);
});
