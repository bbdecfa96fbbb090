import type { LinkHolder, LinkLock } from "../store/store.ts";

/** The link of a store, as a Web Lock (https://www.w3.org/TR/web-locks/): the browser frees it when its page is gone. */
function linkOf(store: string): string {
  return `${store}/link`;
}

/**
 * Beside the link its holder has, or waits for, a lock for which all others wait: whoever is given that for a moment, and may stand still just
 * then, is in nobody's way to the link.
 */
function waitedFor(store: string): string {
  return `${store}/link is free`;
}

/** And one that says its role. */
function roleOf(store: string, role: string): string {
  return `${linkOf(store)}/${role}`;
}

/** @param freed Called when it is free again @returns undefined if somebody has it */
export async function takeLink(store: string, role: string, freed: () => void): Promise<LinkLock | undefined> {
  const taken = Promise.withResolvers<boolean>();
  const given = Promise.withResolvers<void>();
  const held = navigator.locks.request(linkOf(store), { ifAvailable: true }, async (lock) => {
    if (lock === null) return taken.resolve(false);
    const waiting = new AbortController();
    const beside = navigator.locks
      .request(waitedFor(store), { signal: waiting.signal }, () => given.promise)
      .catch(() => undefined);
    await navigator.locks.request(roleOf(store, role), { mode: "shared" }, () => {
      taken.resolve(true);
      return given.promise;
    });
    waiting.abort();
    await beside;
  });
  held.catch(taken.reject);
  if (!(await taken.promise)) return undefined;
  let released: Promise<void> | undefined;
  return {
    release: () => {
      given.resolve();
      return (released ??= held.then(isHeard).then(freed));
    },
  };
}

/** Another page may ask for what this one has let go of before the browser has heard of that. What it answers here comes behind it. */
async function isHeard(): Promise<void> {
  await navigator.locks.query().catch(() => undefined);
}

/** Calls `freed` when the link is free, however its holder has gone. */
export async function awaitLink(store: string, freed: () => void, signal: AbortSignal): Promise<void> {
  await navigator.locks.request(waitedFor(store), { mode: "shared", signal }, () => {}).then(freed, () => {});
}

export async function linkHolder(store: string): Promise<LinkHolder | undefined> {
  const { held = [] } = await navigator.locks.query();
  const names = held.map(({ name = "" }) => name);
  if (!names.includes(linkOf(store))) return undefined;
  const prefix = roleOf(store, "");
  const role = names.find((name) => name.startsWith(prefix))?.slice(prefix.length) ?? "";
  return { pid: 0, role, stopped: false };
}
