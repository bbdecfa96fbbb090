import type { Link } from "../link/link.ts";
import { LOOKED_AT, type News, newsOf } from "../records/news.ts";
import { find, pad } from "../records/records.ts";
import { namesOfTeams } from "../records/team-names.ts";
import type { ContactRecord, InboxRecord, PeerStanding } from "../records/tables.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import { standingOf } from "../trust/standing.ts";
import { Changes } from "./waiting.ts";

/** How long what comes together is gathered. Milliseconds. */
const GATHER_MS = 300;
/** The longest time without a look. Milliseconds. */
const LOOK_MS = 5_000;

/** News of what waits behind a place of the inbox; undefined if nothing does. */
export async function readNews(tx: ReadTransaction, after: number): Promise<News | undefined> {
  const prefix = "unhandled/";
  const keys = await tx.list({ prefix, after: prefix + pad(after), limit: LOOKED_AT + 1 });
  const rows: (InboxRecord | null)[] = [];
  const about: Map<string, { contact: ContactRecord | undefined; standing: PeerStanding | undefined }> = new Map();
  for (const [key] of keys.slice(0, LOOKED_AT)) {
    const row = (await find(tx, "in/", key.slice(prefix.length))) ?? null;
    rows.push(row);
    if (row !== null && !about.has(row.from))
      about.set(row.from, { contact: await find(tx, "contact/", row.from), standing: await standingOf(tx, row.from) });
  }
  const [last] = await tx.list({ prefix, reverse: true, limit: 1 });
  const position = last === undefined ? after : Number(last[0].slice(prefix.length));
  const requests = (await tx.list({ prefix: "holding/consent/" })).length;
  const isOfGroups = rows.some((row) => row?.team !== undefined);
  const groupNames = isOfGroups ? await namesOfTeams(tx) : new Map<string, string>();
  return newsOf({ rows, about, groupNames, position, more: keys.length > LOOKED_AT, requests }, Date.now());
}

/** News of what waits, and then of what comes, each batch once. Ends when `signal` aborts. */
export async function* followNews(
  store: ClientStore,
  link: Link,
  signal?: AbortSignal,
): AsyncGenerator<News, void, undefined> {
  await link.begin();
  const changes = new Changes(store, link, signal);
  let told = 0;
  try {
    while (signal?.aborted !== true) {
      const look = () => store.read((tx) => readNews(tx, told));
      if ((await look()) === undefined) {
        if (link.state.state === "stopped") throw link.state.error;
        await changes.next(LOOK_MS);
        continue;
      }
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      const news = await look();
      // Somebody may have handled all of it meanwhile.
      if (news === undefined) continue;
      told = news.position;
      yield news;
    }
  } finally {
    changes.end();
  }
}
