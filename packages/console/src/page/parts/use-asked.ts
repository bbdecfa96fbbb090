import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Back, Problem } from "../../back/port.ts";
import { back, explained, revision } from "../state.ts";

/**
 * What was asked for, as it is now: asked again when something has changed, or `what` has. One question at a time.
 * @param every What changes something itself is asked again after so many milliseconds instead
 */
export function useAsked<T>(
  what: string,
  ask: (from: Back) => Promise<T>,
  every?: number,
): { value: T | undefined; problem: Problem | undefined } {
  const answer = useSignal<{ what: string; value?: T; problem?: Problem }>({ what });
  const state = useRef({ isAsking: false, isDue: false, what, ask });
  state.current.what = what;
  state.current.ask = ask;
  const look = async (): Promise<void> => {
    const now = state.current;
    now.isDue = true;
    if (now.isAsking) return;
    now.isAsking = true;
    while (now.isDue) {
      now.isDue = false;
      const [asked, from] = [now.what, back.peek()];
      if (from === undefined) break;
      try {
        const value = await now.ask(from);
        if (now.what === asked) answer.value = { what: asked, value };
      } catch (error) {
        if (now.what === asked) answer.value = { ...answer.peek(), what: asked, problem: explained(error) };
      }
    }
    now.isAsking = false;
  };
  useSignalEffect(() => {
    if (every === undefined) void revision.value;
    void look();
  });
  const before = useRef(what);
  useEffect(() => {
    if (before.current !== what) void look();
    before.current = what;
    const timer = every === undefined ? undefined : setInterval(() => void look(), every);
    return () => clearInterval(timer);
  }, [what]);
  const { what: of, value, problem } = answer.value;
  // Of somebody else nothing is shown, not for a moment.
  return of === what ? { value, problem } : { value: undefined, problem: undefined };
}
