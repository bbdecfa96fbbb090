import type { ClientStore } from "../store/store.ts";
import type { AlertRecord } from "./records.ts";

/** Calls `listener` with each alert from now on, whichever process raised it. */
export function followAlerts(store: ClientStore, listener: (alert: AlertRecord) => void): () => void {
  let last: string | undefined;
  let tail: Promise<void> = Promise.resolve();
  const look = async (quietly: boolean) => {
    const news = await store.read((tx) => tx.list({ prefix: "alert/", after: last }));
    last = news.at(-1)?.[0] ?? last;
    if (!quietly) for (const [, text] of news) listener(JSON.parse(text as string) as AlertRecord);
  };
  const next = (quietly: boolean) => {
    tail = tail.then(() => look(quietly)).catch(() => undefined);
  };
  next(true);
  return store.onChange(() => next(false));
}
