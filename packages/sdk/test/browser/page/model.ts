/** What the page of model.test.ts can do: take stories, and compare the store with a map. */
import { IndexedDbStore } from "@aimessage/sdk/browser";
import * as fc from "fast-check";
import { commands, type Real } from "../../store/model/commands.ts";

let count = 0;

/** Resolves when so many stories are over, or with what is wrong in the shortest one. */
async function tell(seed: number, numRuns: number): Promise<string | undefined> {
  const property = fc.asyncProperty(fc.commands([commands], { size: "max", maxCommands: 40 }), async (story) => {
    const name = `model-${++count}`;
    const open = () => IndexedDbStore.open(name);
    const views = [await open(), await open()];
    const real: Real = {
      views,
      isHeldByReaders: true,
      async reopen(view) {
        await views[view]?.close();
        views[view] = await open();
      },
    };
    try {
      await fc.asyncModelRun(() => ({ model: { records: new Map() }, real }), story);
    } finally {
      for (const view of views) await view.close();
    }
  });
  const found = await fc.check(property, { seed, numRuns });
  return found.failed ? fc.defaultReportMessage(found) : undefined;
}

const page = { tell };
export type ModelPage = typeof page;
Object.assign(globalThis, { modelPage: page });
