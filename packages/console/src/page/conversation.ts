/** The lines of one conversation as the page has them: each once, in the order in which they were given, without a hole. */
import type { LineView } from "../back/port.ts";

/** So many pages are read at once to get from what is new to what was there: of more than that it is begun anew. */
const MOST_PAGES = 20;

export interface Held {
  /** The oldest first. Times may be equal, or go back: only the place tells which was before. */
  messages: readonly LineView[];
  /** By their ids. */
  alerts: ReadonlyMap<string, LineView>;
}

export const NOTHING: Held = { messages: [], alerts: new Map() };

/** Reads what is new, until that touches what was there. @param ask The newest page, or the one before a message */
export async function caughtUp(
  held: () => Held,
  ask: (before: string | undefined) => Promise<readonly LineView[]>,
): Promise<Held> {
  let news = await ask(undefined);
  for (let pages = 1; ; pages++) {
    const all = joined(held(), news);
    if (all !== undefined) return all;
    const older = pages === MOST_PAGES ? [] : await ask(news.find(isMessage)?.id);
    if (older.length === 0) return added({ messages: [], alerts: held().alerts }, news);
    news = [...older, ...news];
  }
}

/** With an older page before it. */
export function withOlder({ messages, alerts }: Held, page: readonly LineView[]): Held {
  const known = new Set(messages.map(({ id }) => id));
  const older = page.filter((line) => isMessage(line) && !known.has(line.id));
  return { messages: [...older, ...messages], alerts: withAlerts(alerts, page) };
}

/** With some of its messages as they are now. */
export function withChanged({ messages, alerts }: Held, changed: readonly LineView[]): Held {
  const now = new Map(changed.map((line) => [line.id, line]));
  return { messages: messages.map((line) => now.get(line.id) ?? line), alerts };
}

/** As it is drawn: alerts where they came. */
export function drawn({ messages, alerts }: Held): LineView[] {
  const left = [...alerts.values()].sort((a, b) => b.at - a.at);
  const lines: LineView[] = [];
  for (const message of messages) {
    while ((left.at(-1)?.at ?? Infinity) < message.at) lines.push(left.pop() as LineView);
    lines.push(message);
  }
  return [...lines, ...left.toReversed()];
}

/** @returns undefined if something between them is not known */
function joined(held: Held, news: readonly LineView[]): Held | undefined {
  const [first, begin] = [news.find(isMessage), held.messages[0]];
  if (first === undefined || begin === undefined) return added(held, news);
  const at = held.messages.findIndex(({ id }) => id === first.id);
  if (at >= 0) return added({ ...held, messages: held.messages.slice(0, at) }, news);
  return news.some(({ id }) => id === begin.id) ? added({ ...held, messages: [] }, news) : undefined;
}

function added({ messages, alerts }: Held, page: readonly LineView[]): Held {
  return { messages: [...messages, ...page.filter(isMessage)], alerts: withAlerts(alerts, page) };
}

function withAlerts(alerts: Held["alerts"], page: readonly LineView[]): Held["alerts"] {
  return new Map([...alerts, ...page.flatMap((line) => (isMessage(line) ? [] : [[line.id, line] as const]))]);
}

function isMessage({ kind }: LineView): boolean {
  return kind !== "alert";
}
