import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";

/** Things that are drawn at once, and how many more each time that more are asked for: whoever has many must not make the page stand still. */
const SHOWN = 200;

/** A list of which only the beginning is drawn, until more is asked for. */
export function Capped<T>({ items, row }: { items: readonly T[]; row: (item: T) => ComponentChildren }): JSX.Element {
  const most = useSignal(SHOWN);
  const left = items.length - most.value;
  return (
    <>
      {items.slice(0, most.value).map(row)}
      {left > 0 && (
        <p>
          <button type="button" class="quiet" onClick={() => (most.value += SHOWN)}>
            Show more ({left})
          </button>
        </p>
      )}
    </>
  );
}
