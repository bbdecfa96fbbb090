/** What the page of store.test.ts can do. */
import { AgentError, IndexedDbStore } from "@aimessage/sdk/browser";
import { clientStoreCases } from "@aimessage/sdk/testing";

let count = 0;
const openStore = (name: string): Promise<IndexedDbStore> => IndexedDbStore.open(name);

/** Another page of this origin, that knows nothing of this one's objects. */
async function elsewhere(): Promise<StorePage> {
  const frame = document.createElement("iframe");
  frame.src = "/";
  document.body.append(frame);
  for (;;) {
    const { storePage } = frame.contentWindow as unknown as { storePage?: StorePage };
    if (storePage !== undefined) return storePage;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs one case upon a new store, of which other views are in another page if `isApart`; resolves with what is wrong. */
async function run(name: string, isApart = false): Promise<string | undefined> {
  const views: IndexedDbStore[] = [];
  const other = isApart ? await elsewhere() : { openStore };
  const open = async () => {
    const store = `case-${++count}`;
    const view = async (from: Pick<StorePage, "openStore">) => {
      const opened = await from.openStore(store);
      views.push(opened);
      return opened;
    };
    return { store: await view({ openStore }), again: () => view(other) };
  };
  try {
    const found = clientStoreCases.find((each) => each.name === name);
    if (found === undefined) return "there is no such case";
    await found.run(open);
    return undefined;
  } catch (error) {
    return String(error);
  } finally {
    for (const view of views) await view.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof AgentError ? error.code : String(error);
}

/** A page of a later version opens a store: what this one says of it from then on, and whether it was told. */
async function outlive(): Promise<[code: string, told: boolean]> {
  const store = await openStore("outlived");
  let isTold = false;
  store.onChange(() => (isTold = true));
  const newer = indexedDB.open("aimessage/outlived", 2);
  const database = await new Promise<IDBDatabase>((resolve) => {
    newer.addEventListener("success", () => resolve(newer.result));
  });
  const before = await store.read((tx) => tx.get("a")).then(() => "", codeOf);
  const again = await openStore("outlived").then(() => "", codeOf);
  database.close();
  return [`${before} ${again}`, isTold];
}

/** Takes the link of a store, or begins to wait for it. */
let view: IndexedDbStore | undefined;
async function take(name: string, role: string): Promise<boolean> {
  view ??= await openStore(name);
  return (await view.takeLink(role)) !== undefined;
}

/** Does nothing else for so long. Milliseconds. */
function standStill(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

const page = { run, openStore, outlive, take, standStill };
export type StorePage = typeof page;
Object.assign(globalThis, { storePage: page });
