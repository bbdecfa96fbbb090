/** What was meant by the name of a command that is not there. */

/** Words that others have for the same; the first that is there is meant. */
const MEANT: Readonly<Record<string, readonly string[]>> = {
  ban: ["block", "remove"],
  decline: ["refuse"],
  delete: ["leave", "discard", "remove"],
  destroy: ["leave", "discard"],
  exit: ["leave"],
  get: ["info", "show", "list"],
  invite: ["add"],
  join: ["accept"],
  kick: ["remove"],
  ls: ["list"],
  members: ["info", "list"],
  mv: ["rename"],
  new: ["create", "add"],
  quit: ["leave"],
  reject: ["refuse"],
  rm: ["remove", "discard"],
  show: ["info", "list"],
  status: ["info", "show", "list"],
  view: ["info", "show", "list"],
  who: ["info", "list"],
};

/** How many letters of a word may be other ones, or missing. */
const MISTYPED = 2;

export function nearest(named: string, names: readonly string[]): string | undefined {
  const word = named.toLowerCase();
  const meant = Object.hasOwn(MEANT, word) ? MEANT[word]?.find((each) => names.includes(each)) : undefined;
  if (meant !== undefined) return meant;
  const [closest] = names
    .map((name) => ({ name, distance: distance(word, name) }))
    .filter(({ name, distance }) => distance <= MISTYPED && distance < name.length / 2)
    .toSorted((a, b) => a.distance - b.distance);
  return closest?.name;
}

/** How many letters have to be changed, added or taken out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
