/** What the page of store.test.ts can do. */
import { IndexedDbStore } from "@aimessage/sdk/browser";
import { clientStoreCases } from "@aimessage/sdk/testing";

let count = 0;

/** Runs one case upon a new store; resolves with what is wrong. */
async function run(name: string): Promise<string | undefined> {
  const views: IndexedDbStore[] = [];
  const open = async () => {
    const store = `case-${++count}`;
    const again = async () => {
      const view = await IndexedDbStore.open(store);
      views.push(view);
      return view;
    };
    return { store: await again(), again };
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

Object.assign(globalThis, { run });
