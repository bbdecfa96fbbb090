/** The keys by which one moves: j, k, r, / and Esc, where nothing is typed. */

export interface Moves {
  next?: () => void;
  previous?: () => void;
  reply?: () => void;
  /** Whether these moves are meant just now. */
  isFor: () => boolean;
}

const all: Moves[] = [];

/** From one of these elements to the next, or the one before. */
export function moveFocus(selector: string, by: number): void {
  const places = [...document.querySelectorAll<HTMLElement>(selector)];
  const at = places.indexOf(document.activeElement as HTMLElement);
  places[Math.max(0, Math.min(places.length - 1, at + by))]?.focus();
}

/** @returns how they are not followed any more */
export function followKeys(moves: Moves): () => void {
  all.push(moves);
  return () => void all.splice(all.indexOf(moves), 1);
}

/** @param search Where one searches @param leave What Esc leaves */
export function listenForKeys(search: () => void, leave: () => void): void {
  addEventListener("keydown", (event) => {
    if (
      event.defaultPrevented ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      document.querySelector("dialog[open]")
    )
      return;
    const { target } = event;
    if (target instanceof HTMLElement && target.matches("input, textarea, select")) return;
    const moves = all.findLast(({ isFor }) => isFor());
    const does = { j: moves?.next, k: moves?.previous, r: moves?.reply, "/": search, Escape: leave }[event.key];
    if (does === undefined) return;
    event.preventDefault();
    does();
  });
}
