/** Of an id as a person sees it. Six are enough to type one; with so many two are hardly ever alike. */
const SHOWN = 8;

/** An id as it is shown where somebody may type it: of one at random its beginning, and whole if a program has chosen it. */
export function shortId(id: string): string {
  return /^[0-9a-f]{32}$/.test(id) ? id.slice(0, SHOWN) : id;
}
