/** A long list of which only what can be seen is in the page. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

/** What a row is taken to be high until it was seen, and what is in the page above and below what can be seen. Pixels. */
const GUESSED = 88;
const AROUND = 800;
/** Nearer to the end than this is at the end; nearer to the beginning, and more is asked for. Pixels. */
const NEAR = 120;

interface Props<T> {
  items: readonly T[];
  keyOf: (item: T) => string;
  row: (item: T) => ComponentChildren;
  label: string;
  /** The row that is to be seen. */
  shown: string | undefined;
  /** Called when the beginning is near. */
  onBeginning: () => void;
}

export function WindowList<T>({ items, keyOf, row, label, shown, onBeginning }: Props<T>): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const heights = useRef(new Map<string, number>());
  /** What stays where it is when rows come before it: the first that is seen, and how far it is from the top. */
  const anchor = useRef<{ key: string; by: number } | undefined>(undefined);
  const isAtEnd = useRef(true);
  const view = useSignal({ top: Infinity, height: 600 });
  const measured = useSignal(0);
  void measured.value;

  const tops: number[] = [0];
  for (const item of items) tops.push((tops.at(-1) ?? 0) + (heights.current.get(keyOf(item)) ?? GUESSED));
  const total = tops.at(-1) ?? 0;
  const top = Math.min(view.value.top, Math.max(0, total - view.value.height));
  const first = Math.max(0, lastBelow(tops, top - AROUND));
  const end = Math.min(items.length, lastBelow(tops, top + view.value.height + AROUND) + 1);

  // The height of each row is known when it is there.
  const sizes = useRef<ResizeObserver | undefined>(undefined);
  sizes.current ??= new ResizeObserver((entries) => {
    let isNews = false;
    for (const { target } of entries) {
      const { key = "" } = (target as HTMLElement).dataset;
      const height = (target as HTMLElement).offsetHeight;
      if (height === 0 || heights.current.get(key) === height) continue;
      heights.current.set(key, height);
      isNews = true;
    }
    if (isNews) measured.value += 1;
  });
  useEffect(() => () => sizes.current?.disconnect(), []);

  /** Where this has scrolled to itself: that is no choice of whoever looks. */
  const own = useRef(-1);
  const scroll = (element: HTMLElement, to: number): void => {
    if (Math.abs(element.scrollTop - to) <= 1) return;
    element.scrollTop = to;
    own.current = element.scrollTop;
  };
  const at = shown === undefined ? -1 : items.findIndex((item) => keyOf(item) === shown);
  useLayoutEffect(() => {
    const element = box.current;
    if (shown === undefined || at === -1 || element === null) return;
    const [from, to] = [tops[at] ?? 0, tops[at + 1] ?? 0];
    if (from >= element.scrollTop && to <= element.scrollTop + element.clientHeight) return;
    isAtEnd.current = false;
    anchor.current = { key: shown, by: -NEAR };
  }, [shown, at === -1]);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    if (isAtEnd.current) return scroll(element, total);
    const { key, by = 0 } = anchor.current ?? {};
    const at = key === undefined ? -1 : items.findIndex((item) => keyOf(item) === key);
    if (at >= 0) scroll(element, Math.max(0, (tops[at] ?? 0) + by));
  });

  const look = (): void => {
    const element = box.current;
    if (element === null) return;
    const { scrollTop, clientHeight } = element;
    view.value = { top: scrollTop, height: clientHeight };
    if (scrollTop < NEAR * 5) onBeginning();
    if (Math.abs(scrollTop - own.current) <= 1) return;
    own.current = -1;
    isAtEnd.current = scrollTop + clientHeight > total - NEAR;
    const at = Math.max(0, lastBelow(tops, scrollTop));
    const item = items[at];
    anchor.current = item === undefined ? undefined : { key: keyOf(item), by: scrollTop - (tops[at] ?? 0) };
  };
  useEffect(look, [items.length === 0]);

  return (
    <div class="window" ref={box} onScroll={look} role="list" aria-label={label}>
      <div style={{ height: `${tops[first] ?? 0}px` }} />
      {items.slice(first, end).map((item) => (
        <div
          key={keyOf(item)}
          data-key={keyOf(item)}
          role="listitem"
          ref={(element) => {
            if (element !== null) sizes.current?.observe(element);
          }}
        >
          {row(item)}
        </div>
      ))}
      <div style={{ height: `${Math.max(0, total - (tops[end] ?? 0))}px` }} />
    </div>
  );
}

/** The last place whose top is not below. */
function lastBelow(tops: readonly number[], at: number): number {
  let [low, high] = [0, tops.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((tops[middle] ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
