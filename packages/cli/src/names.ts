/** Names in sentences. */

/** `bob`, `bob and carol`, `bob, carol and dave`. */
export function together(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** `bob, carol and 3 more`, where there are more than are named. */
export function someOf(names: readonly string[], most: number): string {
  const more = names.length - most;
  return names.slice(0, most).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
