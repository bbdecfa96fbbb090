import { useSignal } from "@preact/signals";
import type { JSX } from "preact";

/** Things that are drawn at once, and how many more each time that more are asked for: whoever has many must not make the page stand still. */
const SHOWN = 200;

/** The beginning of a list, and the button by which more of it is asked for, if there is more. */
export function useCapped<T>(items: readonly T[] = []): { shown: readonly T[]; more: JSX.Element | null } {
  const most = useSignal(SHOWN);
  const left = items.length - most.value;
  const more =
    left <= 0 ? null : (
      <p>
        <button type="button" class="quiet" onClick={() => (most.value += SHOWN)}>
          Show more ({left})
        </button>
      </p>
    );
  return { shown: items.slice(0, most.value), more };
}
