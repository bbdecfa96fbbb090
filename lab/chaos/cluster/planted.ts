/** Loaded into relays before their program: changes the source of one of its modules, by which the checks show what they find. */
import { registerHooks } from "node:module";
import type { Bug } from "./bugs.ts";

interface Change {
  /** How the module's address ends. */
  module: string;
  from: string;
  to: string;
}

const changes: Record<Exclude<Bug, "async">, Change> = {
  // What was stored before and is not pushed yet, since another relay has stored it, is left behind.
  before: { module: "delivery/delivery.js", from: "(entry.before ?? 0) <= this.#cursor", to: "true" },
  // Two relays decide upon the same rows.
  lock: { module: "postgres/tables/boxes.js", from: "ORDER BY mailbox FOR NO KEY UPDATE", to: "ORDER BY mailbox" },
  // What was given up may be written all the same.
  fence: {
    module: "lane/fenced-writes.js",
    from: "WHERE relay = $1 AND attempt = $3 AND batch = $2::bigint - 1 RETURNING relay",
    to: "WHERE relay = $1 AND $3::bigint >= 0 RETURNING relay",
  },
};

const change = changes[process.env["CHAOS_BUG"] as keyof typeof changes];

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(change.module)) return loaded;
    const source = Buffer.from((loaded.source ?? "") as string | Uint8Array).toString();
    if (!source.includes(change.from)) throw new Error(`${change.module} has nothing to plant the bug in`);
    return { ...loaded, source: source.replace(change.from, change.to) };
  },
});
